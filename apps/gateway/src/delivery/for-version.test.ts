import { KINDS_OF_VERSION_1 } from '@huizhi/protocol';
import { expect, test } from '@jest/globals';
import { forVersion } from './for-version.js';

const delivery = (contenType: string): string =>
  JSON.stringify({ messageID: '1024', seq: 1, contenType, content: { text: 'x', seconds: '7' } });

test.each([...KINDS_OF_VERSION_1])(
  'a message of the kind %s passes through when the client is of version 1',
  (kind) => {
    expect(forVersion(1, delivery(kind))).toBe(delivery(kind));
  },
);

test.each(['voice', 'sticker', 'firstRepeal', '__proto__'])(
  'a message of the kind %s becomes a tip with the same messageID when the client is of version 1',
  (kind) => {
    const shown = JSON.parse(forVersion(1, delivery(kind))) as Record<string, unknown>;
    expect(shown).toMatchObject({ messageID: '1024', seq: 1, contenType: 'tip' });
    expect(shown.content).toEqual({ text: expect.stringContaining('please upgrade') as unknown });
    expect(forVersion(2, delivery(kind))).toBe(delivery(kind));
  },
);
