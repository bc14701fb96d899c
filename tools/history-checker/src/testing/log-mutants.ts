import type { LogLine } from '../log.js';
import type { Rule } from '../violations.js';

type Of<Ev extends LogLine['ev']> = Extract<LogLine, { ev: Ev }>;

/** The n-th line of this kind from a device. */
export function nth<Ev extends LogLine['ev']>(
  lines: LogLine[],
  device: string,
  ev: Ev,
  n: number,
): { at: number; line: Of<Ev> } {
  const found = lines
    .map((line, at) => ({ line, at }))
    .filter(({ line }) => line.ev === ev && `${line.user}/${line.device}` === device)[n];
  if (!found) throw new Error(`${device} has no ${ev} number ${n}`);
  return found as { at: number; line: Of<Ev> };
}

const isOf = (line: LogLine, device: string): boolean => `${line.user}/${line.device}` === device;

/** Removes a message from every device and history. Returns its deliveries. */
function lose(lines: LogLine[], messageID: string): Of<'received'>[] {
  const lost: Of<'received'>[] = [];
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = lines[i] as LogLine;
    if (line.ev === 'history') line.messages = line.messages.filter((each) => each.messageID !== messageID);
    if (line.ev !== 'received' || line.messageID !== messageID) continue;
    lost.push(line);
    lines.splice(i, 1);
  }
  return lost;
}

