import { expect, it } from '@jest/globals';
import { natsServers } from './nats-url.js';

it('user and password are taken from the URL and decoded', () => {
  expect(natsServers({ url: 'nats://us%40er:p%3Aw@h1:4222,nats://h2:4223', service: 'message' })).toEqual({
    servers: ['nats://h1:4222', 'nats://h2:4223'],
    user: 'us@er',
    pass: 'p:w',
    inboxPrefix: 'hz.reply.us_er',
  });
});

it('a URL without credentials gives none', () => {
  expect(natsServers({ url: 'tls://h1:4222' })).toEqual({
    servers: ['tls://h1:4222'],
    inboxPrefix: 'hz.reply.anybody',
  });
});

it('a user without a password is used as a token, which appears in no subject', () => {
  expect(natsServers({ url: 'nats://s3cr%2Fet@h1:4222', service: 'message' })).toEqual({
    servers: ['nats://h1:4222'],
    token: 's3cr/et',
    inboxPrefix: 'hz.reply.message',
  });
});
