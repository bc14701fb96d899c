/** What a client uses unless told otherwise. A build for browsers replaces this one file. */
export { tlsLines as defaultTransport } from './tls-lines.js';
