import { LoginRefusedError } from '@huizhi/client';
import { claim, same, type Step } from '../demo-context.js';

/** A valid token opens a session; a token of another user does not, if the system requires tokens. */
export const login: Step = {
  name: 'login',
  async run(demo) {
    const alice = await demo.device(demo.user('alice'), 'phone');
    claim('the client is online', alice.client.state === 'online');
    same('the user of the loginReceipt', alice.login?.fromUserID, alice.user);
    claim('the loginReceipt has a heartbeat interval', (alice.login?.heartbeat ?? 0) > 0);
    claim('the loginReceipt has limits', (alice.login?.limits?.unansweredSends ?? 0) > 0);
    if (demo.isOpen) return;
    const outcome = await demo.device(demo.user('mallory'), 'phone', { token: () => alice.token() }).then(
      () => 'let in',
      (error: unknown) => error,
    );
    claim('a token of another user is refused', outcome instanceof LoginRefusedError);
    same('the reason', outcome.error, 'badToken');
  },
};
