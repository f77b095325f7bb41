// The stock client's own refresh loop, over several lifetimes of a token that lives for seconds.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startBot } from '../lib/bots.mjs';
import { endClients } from '../lib/directline.mjs';
import { Landline } from '../lib/landline.mjs';
import { connect } from '../lib/suites/directline.mjs';
import { call, history } from '../lib/api.mjs';
import { assertSameAsLog, echoed, lines } from '../lib/transcript.mjs';
import { sleep } from '../lib/wait.mjs';

const LIFETIME_S = 4;
const REFRESH_MS = 1_500;

// DirectLineJS refreshes every 15 minutes, and has no other interval as long. In this process such an interval is
// short; the client itself is not touched.
const { setInterval: unhurried } = globalThis;
globalThis.setInterval = (run, delay, ...args) => unhurried(run, delay >= 600_000 ? REFRESH_MS : delay, ...args);

describe('token refresh', { timeout: 60_000, concurrency: true }, () => {
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

  for (const transport of ['websocket', 'polling']) {
    it(`${transport}: the refresh loop keeps a conversation going over three lifetimes`, async () => {
      const client = await connect(env, { transport, credential: 'token' }, { userId: 'ria' });
      const first = client.line.token;
      const texts = [];
      for (let i = 1; i <= 4; i++) {
        texts.push(`lifetime ${i}`);
        assert.notEqual(await client.say(texts.at(-1)), 'retry');
        await sleep(LIFETIME_S * 800);
      }
      assert.notEqual(client.line.token, first, 'the token was refreshed');
      const stale = await call('POST', `${env.server.domain}/tokens/refresh`, first);
      assert.deepEqual([stale.status, stale.body.error.code], [403, 'TokenExpired']);

      await client.sees('< Echo: lifetime 4');
      assert.ok(!client.statuses.includes('ExpiredToken'), `statuses: ${client.statuses}`);
      const log = await history(env.server, client.conversationId);
      assert.deepEqual(lines(log), ['< Welcome, ria!', ...echoed(texts)]);
      assertSameAsLog(client.seen, log, 'the client');
      client.end();
    });
  }
});
