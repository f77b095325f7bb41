// What every bot is put through with the stock client, in all four ways of being connected.
// One conversation per way; its tests run one after the other and build on each other.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, endClients, modes } from '../directline.mjs';
import { Proxy, closeProxies } from '../proxy.mjs';
import { startPair } from '../pair.mjs';
import { connectorFeatures } from './connector.mjs';
import { fileFeatures } from './files.mjs';
import { liveAnswers } from './live.mjs';
import { generateToken, history, say } from '../api.mjs';
import { assertEachEchoedOnce, assertOnceInOrder, assertSameAsLog, echoed, lines } from '../transcript.mjs';
import { sleep, until } from '../wait.mjs';

export function directLineSuite(kind) {
  describe(`DirectLineJS and ${kind}`, { timeout: 300_000, concurrency: true }, () => {
    const signedIn = {}, signedOut = {};
    let pair;
    before(async () => {
      pair = await startPair(kind);
      signedIn.server = pair.signedIn;
      signedOut.server = pair.signedOut;
    });
    after(async () => {
      endClients();
      closeProxies();
      await pair?.stop();
    });

    for (const [env, how] of [[signedIn, 'signed in'], [signedOut, 'signed out']]) {
      describe(`connected in every way, ${how}`, { concurrency: true }, () => {
        for (const mode of modes) features(env, mode);
      });
      describe(`the Connector, ${how}`, { concurrency: true }, () => {
        connectorFeatures(env, kind);
        liveAnswers(env);
      });
      describe(`files, ${how}`, { concurrency: true }, () => fileFeatures(env, kind, { signedIn: env === signedIn }));
    }
    describe('when the line breaks', { concurrency: true }, () => lineBreaks(signedIn, kind));
  });
}

/**
 * A client of `mode`; what it needs is made first, as a web site would. For a new conversation it has been welcomed:
 * a message sent before that would race with the bot's welcome.
 */
export async function connect({ server }, { transport, credential }, { domain = server.domain, userId, conversationId, ...more } = {}) {
  const access = credential === 'secret'
    ? { secret: server.secret }
    : { token: (await generateToken(server, { user: { id: userId, name: 'Anna' }, ...(conversationId && { conversationId }) })).token };
  const client = new Client({ transport, userId, domain, ...access, ...(conversationId && { conversationId }), ...more });
  await client.online();
  if (!conversationId) await client.sees(`< Welcome, ${userId}!`);
  return client;
}

function features(env, mode) {
  const userId = `anna-${mode.transport}-${mode.credential}`;

  describe(`${mode.transport}, ${mode.credential}`, { concurrency: 1 }, () => {
    let client;
    before(async () => {
      client = await connect(env, mode, { userId });
    });
    after(() => client?.end());

    it('is welcomed, once', async () => {
      await client.sees(`< Welcome, ${userId}!`);
    });

    it('gets each echo right behind what it answers', async () => {
      const from = client.lines().length;
      const texts = Array.from({ length: 10 }, (_, i) => `one by one ${i + 1}`);
      for (const text of texts) assert.notEqual(await client.say(text), 'retry');
      await client.sees('< Echo: one by one 10');
      assert.deepEqual(client.lines().slice(from), echoed(texts));
    });

    it('gets 20 sends without a pause between them, and each echo, once', async () => {
      const texts = Array.from({ length: 20 }, (_, i) => `burst ${i + 1}`);
      const ids = await Promise.all(texts.map(text => client.say(text)));
      assert.equal(new Set(ids).size, 20, `ids: ${ids}`);
      for (const text of texts) await client.sees(`< Echo: ${text}`);
      assertEachEchoedOnce(client.seen, texts);
      for (const [i, text] of texts.entries()) {
        assert.equal(client.seen.find(a => a.id === ids[i])?.text, text, 'the id of a send is the id of what came back');
      }
    });

    it('gets many messages of one turn in their order', async () => {
      await client.say('many 25');
      await client.sees('< 25 of 25');
      const numbered = client.lines().filter(line => line.endsWith(' of 25'));
      assert.deepEqual(numbered, Array.from({ length: 25 }, (_, i) => `< ${i + 1} of 25`));
    });

    it('gets an adaptive card, and the bot gets its submit', async () => {
      await client.say('card');
      const shown = await client.seesActivity('the card', a => a.attachments?.[0]?.contentType === 'application/vnd.microsoft.card.adaptive');
      const { content } = shown.attachments[0];
      assert.equal(content.body[1].id, 'name');
      assert.equal(content.actions[0].type, 'Action.Submit');

      // What Web Chat posts when the button is clicked: the card's data with the inputs, and no text.
      await client.post({ type: 'message', value: { ...content.actions[0].data, name: 'Zoë "Q" 你好' }, channelData: { postBack: true } });
      await client.sees('< Submitted: {"kind":"order","name":"Zoë \\"Q\\" 你好"}');
    });

    it('gets suggested actions; each kind reaches the bot', async () => {
      await client.say('suggest');
      const asked = await client.seesActivity('suggested actions', a => a.suggestedActions?.actions.length === 3);
      assert.deepEqual(asked.suggestedActions.actions.map(a => [a.type, a.title]), [['imBack', 'Red'], ['postBack', 'Green'], ['messageBack', 'Blue']]);
      const [red, green, blue] = asked.suggestedActions.actions;

      await client.say(red.value);
      await client.post({ type: 'message', text: green.value, channelData: { postBack: true } });
      await client.post({ type: 'message', text: blue.text, value: blue.value, channelData: { messageBack: { displayText: blue.displayText } } });

      await client.sees('< Message back: blue {"colour":"blue"}');
      assert.deepEqual(client.lines().slice(-6), [
        '> red', '< Echo: red',
        '> green', '< Posted back: green',
        '> blue', '< Message back: blue {"colour":"blue"}'
      ]);
    });

    it('sees typing before the message, and never in the history', async () => {
      await client.say('typing');
      await client.sees('< Done typing');
      const kinds = client.seen.map(a => (a.text === 'Done typing' ? 'done' : a.type));
      if (mode.transport === 'websocket') {
        assert.equal(kinds.filter(k => k === 'typing').length, 1, 'one typing activity by stream');
        assert.ok(kinds.indexOf('typing') < kinds.indexOf('done'));
      }
      assert.ok(!(await history(env.server, client.conversationId)).some(a => a.type === 'typing'));
    });

    it('exchanges events', async () => {
      const value = { zip: 8001, city: 'Zürich' };
      await client.post({ type: 'event', name: 'location', value });
      const answer = await client.seesActivity('the answering event', a => a.type === 'event' && a.name === 'location.answer');
      assert.deepEqual(answer.value, value);
      await client.sees('< Event: location {"city":"Zürich","zip":8001}');
    });

    it('has seen exactly the log', async () => {
      const log = await history(env.server, client.conversationId);
      await until('the last activity', () => client.seen.some(a => a.id === log.at(-1).id));
      assert.equal(lines(log).filter(line => line.startsWith('< Welcome')).length, 1);
      assertSameAsLog(client.seen, log, 'the client');
      await client.handsOutWhatItSaw();
      assert.deepEqual(client.failures, []);
    });

    it('gets the whole history again after a reload', async () => {
      const log = await history(env.server, client.conversationId);
      const before = client;
      client = await connect(env, mode, { userId, conversationId: before.conversationId });
      before.end();
      await until('the whole history', () => client.seen.length >= log.length);
      assertSameAsLog(client.seen, log, 'the reloaded client');
      await client.handsOutWhatItSaw();

      await client.say('after the reload');
      await client.sees('< Echo: after the reload');
      assert.equal(client.lines().filter(line => line.startsWith('< Welcome')).length, 1, 'no second welcome');
      assertOnceInOrder(client.seen, 'the reloaded client');
    });
  });
}

