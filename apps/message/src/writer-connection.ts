import { DedicatedConnection } from '@huizhi/database';

/** The only connection that appends to the log. A class of its own, so that nothing else can be injected in its place. */
export class WriterConnection extends DedicatedConnection {}
