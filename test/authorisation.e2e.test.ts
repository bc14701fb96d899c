import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '@huizhi/dev-env';
import { upSchemas } from '@huizhi/protocol';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { matrix, matrixTable, type Cell, type Stage } from './support/authorisation.js';
import { Device } from './support/device.js';
import { TestCluster } from './support/test-cluster.js';

/** Plays the authorisation matrix of `support/authorisation.ts`, command by command. */

jest.setTimeout(60_000);

let cluster: TestCluster;
let stage: Stage;
let friend: Device;

beforeAll(async () => {
  cluster = await TestCluster.start();
  stage = await setTheStage();
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

const user = (device: Device): string => device.options.user;

/** Devices that no message of the asker may reach. */
const bystanders: Device[] = [];
/** Ids of the asker's receipted messages, by the user that must receive them. */
const meant = new Map<string, string[]>();

function means(to: string, { messageID }: Record<string, unknown>): void {
  meant.set(to, [...(meant.get(to) ?? []), String(messageID)]);
}

async function setTheStage(): Promise<Stage> {
  const asker = await cluster.device(cluster.name('asker'), 'phone', { receipts: false });
  friend = await cluster.device(cluster.name('friend'));
  const stranger = cluster.name('stranger');
  const unmet = cluster.name('unmet');
  await cluster.known(stranger, unmet);
  bystanders.push(await cluster.device(cluster.name('other')), await cluster.device(cluster.name('another')));
  const [other, another] = bystanders as [Device, Device];
  const otherGroup = await group(other, user(another));
  const ownGroup = await group(asker, user(friend));
  means(user(friend), ownGroup);
  const ownMessage = String((await friend.settle(user(asker), 'hello')).messageID);
  await asker.sawMessages(1);
  return {
    ...{ asker, friend: user(friend), stranger, unmet, nobody: 'nobody-of-that-name' },
    ...{ ownGroup: String(ownGroup.groupID), otherGroup: String(otherGroup.groupID), noGroup: 'ab'.repeat(12) },
    ...{ ownMessage, otherMessage: String((await other.settle(user(another), 'secret')).messageID) },
    noMessage: '9007199254740000',
  };
}

async function group(owner: Device, ...members: string[]): Promise<Record<string, unknown>> {
  owner.say({ messageType: 'createGroup', clientMsgID: 'g', memberUserIDs: members });
  return owner.answer('g');
}

/** Fields that are echoed or derived from the target of the frame. */
const ECHOES = ['clientMsgID', 'requestID', 'sendTime', 'conversationID'];
const withoutEchoes = (answer: Record<string, unknown>): string =>
  JSON.stringify(Object.fromEntries(Object.entries(answer).filter(([name]) => !ECHOES.includes(name))));

/** Sends the frame of a cell on the asker's connection and returns the answer. */
async function play(command: string, { situation, frame, outcome }: Cell): Promise<Record<string, unknown>> {
  const { asker, stranger } = stage;
  const said = frame(stage);
  const id = `${command}-${situation}`.replaceAll(/[^\w-]/g, '-').slice(0, 60);
  const from = asker.frames.length;
  asker.say({ ...(command === 'history' ? { requestID: id } : { clientMsgID: id }), ...said });
  const answer = await asker.until(`the answer to ${id}`, () =>
    asker.frames.slice(from).find((one): one is Record<string, unknown> => {
      if (Array.isArray(one) || one.messageType === 'normal') return false;
      if (command === 'receipt') return one.messageType === 'receiptConfirm';
      if (command === 'beat' || command === 'login') return one.messageType !== 'receiptConfirm' && outcome !== '';
      return one.clientMsgID === id || one.requestID === id;
    }),
  );
  // All other accepted messages go to the friend, or to a group that includes the friend.
  if (answer.messageType === 'normalReceipt') means(said.toUserID === stranger ? stranger : user(friend), answer);
  return answer;
}

const outcomeOf = (answer: Record<string, unknown>): unknown =>
  answer.name ?? answer.messageType ?? (answer.beatID === undefined ? undefined : 'beatID');

test('the matrix has a row for every command', () => {
  expect(Object.keys(matrix).sort()).toEqual(Object.keys(upSchemas).sort());
});

test('security-controls.md shows the matrix unchanged', () => {
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
    test('the gateway refuses the command before the login and closes the connection', async () => {
      const token = await cluster.system.token('early');
      const device = await Device.connect(cluster.system.address, { user: 'early', deviceID: 'd', token });
      device.say({ clientMsgID: 'c', requestID: 'r', ...cells[0]!.frame(stage) });
      expect(await device.next({ messageType: 'loginReceipt' })).toMatchObject({ name: 'loginRequired' });
      expect(await device.closed).toMatchObject({ name: 'loginFailed' });
    });
  }

  test('the gateway answers as in the matrix; foreign and missing targets get equal answers', async () => {
    const alike = new Map<string, Set<string>>();
    for (const cell of cells) {
      const answer = await play(command, cell);
      expect([cell.situation, outcomeOf(answer)]).toEqual([cell.situation, cell.outcome]);
      if (cell.alike) alike.set(cell.alike, (alike.get(cell.alike) ?? new Set()).add(withoutEchoes(answer)));
    }
    for (const [word, answers] of alike) expect([word, [...answers]]).toEqual([word, [expect.any(String)]]);
  });
});

test('only the intended users receive the messages of the asker, with the asker as sender', async () => {
  const asker = user(stage.asker);
  const others = [...bystanders, await cluster.device(stage.unmet, 'first')];
  // No earlier message is in transit any more, so the next one arrives last.
  await cluster.noLag();
  for (const [n, device] of others.entries()) {
    await friend.settle(user(device), `last-${n}`);
    await device.until('the last word', () => device.seen.some(({ clientMsgID }) => clientMsgID === `last-${n}`));
    expect(device.seen.map(({ fromUserID }) => fromUserID)).not.toContain(asker);
  }
  for (const device of [friend, await cluster.device(stage.stranger, 'first')]) {
    const ids = meant.get(user(device)) ?? [];
    await device.sawMessages(ids.length);
    const from = new Map(device.seen.map(({ messageID, fromUserID }) => [messageID, fromUserID]));
    expect(from).toEqual(new Map(ids.map((id) => [id, asker])));
  }
});
