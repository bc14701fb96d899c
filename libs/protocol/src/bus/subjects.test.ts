import { expect, test } from '@jest/globals';
import { commands, subjects } from './subjects.js';

const all = [
  ...[0, 1, 31].flatMap((lane) =>
    [
      subjects.send,
      subjects.open,
      subjects.attach,
      subjects.revoke,
      subjects.close,
      subjects.fetch,
      subjects.cursor,
    ].map((of) => of(lane)),
  ),
  ...['gw1', 'gw2'].flatMap((id) => [
    subjects.receipts(id),
    subjects.gateway(id),
    subjects.replies('gateway', id),
    subjects.sendTo(id),
    subjects.cursorTo(id),
  ]),
  subjects.lanes('message'),
  subjects.lanes('offline'),
  subjects.committed,
  subjects.log,
  subjects.members,
  subjects.history,
  ...Object.values(commands),
];

test('subjects are distinct and contain no wildcard', () => {
  expect(new Set(all).size).toBe(all.length);
  for (const subject of all) expect(subject).toMatch(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/);
});
