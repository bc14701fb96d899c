import { randomBytes } from 'node:crypto';
// Imported because the global `performance` is a getter, and the clock is read about twenty times per message.
import { performance } from 'node:perf_hooks';
import type { Socket } from 'node:net';
import { decodeLines, subjects, type LaneAnnouncement } from '@huizhi/protocol';
import { gauge, pause, rateLimited, type Bus, type ControlClient, type Logger } from '@huizhi/runtime';
import { dispatch } from './commands/router.js';
import type { Services } from './commands/services.js';
import { trustedProxiesOf, type GatewayConfig } from './config.js';
import type { Arrival } from './connection/connection-limiter.js';
import { Connection } from './connection/connection.js';
import type { ConnectionContext } from './connection/context.js';
import { ClientServer } from './connection/listener.js';
import { TrustedProxies } from './connection/trusted-proxies.js';
import { Upgrades } from './connection/upgrades.js';
import { Cursors } from './delivery/cursors.js';
import { GatewayEvents } from './delivery/gateway-events.js';
import { CatchUpPump } from './delivery/catch-up-pump.js';
import { drainBegun, sessionOpened } from './events.js';
import { LoginRateLimiter } from './login/login-rate-limiter.js';
import { authenticatorFor } from './login/authenticator.js';
import { KnownUsers } from './login/known-users.js';
import { SessionOpener } from './login/session-opener.js';
import { resyncs } from './metrics.js';
import { SendPublisher } from './sends/send-publisher.js';
import { onReceipts, settle } from './sends/receipts.js';
import { SendBudget } from './sends/session-sends.js';
import { Drain } from './sessions/drain.js';
import { LaneRegistration } from './sessions/lane-registration.js';
import type { Session } from './sessions/session.js';
import { Sessions } from './sessions/sessions.js';
import { KeyedRateLimiter } from './timing/keyed-rate-limiter.js';
import { FlushScheduler } from './timing/flush-scheduler.js';
import { EventLoopWatchdog } from './timing/event-loop-watchdog.js';
import { TimingWheel } from './timing/timing-wheel.js';

const STEP_MS = 100;
/** Ms; a tick later than this means that the process was paused. */
const LATE_MS = 1_000;
/** Burst in seconds of the rate of group members. At the lowest rate, the burst still holds the largest group. */
const GROUP_BURST_S = 20;

export interface GatewayParts {
  readonly config: GatewayConfig;
  readonly bus: Bus;
  readonly control: Pick<ControlClient, 'request'>;
  readonly log: Logger;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

/** Wires all parts of a gateway: client connections on one side, the bus on the other. */
export class Gateway {
  /**
   * The gateway's name on the bus. It differs at each start, so that answers to an earlier process do not reach this
   * one.
   */
  readonly id: string;
  private readonly config: GatewayConfig;
  private readonly bus: Bus;
  private readonly log: Logger;
  private readonly now: () => number;
  private readonly connections = new Set<Connection>();
  private readonly wheel: TimingWheel;
  private readonly watchdog: EventLoopWatchdog;
  private readonly sessions: Sessions;
  private readonly registration: LaneRegistration;
  private readonly sendPublisher: SendPublisher;
  private readonly cursors: Cursors;
  private readonly pump: CatchUpPump;
  private readonly gatewayEvents: GatewayEvents;
  private readonly drain: Drain;
  private readonly server: ClientServer;
  private readonly context: ConnectionContext;
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly stops: (() => void)[] = [];
  private tickedAt: number;
  /** Set before `draining`: clients are still served, but `/healthz` answers 503 to load balancers. */
  private isStopping = false;
  private draining = false;

