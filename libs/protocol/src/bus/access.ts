import type { Command } from '../up/command.js';
import { clientCommands } from '../up.js';
import { commands, inboxOf, subjects } from './subjects.js';

/** Users of the bus: one per service, and `admin` for commands of an operator. */
export const BUS_USERS = ['gateway', 'message', 'offline', 'media', 'push', 'admin'] as const;
export type BusUser = (typeof BUS_USERS)[number];

export interface Route {
  /** `*` stands for any lane or instance. */
  readonly subject: string;
  /** Users that may publish. */
  readonly from: readonly BusUser[];
  /** Users that may subscribe. */
  readonly to: readonly BusUser[];
  /** The subscriber answers into the publisher's reply inbox. */
  readonly asks?: true;
}

const any = (subject: (token: never) => string): string => (subject as (token: string) => string)('*');

/**
 * Every subject with its publishers and subscribers. The NATS permissions are generated from this list; a subject
 * without a row is denied.
 */
export const routes: readonly Route[] = [
  { subject: any(subjects.send), from: ['gateway'], to: ['message'] },
  { subject: any(subjects.sendTo), from: ['gateway'], to: ['message'] },
  { subject: any(subjects.receipts), from: ['message'], to: ['gateway'] },
  { subject: subjects.committed, from: ['message'], to: ['offline'] },
  { subject: subjects.lanes('message'), from: ['message'], to: ['gateway', 'message', 'offline'] },
  { subject: subjects.lanes('offline'), from: ['offline'], to: ['gateway', 'offline'] },
  { subject: subjects.log, from: ['offline'], to: ['message'], asks: true },
  { subject: subjects.members, from: ['offline'], to: ['message'], asks: true },
  ...queryRoutes(),
  { subject: any(subjects.open), from: ['gateway'], to: ['offline'], asks: true },
  { subject: any(subjects.attach), from: ['gateway'], to: ['offline'] },
  { subject: any(subjects.revoke), from: ['offline'], to: ['offline'], asks: true },
  { subject: any(subjects.close), from: ['gateway'], to: ['offline'] },
  { subject: any(subjects.fetch), from: ['gateway'], to: ['offline'], asks: true },
  { subject: any(subjects.cursor), from: ['gateway'], to: ['offline'] },
  { subject: any(subjects.cursorTo), from: ['gateway'], to: ['offline'] },
  { subject: any(subjects.gateway), from: ['offline'], to: ['gateway'] },
  { subject: commands.ensureUser, from: ['gateway'], to: ['message'], asks: true },
  // Offline may publish it too, so that `hz revoke` works in its container.
  { subject: commands.revokeTokens, from: ['admin', 'offline'], to: ['offline'], asks: true },
];

/** Subjects of the commands that instances of a service answer. */
export function commandsOf(service: string): string[] {
  const answered = routes.filter(({ to }) => (to as readonly string[]).includes(service));
  return Object.values(commands).filter((command) => answered.some(({ subject }) => subject === command));
}

/** One route from the gateway for each client command of the class `query`. */
function queryRoutes(): Route[] {
  return clientCommands.flatMap(({ asks }: Command): Route[] =>
    asks ? [{ subject: asks.subject, from: ['gateway'], to: [asks.service], asks: true }] : [],
  );
}

/** Subject patterns that a user may publish and subscribe to. */
export function permissionsOf(user: BusUser): { publish: string[]; subscribe: string[] } {
  const heard = routes.filter(({ to }) => to.includes(user));
  const askers = new Set(heard.flatMap(({ from, asks }) => (asks ? from : [])));
  return {
    publish: [
      ...routes.filter(({ from }) => from.includes(user)).map(({ subject }) => subject),
      ...[...askers].map((asker) => `${inboxOf(asker)}.>`),
    ],
    subscribe: [...heard.map(({ subject }) => subject), `${inboxOf(user)}.>`],
  };
}

/**
 * The `authorization` block of a nats-server configuration.
 * @param password the password of a user as the configuration shows it: quoted, or a variable
 * @param unrestricted users without restrictions, with their passwords
 */
export function natsAuthorization(
  password: (user: BusUser) => string,
  unrestricted: Record<string, string> = {},
): string {
  const users = BUS_USERS.map((user) => {
    const { publish, subscribe } = permissionsOf(user);
    return [
      `    {`,
      `      user: "${user}", password: ${password(user)}`,
      `      permissions: {`,
      `        publish: ${allowing(publish)}`,
      `        subscribe: ${allowing(subscribe)}`,
      `      }`,
      `    }`,
    ].join('\n');
  });
  for (const [user, secret] of Object.entries(unrestricted)) users.push(`    { user: "${user}", password: ${secret} }`);
  return ['authorization: {', '  users: [', ...users, '  ]', '}', ''].join('\n');
}

/** An empty allow list would allow everything, so an empty one becomes a deny of all subjects. */
const allowing = (patterns: readonly string[]): string =>
  patterns.length === 0
    ? '{ deny: [">"] }'
    : `{ allow: [\n${patterns.map((pattern) => `          "${pattern}"`).join('\n')}\n        ] }`;