/** Mutations of a correct log, each with the rules of which at least one must report a violation. */
export const mutants: { name: string; rules: Rule[]; mutate(lines: LogLine[]): void }[] = [
  {
    name: 'a stored message dropped everywhere',
    rules: ['I1'],
    mutate(lines) {
      lose(lines, nth(lines, 'alice/phone', 'ok', 1).line.messageID);
    },
  },
  {
    name: 'the last delivery dropped',
    rules: ['I1'],
    mutate(lines) {
      const mine = lines.filter((line) => line.ev === 'received' && isOf(line, 'bob/phone'));
      lines.splice(lines.indexOf(mine.at(-1) as LogLine), 1);
    },
  },
  {
    name: 'a delivery in the middle dropped',
    rules: ['I7', 'I1'],
    mutate: (lines) => void lines.splice(nth(lines, 'alice/laptop', 'received', 3).at, 1),
  },
  {
    name: 'a message delivered as two entries',
    rules: ['I5'],
    mutate(lines) {
      const { at, line } = nth(lines, 'dave/phone', 'received', 1);
      lines.splice(at + 1, 0, { ...line, inboxSeq: line.inboxSeq + 1, previous: line.inboxSeq });
    },
  },
  {
    name: 'two deliveries swapped',
    rules: ['I7'],
    mutate(lines) {
      const one = nth(lines, 'dave/phone', 'received', 1);
      const other = nth(lines, 'dave/phone', 'received', 2);
      [lines[one.at], lines[other.at]] = [other.line, one.line];
    },
  },
  {
    name: 'changed content in a delivery',
    rules: ['I5'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'received', 2).line.hash = 'other'),
  },
  {
    name: 'changed content everywhere but at the sender',
    rules: ['I5'],
    mutate(lines) {
      const { messageID } = nth(lines, 'bob/phone', 'received', 2).line;
      for (const line of lines) {
        if (line.ev === 'received' && line.messageID === messageID) line.hash = 'other';
        if (line.ev === 'history')
          for (const each of line.messages) if (each.messageID === messageID) each.hash = 'other';
      }
    },
  },
  {
    name: 'an altered seq in a delivery',
    rules: ['I4', 'I8'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'received', 2).line.seq += 1),
  },
  {
    name: 'a delivery that was never sent',
    rules: ['I3'],
    mutate(lines) {
      const { at, line } = nth(lines, 'dave/phone', 'received', 5);
      const { inboxSeq, seq } = line;
      const ghost = {
        messageID: '999424',
        clientMsgID: 'ghost',
        inboxSeq: inboxSeq + 1,
        previous: inboxSeq,
        seq: seq + 1,
      };
      lines.splice(at + 1, 0, { ...line, ...ghost });
    },
  },
  {
    name: 'a history entry that was never sent',
    rules: ['I3'],
    mutate(lines) {
      for (const line of lines) {
        const last = line.ev === 'history' ? line.messages.at(-1) : undefined;
        if (line.ev === 'history' && last) {
          line.messages.push({ ...last, messageID: `${last.messageID}9`, seq: last.seq + 1, clientMsgID: 'ghost' });
        }
      }
    },
  },
  {
    name: 'a redelivery after its confirm',
    rules: ['I6'],
    mutate(lines) {
      const { at } = nth(lines, 'dave/phone', 'confirmed', 2);
      lines.splice(at + 1, 0, nth(lines, 'dave/phone', 'received', 0).line);
    },
  },
  {
    name: 'a cursor that went back',
    rules: ['I6'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'connected', 1).line.cursor = 0),
  },
  {
    name: 'a confirm without a receipt',
    rules: ['I6'],
    mutate: (lines) => void lines.splice(nth(lines, 'dave/phone', 'receipted', 2).at, 1),
  },
  {
    name: 'a delivery to a user outside the conversation',
    rules: ['I12'],
    mutate(lines) {
      const { at, line } = nth(lines, 'bob/phone', 'received', 0);
      const inboxSeq = 0.5;
      lines.splice(at + 1, 0, { ...line, user: 'carol', device: 'phone', inboxSeq, previous: 0 });
    },
  },
  {
    name: 'a delivery to the sending device',
    rules: ['I12'],
    mutate(lines) {
      const { at, line } = nth(lines, 'alice/laptop', 'received', 0);
      lines.splice(at + 1, 0, { ...line, device: 'phone' });
    },
  },
  {
    name: 'a hole in the history',
    rules: ['I9'],
    mutate(lines) {
      for (const line of lines) {
        if (line.ev === 'history') for (const each of line.messages) if (each.seq >= 3) each.seq += 1;
      }
    },
  },
  {
    name: 'a changed receipt',
    rules: ['I10'],
    mutate(lines) {
      const { at, line } = nth(lines, 'alice/laptop', 'ok', 0);
      lines.splice(at + 1, 0, { ...line, serverTime: '999' });
    },
  },
  {
    name: 'one missing and one duplicated delivery',
    rules: ['I1'],
    mutate(lines) {
      const missing = nth(lines, 'dave/phone', 'received', 2);
      const doubled = nth(lines, 'dave/phone', 'received', 1);
      lines[missing.at] = { ...doubled.line, inboxSeq: missing.line.inboxSeq };
    },
  },
  {
    name: 'a refused message that is stored',
    rules: ['I2'],
    mutate(lines) {
      const { at, line } = nth(lines, 'alice/phone', 'ok', 2);
      lines[at] = { ...line, ev: 'fail', code: 1201 };
    },
  },
  {
    name: 'a client id stored twice',
    rules: ['I4'],
    mutate(lines) {
      for (const line of lines) {
        const last = line.ev === 'history' ? line.messages.at(-1) : undefined;
        if (line.ev === 'history' && last)
          line.messages.push({ ...last, messageID: `${last.messageID}9`, seq: last.seq + 1 });
      }
    },
  },
  {
    name: 'two messages of one sender stored in reverse order',
    rules: ['I7'],
    mutate(lines) {
      const one = nth(lines, 'carol/phone', 'invoke', 1);
      const other = nth(lines, 'carol/phone', 'invoke', 2);
      [lines[one.at], lines[other.at]] = [other.line, one.line];
      // Keep each answer after its own invocation.
      const early = nth(lines, 'carol/phone', 'ok', 1);
      const late = nth(lines, 'carol/phone', 'ok', 2);
      [lines[early.at], lines[late.at]] = [late.line, early.line];
    },
  },
  {
    name: 'two histories of one conversation',
    rules: ['I8'],
    mutate: (lines) => void nth(lines, 'bob/phone', 'history', 0).line.messages.pop(),
  },
  {
    name: 'more unreceipted entries than the window allows',
    rules: ['I13'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'connected', 1).line.window = 1),
  },
  {
    name: 'a receipt that names another conversation',
    rules: ['I4'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'ok', 5).line.conversation = 'p_alice_nobody'),
  },
  {
    name: 'a receipt that names another seq',
    rules: ['I4'],
    mutate: (lines) => void (nth(lines, 'bob/phone', 'ok', 5).line.seq = 999),
  },
  {
    name: 'a receipt of a lost message that names another conversation',
    rules: ['I4'],
    mutate(lines) {
      const { line } = nth(lines, 'carol/phone', 'ok', 5);
      lose(lines, line.messageID);
      line.conversation = 'p_carol_nobody';
    },
  },
  {
    name: 'a second sending device with the messageID of another message',
    rules: ['I4'],
    mutate(lines) {
      const sent = nth(lines, 'alice/phone', 'invoke', 2).line;
      const { at, line: other } = nth(lines, 'alice/phone', 'ok', 3);
      const device = 'laptop';
      lines.splice(at + 1, 0, { ...sent, device }, { ...other, device, clientMsgID: sent.clientMsgID });
    },
  },
  {
    name: 'a receipted message lost and its messageID given to the next',
    rules: ['I1'],
    mutate(lines) {
      const lost = nth(lines, 'bob/phone', 'ok', 5).line;
      const { messageID } = nth(lines, 'alice/laptop', 'ok', 0).line;
      const before = new Map(lose(lines, lost.messageID).map((line) => [line.device, line.previous]));
      const takeItsPlace = (message: { messageID: string; seq: number }): void => {
        if (message.messageID === messageID) Object.assign(message, { messageID: lost.messageID, seq: lost.seq });
      };
      for (const line of lines) {
        if (line.ev === 'history') line.messages.forEach(takeItsPlace);
        if (line.ev === 'ok') takeItsPlace(line);
        if (line.ev !== 'received' || line.messageID !== messageID) continue;
        takeItsPlace(line);
        if (line.user === 'alice') line.previous = before.get(line.device) ?? line.previous;
      }
    },
  },
  {
    name: 'no delivery to a device that logged in later',
    rules: ['I1'],
    mutate(lines) {
      for (let i = lines.length - 1; i >= 0; i--) {
        const line = lines[i] as LogLine;
        if (line.device === 'tablet' && ['received', 'receipted', 'confirmed'].includes(line.ev)) lines.splice(i, 1);
      }
    },
  },
  {
    name: 'two devices of a user with different numbers for the same entries',
    rules: ['I5'],
    mutate(lines) {
      for (const line of lines.filter(({ device }) => device === 'tablet')) {
        if (line.ev === 'connected') line.cursor += 1;
        if (line.ev === 'received') line.previous += 1;
        if (line.ev === 'received' || line.ev === 'confirmed') line.inboxSeq += 1;
        if (line.ev === 'receipted' && line.upTo !== undefined) line.upTo += 1;
      }
    },
  },
];
