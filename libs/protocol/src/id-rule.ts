/** Maximum length of an id in code points, each up to four bytes of UTF-8. */
export const MAX_ID_LENGTH = 255;

/** Fast path: valid ASCII ids, which are nearly all ids, checked in one pass. */
const ASCII = /^[!-~](?:[ -~]{0,253}[!-~])?$/;

/** Letters, marks, numbers, punctuation and symbols of this runtime's Unicode version, and the plain space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u;

/** The rule as a pattern for the published schema; NFC cannot be expressed as a pattern. */
export const ID_PATTERN =
  '^[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}](?:[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S} ]*[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}])?$';

/**
 * The problem of an externally chosen id (user, device, group), or undefined if the id is valid. Ids are compared by
 * their bytes and never normalised, because normalising could merge two users of an identity provider.
 */
export function idProblem(text: string): string | undefined {
  if (ASCII.test(text)) return undefined;
  if (text === '') return 'must not be empty';
  // The length is checked first, so that a long text costs no more than a short one.
  if (text.length > 2 * MAX_ID_LENGTH || lengthOf(text) > MAX_ID_LENGTH) {
    return `must not have more than ${MAX_ID_LENGTH} characters`;
  }
  if (text.startsWith(' ') || text.endsWith(' ')) return 'must not begin or end with a space';
  if (!PRINTABLE.test(text)) {
    return 'must hold only letters, marks, numbers, punctuation, symbols and plain spaces';
  }
  return text.normalize('NFC') === text ? undefined : 'must be in Unicode normalization form C (NFC)';
}

/** Number of code points: low surrogates are not counted. */
function lengthOf(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xdc00 && unit <= 0xdfff) length--;
  }
  return length;
}

/**
 * Upper bound of an id's bytes in JSON, from its length only: a UTF-16 unit takes up to three bytes, or two if escaped.
 */
export const idBytes = (id: string): number => 3 * id.length;

/** Checks an id that does not come from a frame. */
export const isUserID = (value: unknown): value is string => typeof value === 'string' && !idProblem(value);
