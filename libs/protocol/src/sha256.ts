import { createHash } from 'node:crypto';

/** SHA-256 of a text's UTF-8 bytes. The only built-in module this library needs; it does no I/O. */
export const sha256 = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();
