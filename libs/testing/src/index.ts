/** Helpers that tests of several packages share. */
export { collectGarbage } from './garbage.js';
export { RecordingLog } from './recording-log.js';
