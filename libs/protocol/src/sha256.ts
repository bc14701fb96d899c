import { hash } from 'node:crypto';

/** SHA-256 of a text's UTF-8 bytes. In one call: a Hash object per message costs more in collection than in hashing. */
export const sha256 = (text: string): Buffer => hash('sha256', text, 'buffer');
