import { HistoryChecker, parseLogLine, type Verdict } from './index.js';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * Reads logs one after another, line by line. Lines of one device must be in one file, or in files given in order.
 * @throws an error that names file and line when a line is not a log line
 */
export async function checkFiles(files: readonly string[]): Promise<Verdict> {
  const checker = new HistoryChecker();
  for (const file of files) {
    let number = 0;
    for await (const line of createInterface({ input: createReadStream(file) })) {
      number++;
      if (line.trim() === '') continue;
      try {
        checker.add(parseLogLine(line));
      } catch (cause) {
        throw new Error(`${file}:${number} is not a log line`, { cause });
      }
    }
  }
  return checker.finish();
}

export function describeVerdict({ violations, total, counts }: Verdict): string[] {
  const { lines, devices, sends, stored, received, conversations } = counts;
  return [
    ...violations.map(({ rule, where, what }) => `${rule.padEnd(4)} ${where}: ${what}`),
    ...(total > violations.length ? [`… and ${total - violations.length} more`] : []),
    `${lines} lines, ${devices} devices, ${sends} sends (${stored} stored), ${received} deliveries, ${conversations} histories`,
    total === 0 ? 'no violation' : `${total} violations`,
  ];
}
