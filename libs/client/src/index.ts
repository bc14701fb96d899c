export type { Availability } from './checker/availability.js';
export { HistoryChecker, type Verdict } from './checker/checker.js';
export { logLine, logObserver, parseLogLine, readHistory, type LogLine, type Stated } from './checker/log.js';
export type { Rule, Violation } from './checker/violations.js';
export { HuizhiClient } from './node.js';
export { nodeTransport } from './node-transport.js';
export * from './shared.js';
