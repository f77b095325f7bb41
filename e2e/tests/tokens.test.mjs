// Tokens that live for seconds and are not refreshed: they end as the stock client expects, and a new one goes on.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startBot } from '../lib/bots.mjs';
import { endClients } from '../lib/directline.mjs';
import { Landline } from '../lib/landline.mjs';
import { connect } from '../lib/suites/directline.mjs';
import { call, generateToken, history } from '../lib/api.mjs';
import { assertSameAsLog, echoed, lines, withoutRepeats } from '../lib/transcript.mjs';
import { sleep, until } from '../lib/wait.mjs';

const LIFETIME_S = 4;

describe('token expiry', { timeout: 120_000 }, () => {
  const env = {};
  before(async () => {
    env.bot = await startBot('botbuilder-js');
    env.server = await Landline.start({ bot: env.bot, site: { token_lifetime: `${LIFETIME_S}s` } });
  });
  after(async () => {
    endClients();
    await env.server?.stop();
    await env.bot?.stop();
  });

  const resumed = async conversationId => {
    const { token } = await generateToken(env.server, { conversationId, user: { id: 'tia' } });
    return (await call('GET', `${env.server.domain}/conversations/${conversationId}?watermark=`, token)).body;
  };

  describe('with a life of a few seconds', { concurrency: true }, () => {
    it('polling: an expired token is 403 TokenExpired, the client says ExpiredToken, and goes on with a new one', async () => {
      const client = await connect(env, { transport: 'polling', credential: 'token' }, { userId: 'tia' });
      await client.say('in time');
      await client.sees('< Echo: in time');
      await until('the client to say ExpiredToken', () => client.status === 'ExpiredToken', { timeout: LIFETIME_S * 1000 + 5_000 });
      const refused = await call('GET', `${env.server.domain}/conversations/${client.conversationId}/activities`, client.line.token);
      assert.deepEqual([refused.status, refused.body.error.code], [403, 'TokenExpired']);

      client.line.reconnect(await resumed(client.conversationId));
      await client.online();
      assert.notEqual(await client.say('with a new token'), 'retry');
      await client.sees('< Echo: with a new token');
      const log = await history(env.server, client.conversationId);
      assert.deepEqual(lines(log), ['< Welcome, tia!', ...echoed(['in time', 'with a new token'])]);
      assertSameAsLog(withoutRepeats(client.seen), log, 'the client');
      client.end();
    });

    it('websocket: an open socket outlives its token; a send is refused, not stored, and works with a new token', async () => {
      const client = await connect(env, { transport: 'websocket', credential: 'token' }, { userId: 'tia' });
      await client.say('later 3 2000');
      await sleep(LIFETIME_S * 1000 + 1_000);
      await client.sees('< Later 3 of 3');
      assert.ok(!client.statuses.includes('ExpiredToken'));

      assert.equal(await client.say('too late'), 'retry');
      assert.ok(client.statuses.includes('ExpiredToken'), `statuses: ${client.statuses}`);

      client.line.reconnect(await resumed(client.conversationId));
      await client.online();
      assert.notEqual(await client.say('with a new token'), 'retry');
      await client.sees('< Echo: with a new token');
      const log = await history(env.server, client.conversationId);
      assert.deepEqual(lines(log), [
        '< Welcome, tia!', '> later 3 2000', '< Will speak', '< Later 1 of 3', '< Later 2 of 3', '< Later 3 of 3',
        ...echoed(['with a new token'])
      ]);
      assertSameAsLog(withoutRepeats(client.seen), log, 'the client');
      client.end();
    });
  });

  it('the token of one conversation opens no other', async () => {
    const one = await connect(env, { transport: 'websocket', credential: 'token' }, { userId: 'one' });
    const { token } = await generateToken(env.server, { user: { id: 'two' } });
    const answer = await call('GET', `${env.server.domain}/conversations/${one.conversationId}/activities`, token);
    assert.deepEqual([answer.status, answer.body.error.code], [403, 'BadArgument']);
    one.end();
  });
});
