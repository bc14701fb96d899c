export type { Availability } from './availability.js';
export { HistoryChecker, type Verdict } from './checker.js';
export { logLine, logObserver, parseLogLine, readHistory, type LogLine, type Stated } from './log.js';
export type { Rule, Violation } from './violations.js';
