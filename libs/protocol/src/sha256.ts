import { hash } from 'node:crypto';

/**
 * SHA-256 of a text's UTF-8 bytes. One call, because garbage collection of a Hash object costs more than the hashing.
 */
export const sha256 = (text: string): Buffer => hash('sha256', text, 'buffer');
