import Type, { type Static } from 'typebox';

/** A frame is a heartbeat only if it has no `messageType` (the guide's chat messages carry `beatID` too). Answered in kind. */
export const Heartbeat = Type.Object({ beatID: Type.String({ maxLength: 64 }) });
export type Heartbeat = Static<typeof Heartbeat>;
