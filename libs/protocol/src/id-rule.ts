/** The most characters of an id: code points, each up to four bytes of UTF-8. */
export const MAX_ID_LENGTH = 255;

/** What nearly all ids are. Decided by one pass over the text. */
const ASCII = /^[!-~](?:[ -~]{0,253}[!-~])?$/;

/**
 * Letters, marks, numbers, punctuation and symbols as the Unicode version of this runtime knows them, and the plain
 * space.
 */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u;

/** The whole rule but for NFC, which no pattern can say: for readers of the schema. */
export const ID_PATTERN =
  '^[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}](?:[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S} ]*[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}])?$';

/**
 * What is wrong with an id chosen outside (a user, a device, a group), or undefined. Ids are compared by their bytes
 * and never changed: were they normalised here, two users of an identity provider could become one.
 */
export function idProblem(text: string): string | undefined {
  if (ASCII.test(text)) return undefined;
  if (text === '') return 'must not be empty';
  // By its length first, so that a long text costs no more than a short one.
  if (text.length > 2 * MAX_ID_LENGTH || lengthOf(text) > MAX_ID_LENGTH) {
    return `must not have more than ${MAX_ID_LENGTH} characters`;
  }
  if (text.startsWith(' ') || text.endsWith(' ')) return 'must not begin or end with a space';
  if (!PRINTABLE.test(text)) {
    return 'must hold only letters, marks, numbers, punctuation, symbols and plain spaces';
  }
  return text.normalize('NFC') === text ? undefined : 'must be in Unicode normalization form C (NFC)';
}

/** Code points: the second half of a surrogate pair counts for nothing. */
function lengthOf(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xdc00 && unit <= 0xdfff) length--;
  }
  return length;
}

/**
 * The most bytes of an id in JSON, without a look at it: a UTF-16 unit takes up to three bytes, or two when it is
 * escaped.
 */
export const idBytes = (id: string): number => 3 * id.length;

/** For ids that come from elsewhere than a frame. */
export const isUserID = (value: unknown): value is string => typeof value === 'string' && !idProblem(value);
