import { Injectable } from '@nestjs/common';
import { inboxLaneOf, ProtocolError, subjects, type RevokeReply, type RevokeRequest } from '@huizhi/protocol';
import { Backoff, pause, type Bus } from '@huizhi/runtime';

/** Timeout of one request to the owner in milliseconds. */
const ATTEMPT_MS = 1_000;

/** Forwards a revocation to the owner of the user's sessions, from any instance that the control plane has asked. */
@Injectable()
export class Revoker {
  constructor(
    private readonly bus: Bus,
    private readonly lanes: number,
    /** How long to wait for an owner, in milliseconds; longer than a take-over takes. */
    private readonly patienceMs = 8_000,
  ) {}

  /**
   * Resolves when the revocation is stored: older tokens open no session, and the gateways are asked to close the
   * existing sessions. May be repeated.
   * @throws ProtocolError `unavailable`: it is unknown whether the revocation is stored; repeat it
   */
  async revoke(user: string): Promise<RevokeReply> {
    const lane = inboxLaneOf(user, this.lanes);
    const request: RevokeRequest = { user };
    const until = performance.now() + this.patienceMs;
    const backoff = new Backoff(50, 500);
    do {
      const reply = await this.ask(subjects.revoke(lane), request);
      if (reply && !reply.error) return reply;
      await pause(backoff.next());
    } while (performance.now() < until);
    throw new ProtocolError('unavailable', 'the owner of the user does not answer; repeat the command');
  }

  private async ask(subject: string, request: RevokeRequest): Promise<RevokeReply | undefined> {
    try {
      const answer = await this.bus.request(subject, JSON.stringify(request), { timeoutMs: ATTEMPT_MS });
      return JSON.parse(new TextDecoder().decode(answer)) as RevokeReply;
    } catch {
      return undefined;
    }
  }
}
