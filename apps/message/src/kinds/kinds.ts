import type { EventKindName } from '@huizhi/protocol';
import { groupCreated } from './group-created.js';
import type { EventKind } from './kind.js';
import { message } from './message.js';

/** Every kind of event. The compiler rejects a protocol name without a definition. */
const kinds: { readonly [Name in EventKindName]: EventKind } = { message, groupCreated };

/** `message.event.kind` of the kinds that change the members of a group. */
export const membershipCodes: readonly number[] = Object.values(kinds)
  .filter(({ membership }) => membership !== undefined)
  .map(({ code }) => code);

/** @returns undefined for a name that this version does not know, sent by a newer gateway */
export const kindOf = (name: string): EventKind | undefined =>
  Object.hasOwn(kinds, name) ? kinds[name as EventKindName] : undefined;
