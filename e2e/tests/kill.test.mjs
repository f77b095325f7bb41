// The server dies by `kill -9` and is started again on the same data while clients stay open.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startBot } from '../lib/bots.mjs';
import { endClients } from '../lib/directline.mjs';
import { Landline } from '../lib/landline.mjs';
import { Proxy, closeProxies } from '../lib/proxy.mjs';
import { connect } from '../lib/suites/directline.mjs';
import { history, say, sayUntilAccepted } from '../lib/api.mjs';
import { assertEachEchoedOnce, assertOnceInOrder, assertSameAsLog, echoed, lines } from '../lib/transcript.mjs';
import { sleep, until } from '../lib/wait.mjs';

describe('kill -9 and start again', { timeout: 240_000 }, () => {
  const env = {};
  before(async () => {
    env.bot = await startBot('botbuilder-js');
    env.server = await Landline.start({ bot: env.bot });
    env.proxy = await Proxy.to(env.server.port);
  });
  after(async () => {
    endClients();
    closeProxies();
    await env.server?.stop();
    await env.bot?.stop();
  });

  // Sockets reconnect by themselves after 3 to 15 s. The stock client's polling ends for good at the first refused
  // connection, by its own design; so the poller's line is held while the server is away, as a listening
  // socket that outlives the process would do.
  it('open clients, by socket and by polling, go on: every message once, in order', async () => {
    const first = await connect(env, { transport: 'websocket', credential: 'token' }, { userId: 'kim' });
    const { conversationId } = first;
    await first.sees('< Welcome, kim!');
    const others = {
      'the socket with a secret': await connect(env, { transport: 'websocket', credential: 'secret' }, { userId: 'kim', conversationId }),
      'the poller with a token': await connect(env, { transport: 'polling', credential: 'token' }, { userId: 'kim', conversationId, domain: env.proxy.domain }),
      'the poller with a secret': await connect(env, { transport: 'polling', credential: 'secret' }, { userId: 'kim', conversationId, domain: env.proxy.domain })
    };
    const readers = { 'the socket with a token': first, ...others };

    const texts = [];
    for (let round = 1; round <= 3; round++) {
      for (let i = 1; i <= 3; i++) {
        texts.push(`round ${round}, before ${i}`);
        assert.notEqual(await first.say(texts.at(-1)), 'retry');
      }
      await env.proxy.hold();
      await env.server.kill();
      await sleep(300);
      await env.server.launch();
      env.proxy.open();

      // Said while the sockets are still away: the stock client posts with or without one.
      texts.push(`round ${round}, after 1`);
      assert.notEqual(await first.say(texts.at(-1)), 'retry');
      texts.push(`round ${round}, after 2`);
      await say(env.server, conversationId, 'kim', texts.at(-1));
      for (const [name, reader] of Object.entries(readers)) {
        await until(`${name} to see round ${round}`, () => reader.lines().includes(`< Echo: ${texts.at(-1)}`), { timeout: 45_000 });
      }
    }

    const log = await history(env.server, conversationId);
    assert.deepEqual(lines(log), ['< Welcome, kim!', ...echoed(texts)]);
    for (const [name, reader] of Object.entries(readers)) {
      assertSameAsLog(reader.seen, log, name);
      await reader.handsOutWhatItSaw();
      assert.deepEqual(reader.failures, []);
      reader.end();
    }
  });

  it('killed while messages are being sent: what was accepted is there once, in order; a repeated send is one message', async () => {
    const reader = await connect(env, { transport: 'websocket', credential: 'token' }, { userId: 'max', random: () => 0 });
    const { conversationId } = reader;
    await reader.sees('< Welcome, max!');

    const accepted = [];
    const sending = (async () => {
      for (let i = 1; i <= 60; i++) {
        const text = `number ${i}`;
        const { id, attempts } = await sayUntilAccepted(env.server, conversationId, 'max', text);
        accepted.push({ text, id, attempts });
      }
    })();
    for (const goal of [10, 25, 40]) {
      await until(`${goal} messages`, () => accepted.length >= goal, { every: 1 });
      await env.server.kill();
      await env.server.launch();
    }
    await sending;

    const log = await history(env.server, conversationId);
    assertOnceInOrder(log, 'the log');
    const users = log.filter(a => a.from.id === 'max');
    assert.deepEqual(users.map(a => a.text), accepted.map(a => a.text));
    assert.deepEqual(users.map(a => a.id), accepted.map(a => a.id), 'the id of a repeated send is the id of the one entry');
    // Where the first attempt was answered, the bot heard it once. Of the others nothing is promised: the outcome was unknown.
    assertEachEchoedOnce(log, accepted.filter(a => a.attempts === 1).map(a => a.text));

    // A reply that the kill refused is sent again by the bot's SDK, seconds later: the log may still grow.
    const grown = await until('the reader to have caught up', async () => {
      const now = await history(env.server, conversationId);
      return reader.seen.filter(a => a.type !== 'typing').length === now.length && now;
    }, { timeout: 45_000, every: 500 });
    assert.deepEqual(grown.slice(0, log.length), log, 'the log only grows at its end');
    assertSameAsLog(reader.seen, grown, 'the reader');
    reader.end();
  });

  it('SIGTERM ends it with code 0; a client that stays open goes on after the start', async () => {
    const client = await connect(env, { transport: 'websocket', credential: 'token' }, { userId: 'eva', random: () => 0 });
    await client.say('before');
    await client.sees('< Echo: before');

    assert.deepEqual(await env.server.terminate(), { code: 0, signal: null });
    await env.server.launch();

    await client.say('after');
    await client.sees('< Echo: after', { timeout: 45_000 });
    const log = await history(env.server, client.conversationId);
    assert.deepEqual(lines(log), ['< Welcome, eva!', ...echoed(['before', 'after'])]);
    assertSameAsLog(client.seen, log, 'the client');
    client.end();
  });
});