  constructor(parts: GatewayParts) {
    const { config, bus, control, log } = parts;
    const now = parts.now ?? ((): number => performance.now());
    this.config = config;
    this.bus = bus;
    this.log = log;
    this.now = now;
    this.id = `${config.HZ_INSTANCE_ID}-${randomBytes(4).toString('hex')}`;
    const failures = rateLimited(log);
    const failed = (error: unknown): void => failures.error('gateway.failed', { error });
    const flushScheduler = new FlushScheduler(failed);
    this.tickedAt = now();
    this.wheel = new TimingWheel(this.tickedAt, STEP_MS, 1_024, failed);
    this.watchdog = new EventLoopWatchdog(now(), config.HZ_STALE_AFTER);
    const sendBudget = new SendBudget(config.HZ_TOTAL_UNANSWERED_BYTES);
    this.sessions = new Sessions(this.wheel, (session) => this.sessionOver(session), sendBudget);
    this.registration = new LaneRegistration(bus, this.id, this.sessions, flushScheduler, this.wheel, now);
    this.sendPublisher = new SendPublisher(
      bus,
      this.id,
      flushScheduler,
      this.wheel,
      now,
      config.HZ_SEND_LINGER,
      settle,
    );
    this.cursors = new Cursors(bus, this.id, this.sessions, this.wheel, config, now, failures);
    this.pump = new CatchUpPump(bus, this.cursors, this.wheel, config, now);
    this.gatewayEvents = new GatewayEvents(this.sessions, this.pump, this.cursors, this.registration, now);
    this.drain = new Drain(this.connections, this.wheel, config, now);
    const sessionTasks = [this.sendPublisher, this.cursors, this.pump, this.registration];
    const opener = new SessionOpener(this.id, bus, control, this.sessions, new KnownUsers(), config, sessionTasks, now);
    const services: Services = {
      config,
      bus,
      now,
      opener,
      loginRateLimiter: new LoginRateLimiter(config.HZ_LOGIN_ATTEMPTS, config.HZ_FAILED_LOGINS_PER_ADDRESS, now),
      authenticator: authenticatorFor(config),
      sendPublisher: this.sendPublisher,
      pump: this.pump,
      cursors: this.cursors,
      groupMembers: new KeyedRateLimiter(
        config.HZ_GROUP_MEMBERS_PER_SECOND,
        GROUP_BURST_S * config.HZ_GROUP_MEMBERS_PER_SECOND,
        now,
      ),
      isDraining: () => this.draining,
    };
    const proxies = new TrustedProxies(trustedProxiesOf(config), config.HZ_FORWARDING_HEADER);
    this.context = {
      config,
      log,
      failures,
      wheel: this.wheel,
      flushScheduler,
      upgrades: new Upgrades({ settings: config, proxies, log, now, isAccepting: () => !this.isStopping }),
      now,
      checkWatchdog: () => this.checkWatchdog(),
      perform: (socket, session, up) => dispatch(services, socket, session, up),
      opened: (session) => this.sessionOpened(session),
      drained: (session) => this.pump.drained(session),
      left: (session) => this.sessions.remove(session),
    };
    this.server = new ClientServer({
      settings: config,
      log,
      wheel: this.wheel,
      now,
      proxies,
      accept: (socket, arrival) => this.accept(socket, arrival),
    });
  }

  get port(): number {
    return this.server.port;
  }

  /** Number of open TCP connections, including unfinished TLS handshakes. */
  get accepted(): number {
    return this.server.accepted;
  }

  get isListening(): boolean {
    return this.server.isListening;
  }

  async start(): Promise<void> {
    this.subscribe();
    this.measure();
    this.timers.push(
      setInterval(() => this.tick(), STEP_MS),
      setInterval(() => this.reconcile(), this.config.HZ_RECONCILE),
    );
    await this.server.listen();
  }

  /**
   * Stays unready for HZ_DRAIN_DELAY, so that load balancers notice. Then refuses new connections and drains the
   * others.
   */
  async stop(): Promise<void> {
    this.isStopping = true;
    if (this.config.HZ_DRAIN_DELAY > 0) await pause(this.config.HZ_DRAIN_DELAY);
    this.draining = true;
    this.server.stop();
    drainBegun(this.log, this.connections.size);
    await this.drain.run();
    for (const connection of this.connections) connection.destroy();
    this.cursors.flush();
    this.registration.stop();
    for (const timer of this.timers) clearInterval(timer);
    for (const stop of this.stops) stop();
  }

