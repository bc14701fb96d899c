import { DedicatedConnection } from '@huizhi/database';

/**
 * The only connection that appends to the log. It has its own class, so that no other connection is injected for it.
 */
export class WriterConnection extends DedicatedConnection {}
