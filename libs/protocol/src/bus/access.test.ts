import { expect, test } from '@jest/globals';
import { BUS_USERS, permissionsOf, routes } from './access.js';
import { commands, inboxOf, subjects } from './subjects.js';

/** Every subject, `lanes` once per lane service. Reply subjects are left out: they follow from the requests. */
const { lanes, replies: _replies, ...others } = subjects;
const all = [
  ...Object.values(others).map((of) => (typeof of === 'string' ? of : (of as (token: string) => string)('*'))),
  ...(['message', 'offline'] as const).map(lanes),
  ...Object.values(commands),
];

test('each subject and command has one row with its publishers and subscribers', () => {
  expect(routes.map(({ subject }) => subject).sort()).toEqual([...all].sort());
  for (const { from, to } of routes) expect([from.length, to.length].every((count) => count > 0)).toBe(true);
});

test('only subscribers of a request subject may publish to the reply inbox of its senders', () => {
  expect(permissionsOf('message').publish).toEqual(
    expect.arrayContaining(['hz.reply.gateway.>', 'hz.reply.offline.>']),
  );
  const answering = (user: (typeof BUS_USERS)[number]): string[] =>
    permissionsOf(user).publish.filter((subject) => subject.startsWith('hz.reply.'));
  expect(Object.fromEntries(BUS_USERS.map((user) => [user, answering(user).sort()]))).toEqual({
    gateway: [],
    message: ['hz.reply.gateway.>', 'hz.reply.offline.>'],
    offline: ['hz.reply.admin.>', 'hz.reply.gateway.>', 'hz.reply.offline.>'],
    media: [],
    push: [],
    admin: [],
  });
});

test('a bus user may subscribe to its own reply inbox only', () => {
  for (const user of BUS_USERS) {
    const inboxes = permissionsOf(user).subscribe.filter((subject) => subject.startsWith('hz.reply.'));
    expect(inboxes).toEqual([`hz.reply.${user}.>`]);
  }
});

test.each([
  ['gateway', 'hz.reply.gateway'],
  ['a.b*c>', 'hz.reply.a_b_c_'],
  ['', 'hz.reply.anybody'],
])('the inbox of the user "%s" is %s', (user, inbox) => {
  expect(inboxOf(user)).toBe(inbox);
});