  private subscribe(): void {
    const { bus, id } = this;
    const subscriptions = [
      bus.subscribe(subjects.receipts(id), (payload) =>
        onReceipts(payload, this.sessions, this.sendPublisher, this.now()),
      ),
      bus.subscribe(subjects.gateway(id), (payload) => this.gatewayEvents.receive(payload)),
      bus.subscribe(subjects.lanes('message'), (payload) =>
        this.sendPublisher.laneAnnounced(decodeLines<LaneAnnouncement>(payload).head),
      ),
      bus.subscribe(subjects.lanes('offline'), (payload) =>
        this.inboxLaneAnnounced(decodeLines<LaneAnnouncement>(payload).head),
      ),
    ];
    this.stops.push(...subscriptions.map((subscription) => () => subscription.unsubscribe()));
    this.stops.push(bus.onStatus((connected) => this.busChanged(connected)));
  }

  private accept(socket: Socket, arrival: Arrival): void {
    const connection: Connection = new Connection(socket, this.context, arrival, () => this.gone(connection));
    this.connections.add(connection);
    // The TLS handshake was in progress when the drain began.
    if (this.draining) connection.close('drain');
  }

  private gone(connection: Connection): void {
    this.connections.delete(connection);
    if (this.draining) this.drain.left();
  }

  private sessionOpened(session: Session): void {
    sessionOpened(this.log, session);
    if (session.endedBy) return session.connection.close(session.endedBy);
    this.pump.start(session);
  }

  private sessionOver(session: Session): void {
    this.sendPublisher.forget(session);
    this.registration.closed(session);
  }

  private inboxLaneAnnounced(announcement: LaneAnnouncement): void {
    for (const lane of this.cursors.laneAnnounced(announcement)) this.registration.attachLane(lane);
  }

  /**
   * Messages in flight when the bus connection was lost are gone, so unsettled batches and cursors are sent again.
   * Attaching all sessions asks for their inbox heads.
   */
  private busChanged(connected: boolean): void {
    this.watchdog.bus(connected, this.now());
    if (!connected) return;
    resyncs.add('bus');
    this.sendPublisher.resendAll();
    this.cursors.resend(this.sessions.all());
    this.registration.attachAll(500);
  }

  private reconcile(): void {
    if (this.sessions.size === 0) return;
    resyncs.add('reconcile');
    this.registration.attachAll(2_000);
  }

  /**
   * After a pause of this process timers fire before sockets are read. A late tick therefore reads waiting bytes before
   * it checks deadlines.
   */
  private tick(): void {
    const now = this.now();
    const isLate = now - this.tickedAt > LATE_MS;
    this.tickedAt = now;
    this.checkWatchdog();
    if (isLate) setImmediate(() => this.wheel.advance(this.now()));
    else this.wheel.advance(now);
  }

  /** Runs before bytes are processed and at each tick, so it runs first after a pause. */
  private checkWatchdog(): void {
    const now = this.now();
    const stale = this.watchdog.isStale(now);
    this.watchdog.turn(now);
    if (!stale) return;
    for (const session of [...this.sessions.all()]) session.connection.close('staleSession');
  }

  private measure(): void {
    gauge({ name: 'hz_gateway_connections', help: 'Number of open connections' }, () => this.connections.size);
    gauge(
      { name: 'hz_gateway_accepted', help: 'Number of open TCP connections, including unfinished TLS handshakes' },
      () => this.accepted,
    );
    gauge({ name: 'hz_gateway_sessions', help: 'Number of open sessions' }, () => this.sessions.size);
    gauge(
      { name: 'hz_gateway_unanswered_batches', help: 'Number of batches of sends without an answer' },
      () => this.sendPublisher.waiting,
    );
    const { sendBudget } = this.sessions;
    gauge({ name: 'hz_gateway_unanswered_bytes', help: 'Bytes of sends without an answer' }, () => sendBudget.used);
    gauge({ name: 'hz_gateway_waiting_cursors', help: 'Number of cursors not sent yet' }, () => this.cursors.waiting);
  }
}
