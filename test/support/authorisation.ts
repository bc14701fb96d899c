import type { upSchemas } from '@huizhi/protocol';
import type { Device } from './device.js';

/** The users, groups and messages that the matrix refers to. */
export interface Stage {
  /** The device that sends the commands. */
  readonly asker: Device;
  /** A user that has exchanged messages with the asker. */
  readonly friend: string;
  /** An existing user that has exchanged no message with the asker. */
  readonly stranger: string;
  /** An existing user to which the asker sends no message. */
  readonly unmet: string;
  readonly nobody: string;
  /** A group with the asker as member. */
  readonly ownGroup: string;
  /** An existing group without the asker. */
  readonly otherGroup: string;
  readonly noGroup: string;
  /** A message delivered to the asker and not receipted. */
  readonly ownMessage: string;
  /** A message delivered to another user only. */
  readonly otherMessage: string;
  readonly noMessage: string;
}

type Frame = Record<string, unknown>;

/** One cell of the matrix: a command in a situation. */
export interface Cell {
  readonly situation: string;
  readonly frame: (stage: Stage) => Frame;
  /** The message type of the answer, or the name of the refusal. */
  readonly outcome: string;
  /** Cells of a command with the same word get equal answers, byte for byte except for echoed fields. */
  readonly alike?: string;
}

const chat = (target: Frame): Frame => ({
  messageType: 'normal',
  contenType: 'text',
  content: { text: 'x' },
  ...target,
});
const page = (target: Frame): Frame => ({ messageType: 'history', ...target });
const toUser = (toUserID: string): Frame => ({ chatType: 'userChat', toUserID });
const toGroup = (groupID: string): Frame => ({ chatType: 'groupChat', groupID });

/**
 * Every command in every situation that affects it. Before the login, all commands but the login get `loginRequired`
 * and a close.
 */
export const matrix: Record<keyof typeof upSchemas, readonly Cell[]> = {
  login: [
    {
      situation: 'already logged in',
      frame: ({ stranger }) => ({ messageType: 'login', fromUserID: stranger, versionCode: 2 }),
      outcome: 'unsupported',
    },
  ],
  normal: [
    { situation: 'friend', frame: ({ friend }) => chat(toUser(friend)), outcome: 'normalReceipt' },
    {
      situation: 'user without common messages',
      frame: ({ stranger }) => chat(toUser(stranger)),
      outcome: 'normalReceipt',
    },
    { situation: 'own group', frame: ({ ownGroup }) => chat(toGroup(ownGroup)), outcome: 'normalReceipt' },
    { situation: 'no such user', frame: ({ nobody }) => chat(toUser(nobody)), outcome: 'notAllowed', alike: 'no' },
    {
      situation: 'group of others',
      frame: ({ otherGroup }) => chat(toGroup(otherGroup)),
      outcome: 'notAllowed',
      alike: 'no',
    },
    { situation: 'no such group', frame: ({ noGroup }) => chat(toGroup(noGroup)), outcome: 'notAllowed', alike: 'no' },
    {
      situation: 'with the sender fields of another user',
      frame: ({ friend, stranger }) =>
        chat({ ...toUser(friend), fromUserID: stranger, deviceID: 'x', conversationID: 'p_x' }),
      outcome: 'normalReceipt',
    },
  ],
  createGroup: [
    {
      situation: 'with users that exist',
      frame: ({ friend }) => ({ messageType: 'createGroup', memberUserIDs: [friend] }),
      outcome: 'normalReceipt',
    },
    {
      situation: 'with a user that does not exist',
      frame: ({ friend, nobody }) => ({ messageType: 'createGroup', memberUserIDs: [friend, nobody] }),
      outcome: 'notAllowed',
    },
    {
      situation: 'with the id of a group of others',
      frame: ({ friend, otherGroup }) => ({ messageType: 'createGroup', memberUserIDs: [friend], groupID: otherGroup }),
      outcome: 'normalReceipt',
    },
  ],
  receipt: [
    {
      situation: 'message of another',
      frame: ({ otherMessage }) => ({ messageType: 'receipt', messageID: otherMessage }),
      outcome: 'receiptConfirm',
      alike: 'no',
    },
    {
      situation: 'no such message',
      frame: ({ noMessage }) => ({ messageType: 'receipt', messageIDs: [noMessage] }),
      outcome: 'receiptConfirm',
      alike: 'no',
    },
    {
      situation: 'own message',
      frame: ({ ownMessage }) => ({ messageType: 'receipt', messageID: ownMessage }),
      outcome: 'receiptConfirm',
    },
  ],
  history: [
    { situation: 'friend', frame: ({ friend }) => page(toUser(friend)), outcome: 'historyReceipt' },
    { situation: 'own group', frame: ({ ownGroup }) => page(toGroup(ownGroup)), outcome: 'historyReceipt' },
    {
      situation: 'user without common messages',
      frame: ({ unmet }) => page(toUser(unmet)),
      outcome: 'historyReceipt',
    },
    { situation: 'no such user', frame: ({ nobody }) => page(toUser(nobody)), outcome: 'notAllowed', alike: 'no' },
    {
      situation: 'group of others',
      frame: ({ otherGroup }) => page(toGroup(otherGroup)),
      outcome: 'notAllowed',
      alike: 'no',
    },
    { situation: 'no such group', frame: ({ noGroup }) => page(toGroup(noGroup)), outcome: 'notAllowed', alike: 'no' },
    {
      situation: 'conversation id of a group of others',
      frame: ({ noGroup, otherGroup }) =>
        page({ ...toGroup(noGroup), conversationID: `g_${otherGroup}`, fromUserID: 'x' }),
      outcome: 'notAllowed',
      alike: 'no',
    },
  ],
  beat: [{ situation: 'at any time', frame: () => ({ beatID: 'b' }), outcome: 'beatID' }],
};

/** The matrix as a Markdown table. */
export function matrixTable(): string {
  const rows = Object.entries(matrix).flatMap(([command, cells]) => [
    ...(command === 'login' ? [] : [[command, 'before the login', '`loginRequired`, close `loginFailed`', '']]),
    ...cells.map(({ situation, outcome, alike }) => [command, situation, `\`${outcome}\``, alike ?? '']),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(['command', 'situation', 'answer', 'alike']),
    line(Array(4).fill('---') as string[]),
    ...rows.map(line),
  ].join('\n');
}
