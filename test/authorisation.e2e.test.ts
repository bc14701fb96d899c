import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/constellation';
import { upSchemas } from '@huizhi/protocol';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { matrix, matrixTable, type Cell, type Stage } from './support/authorisation.js';
import { Device } from './support/device.js';
import { World } from './support/world.js';

/** Who may do what, command by command; see `support/authorisation.ts`. */

jest.setTimeout(60_000);

let world: World;
let stage: Stage;

beforeAll(async () => {
  world = await World.start();
  stage = await setTheStage();
}, 120_000);
afterAll(() => world?.stop(), 60_000);

const user = (device: Device): string => device.options.user;

/** Those whom nothing of the asker may reach. */
const bystanders: Device[] = [];

async function setTheStage(): Promise<Stage> {
  const asker = await world.device(world.name('asker'), 'phone', { receipts: false });
  const friend = await world.device(world.name('friend'));
  const stranger = world.name('stranger');
  const unmet = world.name('unmet');
  await world.known(stranger, unmet);
  bystanders.push(await world.device(world.name('other')), await world.device(world.name('another')));
  const [other, another] = bystanders as [Device, Device];
  const otherGroup = await group(other, user(another));
  const ownMessage = String((await friend.settle(user(asker), 'hello')).messageID);
  await asker.sawMessages(1);
  return {
    ...{ asker, friend: user(friend), stranger, unmet, nobody: 'nobody-of-that-name' },
    ...{ ownGroup: await group(asker, user(friend)), otherGroup, noGroup: 'ab'.repeat(12) },
    ...{ ownMessage, otherMessage: String((await other.settle(user(another), 'secret')).messageID) },
    noMessage: '9007199254740000',
  };
}

async function group(owner: Device, ...members: string[]): Promise<string> {
  owner.say({ messageType: 'createGroup', clientMsgID: 'g', memberUserIDs: members });
  return String((await owner.answer('g')).groupID);
}

/** Echoes, and what follows from whom the frame names. */
const ECHOES = ['clientMsgID', 'requestID', 'sendTime', 'conversationID'];
const withoutEchoes = (answer: Record<string, unknown>): string =>
  JSON.stringify(Object.fromEntries(Object.entries(answer).filter(([name]) => !ECHOES.includes(name))));

/** What a cell is answered, on the asker's connection. */
async function play(command: string, { situation, frame, outcome }: Cell): Promise<Record<string, unknown>> {
  const { asker } = stage;
  const id = `${command}-${situation}`.replaceAll(/[^\w-]/g, '-').slice(0, 60);
  const from = asker.frames.length;
  asker.say({ ...(command === 'history' ? { requestID: id } : { clientMsgID: id }), ...frame(stage) });
  return asker.until(`the answer to ${id}`, () =>
    asker.frames.slice(from).find((one): one is Record<string, unknown> => {
      if (Array.isArray(one) || one.messageType === 'normal') return false;
      if (command === 'receipt') return one.messageType === 'receiptConfirm';
      if (command === 'beat' || command === 'login') return one.messageType !== 'receiptConfirm' && outcome !== '';
      return one.clientMsgID === id || one.requestID === id;
    }),
  );
}

const outcomeOf = (answer: Record<string, unknown>): unknown =>
  answer.name ?? answer.messageType ?? (answer.beatID === undefined ? undefined : 'beatID');

test('the matrix has a row for every command', () => {
  expect(Object.keys(matrix).sort()).toEqual(Object.keys(upSchemas).sort());
});

test('the documents show the matrix as it is', () => {
  const text = readFileSync(join(projectRoot(), 'docs/security-controls.md'), 'utf8');
  const shown = /<!-- authorisation -->\n([^]*?)<!-- \/authorisation -->/.exec(text)?.[1] ?? '';
  const plain = (table: string): string[] =>
    table
      .trim()
      .split('\n')
      .map((line) => line.replaceAll(/\s+/g, ' ').replaceAll(/-+/g, '-').trim());
  expect(plain(shown)).toEqual(plain(matrixTable()));
});

describe.each(Object.entries(matrix))('%s', (command, cells) => {
  if (command !== 'login') {
    test('before the login it is refused and the connection closed', async () => {
      const token = await world.system.token('early');
      const device = await Device.connect(world.system.address, { user: 'early', deviceID: 'd', token });
      device.say({ clientMsgID: 'c', requestID: 'r', ...cells[0]!.frame(stage) });
      expect(await device.next({ messageType: 'loginReceipt' })).toMatchObject({ name: 'loginRequired' });
      expect(await device.closed).toMatchObject({ name: 'loginFailed' });
    });
  }

  test('in each situation it is answered as the matrix says, and what is not one’s own looks like what does not exist', async () => {
    const alike = new Map<string, Set<string>>();
    for (const cell of cells) {
      const answer = await play(command, cell);
      expect([cell.situation, outcomeOf(answer)]).toEqual([cell.situation, cell.outcome]);
      if (cell.alike) alike.set(cell.alike, (alike.get(cell.alike) ?? new Set()).add(withoutEchoes(answer)));
    }
    for (const [word, answers] of alike) expect([word, [...answers]]).toEqual([word, [expect.any(String)]]);
  });
});

test('nobody who was not to has got anything, and whoever was has got it from the asker', async () => {
  for (const device of bystanders)
    expect(device.seen.map(({ fromUserID }) => fromUserID)).not.toContain(user(stage.asker));
});
