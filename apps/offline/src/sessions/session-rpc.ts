import {
  inboxLaneOf,
  subjects,
  type AttachBatch,
  type CloseBatch,
  type CursorBatch,
  type FetchRequest,
  type OpenReply,
  type OpenRequest,
  type RevokeReply,
  type RevokeRequest,
} from '@huizhi/protocol';
import type { Bus, BusSubscription } from '@huizhi/runtime';
import type { Fetcher } from '../fetch/fetcher.js';
import type { GatewayPublisher } from '../delivery/gateway-publisher.js';
import { refusedLogin, type InboxLane } from '../commit/inbox-lane.js';
import type { Device, User } from '../commit/user.js';
import { cursors, openings } from '../metrics.js';

type Claim = AttachBatch['sessions'][number];

const utf8 = new TextDecoder();
const read = <T>(payload: Uint8Array): T => JSON.parse(utf8.decode(payload)) as T;

export interface SessionRpcOptions {
  instance: string;
  bus: Bus;
  lanes: number;
  gatewayPublisher: GatewayPublisher;
  fetcher: Fetcher;
  /** Called when the writer has work to do. */
  wake(): void;
}

/**
 * Handles the messages of gateways to the owner of an inbox lane. What the memory proves is answered at once. An
 * unknown device or a higher epoch may mean that this instance is no longer the owner: the fenced transaction decides
 * these.
 */
export class SessionRpc {
  private readonly subscriptions = new Map<InboxLane, BusSubscription[]>();
  /** Lanes with subscriptions, by number. */
  private readonly lanes: (InboxLane | undefined)[] = [];

  constructor(private readonly options: SessionRpcOptions) {
    options.bus.subscribe(subjects.cursorTo(options.instance), (payload) => this.cursor(read(payload)));
  }

  listen(lane: InboxLane): void {
    const { bus } = this.options;
    this.lanes[lane.lane] = lane;
    this.subscriptions.set(lane, [
      bus.subscribe(subjects.open(lane.lane), (payload, _, reply) => reply && this.open(lane, read(payload), reply)),
      bus.subscribe(
        subjects.revoke(lane.lane),
        (payload, _, reply) => reply && this.revoke(lane, read(payload), reply),
      ),
      bus.subscribe(subjects.attach(lane.lane), (payload) => this.attach(lane, read(payload))),
      bus.subscribe(subjects.close(lane.lane), (payload) => this.close(lane, read(payload))),
      bus.subscribe(subjects.cursor(lane.lane), (payload) => this.cursor(read(payload))),
      bus.subscribe(subjects.fetch(lane.lane), (payload, _, reply) => reply && this.fetch(lane, read(payload), reply)),
    ]);
  }

  ignore(lane: InboxLane): void {
    for (const subscription of this.subscriptions.get(lane) ?? []) subscription.unsubscribe();
    this.subscriptions.delete(lane);
    if (this.lanes[lane.lane] === lane) this.lanes[lane.lane] = undefined;
  }

  private open(lane: InboxLane, request: OpenRequest, replyTo: string): void {
    const answer = (reply: OpenReply): void => void this.options.bus.respond(replyTo, JSON.stringify(reply));
    if (
      this.isOurs(lane, request.user) &&
      lane.addPendingLogin({ request, began: performance.now() - request.age, answer })
    )
      return this.options.wake();
    openings.inc({ outcome: 'refused' });
    answer(refusedLogin('unavailable'));
  }

  private revoke(lane: InboxLane, { user }: RevokeRequest, replyTo: string): void {
    const answer = (reply: RevokeReply): void => void this.options.bus.respond(replyTo, JSON.stringify(reply));
    if (this.isOurs(lane, user) && lane.addRevocation({ user, answer })) return this.options.wake();
    answer({ error: 'unavailable', tokensValidFrom: 0, sessions: 0 });
  }

  private attach(lane: InboxLane, { gateway, sessions }: AttachBatch): void {
    for (const claim of sessions) {
      if (!this.isOurs(lane, claim.user)) continue;
      const user = lane.users.get(claim.user);
      const device = user?.devices.get(claim.device);
      if (user && device && device.epoch >= claim.epoch) this.decide(lane, gateway, claim, user);
      else if (lane.addCheck({ user: claim.user, decide: (found) => this.decide(lane, gateway, claim, found) }))
        this.options.wake();
    }
    this.options.gatewayPublisher.flushSoon();
  }

  private decide(lane: InboxLane, gateway: string, { session, device: id, epoch }: Claim, user: User): void {
    const device = user.devices.get(id);
    if (device?.epoch !== epoch) return this.options.gatewayPublisher.over(gateway, { session, epoch }, device);
    lane.register(user, device, gateway, session, performance.now());
    this.options.gatewayPublisher.attached(gateway, session, device.cursor, user.head);
  }

  private close(lane: InboxLane, { gateway, sessions }: CloseBatch): void {
    for (const { session, user, device, epoch } of sessions) {
      const known = lane.users.get(user)?.devices.get(device)?.session;
      if (known?.gateway === gateway && known.session === session && known.epoch === epoch) lane.forgetSession(known);
    }
  }

  private cursor({ gateway, cursors: claims }: CursorBatch): void {
    let waiting = false;
    for (const claim of claims) {
      const lane = this.lanes[inboxLaneOf(claim.user, this.options.lanes)];
      if (lane?.state !== 'held') continue;
      const device = lane.users.get(claim.user)?.devices.get(claim.device);
      if (device && this.isSettled(gateway, claim, device)) continue;
      if (lane.addCursor({ gateway, ...claim })) waiting = true;
      else cursors.inc({ outcome: 'dropped' });
    }
    if (waiting) this.options.wake();
    this.options.gatewayPublisher.flushSoon();
  }

  /** An older epoch stays older and a stored cursor stays stored, so no transaction is needed. */
  private isSettled(gateway: string, claim: CursorBatch['cursors'][number], device: Device): boolean {
    if (device.epoch > claim.epoch) {
      cursors.inc({ outcome: 'refused' });
      this.options.gatewayPublisher.over(gateway, claim, device);
      return true;
    }
    if (device.epoch < claim.epoch || device.cursor < claim.cursor) return false;
    if (device.session) device.session.seenAt = performance.now();
    cursors.inc({ outcome: 'repeated' });
    this.options.gatewayPublisher.confirm(gateway, claim.session, device.cursor);
    return true;
  }

  private fetch(lane: InboxLane, request: FetchRequest, replyTo: string): void {
    const { fetcher } = this.options;
    if (!this.isOurs(lane, request.user)) return fetcher.refuse(replyTo, 'unavailable');
    const user = lane.users.get(request.user);
    const device = user?.devices.get(request.device);
    if (user && device && device.epoch >= request.epoch) return fetcher.take(user, request, replyTo);
    const decide = (found: User): void => fetcher.take(found, request, replyTo);
    if (lane.addCheck({ user: request.user, decide })) return this.options.wake();
    fetcher.refuse(replyTo, 'unavailable');
  }

  /** A gateway with another number of lanes must not create two owners of one user. */
  private isOurs(lane: InboxLane, user: string): boolean {
    return lane.state === 'held' && inboxLaneOf(user, this.options.lanes) === lane.lane;
  }
}
