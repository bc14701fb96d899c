import { expect, it } from '@jest/globals';
import { natsServers } from './nats-url.js';

it('takes credentials out of the URL, decoded', () => {
  expect(natsServers('nats://us%40er:p%3Aw@h1:4222,nats://h2:4223')).toEqual({
    servers: ['nats://h1:4222', 'nats://h2:4223'],
    user: 'us@er',
    pass: 'p:w',
    inboxPrefix: 'hz.reply.us_er',
  });
});

it('goes without credentials where there are none', () => {
  expect(natsServers('tls://h1:4222')).toEqual({ servers: ['tls://h1:4222'], inboxPrefix: 'hz.reply.anybody' });
});
