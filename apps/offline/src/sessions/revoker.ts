import { Injectable } from '@nestjs/common';
import { inboxLaneOf, ProtocolError, subjects, type RevokeReply, type RevokeRequest } from '@huizhi/protocol';
import { Backoff, pause, type Bus } from '@huizhi/runtime';

/** For one request to the owner, milliseconds. */
const ATTEMPT_MS = 1_000;

/** Takes a revocation to the owner of the user's sessions, from whatever instance the control plane has asked. */
@Injectable()
export class Revoker {
  constructor(
    private readonly bus: Bus,
    private readonly lanes: number,
    /** How long the owner may be away, milliseconds: longer than a take-over lasts. */
    private readonly patienceMs = 8_000,
  ) {}

  /**
   * Once this resolves it is stored: no older token of the user opens a session, and the sessions there were are told to go.
   * Asked again it is done again. @throws ProtocolError `unavailable`: unknown whether it is stored, ask again
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
    throw new ProtocolError('unavailable', 'the owner of the user does not answer: ask again');
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