function lineBreaks(env, kind) {
  for (const credential of ['token', 'secret']) {
    it(`websocket, ${credential}: the line is cut, the bot and another client speak meanwhile, nothing is lost or doubled`, async () => {
      const proxy = await Proxy.to(env.server.port);
      const userId = `cut-${credential}`;
      const client = await connect(env, { transport: 'websocket', credential }, { userId, domain: proxy.domain });
      await client.say('before the cut');
      await client.sees('< Echo: before the cut');
      await client.say('later 5 100');
      await client.sees('< Later 1 of 5');

      proxy.cut();
      for (const text of ['meanwhile 1', 'meanwhile 2']) await say(env.server, client.conversationId, 'bea', text);
      await until('the bot to have spoken', async () => lines(await history(env.server, client.conversationId)).includes('< Later 5 of 5'));
      assert.ok(!client.lines().includes('< Later 5 of 5'), 'the line was cut');
      proxy.open();

      await client.sees('< Later 5 of 5', { timeout: 45_000 });
      await client.say('after the cut');
      await client.sees('< Echo: after the cut');
      assertSameAsLog(client.seen, await history(env.server, client.conversationId), 'the client');
      client.end();
      proxy.close();
    });
  }

  // A round takes 20 s, the stock client's wait. One SDK is enough for more than one: it is the line that is tested.
  const breaks = kind === 'botbuilder-js' ? [700, 1, 1333] : [700];
  it('websocket: connections break in mid frame', async () => {
    const proxy = await Proxy.to(env.server.port);
    // `random` is a seam of DirectLineJS: here it waits 3 seconds before it reconnects, not 3 to 15.
    const client = await connect(env, { transport: 'websocket', credential: 'token' }, { userId: 'torn', domain: proxy.domain, random: () => 0 });
    await client.sees('< Welcome, torn!');
    for (const [round, bytes] of breaks.entries()) {
      proxy.cutAfter(bytes);
      await say(env.server, client.conversationId, 'bea', `many ${10 + round}`);
      await client.sees(`< ${10 + round} of ${10 + round}`, { timeout: 45_000 });
    }
    assertSameAsLog(client.seen, await history(env.server, client.conversationId), 'the client');
    client.end();
    proxy.close();
  });

  it('websocket and polling: the line stalls for four seconds', async () => {
    const proxy = await Proxy.to(env.server.port);
    const first = await connect(env, { transport: 'websocket', credential: 'token' }, { userId: 'stalled', domain: proxy.domain });
    const { conversationId } = first;
    await first.sees('< Welcome, stalled!');
    const second = await connect(env, { transport: 'polling', credential: 'token' }, { userId: 'stalled', conversationId, domain: proxy.domain });

    await say(env.server, conversationId, 'bea', 'later 6 200');
    proxy.stall();
    for (const text of ['meanwhile 1', 'meanwhile 2', 'meanwhile 3']) await say(env.server, conversationId, 'bea', text);
    await sleep(4_000);
    proxy.open();

    for (const client of [first, second]) {
      await client.sees('< Later 6 of 6', { timeout: 45_000 });
      assertSameAsLog(client.seen, await history(env.server, conversationId), client === first ? 'the socket' : 'the poller');
      await client.handsOutWhatItSaw();
      client.end();
    }
    proxy.close();
  });
}
