import type { upSchemas } from '@huizhi/protocol';
import type { Device } from './device.js';

/** Who and what the matrix is about. */
export interface Stage {
  /** The one who asks. */
  readonly asker: Device;
  /** Has talked with the asker. */
  readonly friend: string;
  /** Exists, and never talked with the asker. */
  readonly stranger: string;
  /** Exists; the asker never says a word to them. */
  readonly unmet: string;
  readonly nobody: string;
  /** A group the asker is in. */
  readonly ownGroup: string;
  /** A group that exists and the asker is not in. */
  readonly otherGroup: string;
  readonly noGroup: string;
  /** Delivered to the asker and not receipted. */
  readonly ownMessage: string;
  /** Delivered to somebody else. */
  readonly otherMessage: string;
  readonly noMessage: string;
}

type Frame = Record<string, unknown>;

/** One cell: a command in a situation. */
export interface Cell {
  readonly situation: string;
  readonly frame: (stage: Stage) => Frame;
  /** What is answered: the type, or the name where it refuses. */
  readonly outcome: string;
  /** Cells of a command with the same word are answered alike, byte for byte apart from what they echo. */
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

/** Every command in every situation that differs for it; before the login all but the login are `loginRequired` and a close. */
export const matrix: Record<keyof typeof upSchemas, readonly Cell[]> = {
  login: [
    {
      situation: 'logged in already',
      frame: ({ stranger }) => ({ messageType: 'login', fromUserID: stranger, versionCode: 2 }),
      outcome: 'unsupported',
    },
  ],
  normal: [
    { situation: 'friend', frame: ({ friend }) => chat(toUser(friend)), outcome: 'normalReceipt' },
    { situation: 'stranger', frame: ({ stranger }) => chat(toUser(stranger)), outcome: 'normalReceipt' },
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
      situation: 'in the name of another',
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
      situation: 'with one that does not',
      frame: ({ friend, nobody }) => ({ messageType: 'createGroup', memberUserIDs: [friend, nobody] }),
      outcome: 'notAllowed',
    },
    {
      situation: 'under the id of a group of others',
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
      situation: 'never talked with',
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
      situation: 'another’s conversation by its id',
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
