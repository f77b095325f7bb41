// The three bots do the same (bots/README.md), without a Direct Line server between: activities are posted to them and
// a Connector of a few lines takes what they say. A failure here is a bot's, not the server's.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { botKinds, startBot } from '../lib/bots.mjs';
import { until } from '../lib/wait.mjs';

const success = { 'botbuilder-js': 200, 'agents-js': 200, 'botbuilder-python': 201 };

for (const kind of botKinds) {
  describe(`the bot on ${kind}`, { timeout: 60_000 }, () => {
    let bot, connector, said = [];

    before(async () => {
      bot = await startBot(kind);
      connector = createServer(async (request, response) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        said.push(JSON.parse(Buffer.concat(chunks)));
        response.writeHead(200, { 'content-type': 'application/json' }).end(`{"id":"c|${said.length}"}`);
      }).listen(0, '127.0.0.1');
      await once(connector, 'listening');
    });
    after(async () => {
      connector?.close();
      connector?.closeAllConnections();
      await bot?.stop();
    });

    const turn = async activity => {
      said = [];
      const response = await fetch(bot.endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          id: 'c|0000001', timestamp: '2025-01-01T00:00:00.000Z', channelId: 'directline',
          serviceUrl: `http://127.0.0.1:${connector.address().port}/connector/x/`,
          conversation: { id: 'c' }, from: { id: 'anna', role: 'user' }, recipient: { id: 'main', role: 'bot' },
          ...activity
        })
      });
      assert.equal(response.status, success[kind], await response.text());
      return said;
    };
    const texts = activities => activities.map(a => (a.type === 'message' ? a.text : a.type));

    it('welcomes the user, not itself', async () => {
      assert.deepEqual(texts(await turn({ type: 'conversationUpdate', membersAdded: [{ id: 'main' }, { id: 'anna' }] })), ['Welcome, anna!']);
    });

    it('answers messages as described', async () => {
      const check = async (message, expected) => assert.deepEqual(texts(await turn({ type: 'message', ...message })), expected);
      await check({ text: 'hello' }, ['Echo: hello']);
      await check({ text: 'many 3' }, ['1 of 3', '2 of 3', '3 of 3']);
      await check({ text: 'slow 20' }, ['Slow: 20']);
      await check({ text: 'typing' }, ['typing', 'Done typing']);
      await check({ value: { b: 1, a: 'x' } }, ['Submitted: {"a":"x","b":1}']);
      await check({ text: 'blue', value: { colour: 'blue' } }, ['Message back: blue {"colour":"blue"}']);
      await check({ text: 'green', channelData: { postBack: true } }, ['Posted back: green']);
    });

    it('shows a card and suggested actions', async () => {
      const [card] = await turn({ type: 'message', text: 'card' });
      assert.equal(card.attachments[0].contentType, 'application/vnd.microsoft.card.adaptive');
      const [question] = await turn({ type: 'message', text: 'suggest' });
      assert.deepEqual(question.suggestedActions.actions.map(a => a.type), ['imBack', 'postBack', 'messageBack']);
    });

    it('answers an event by an event and a message', async () => {
      const [event, message] = await turn({ type: 'event', name: 'location', value: { zip: 1 } });
      assert.deepEqual([event.type, event.name, event.value, message.text], ['event', 'location.answer', { zip: 1 }, 'Event: location {"zip":1}']);
    });

    it('speaks after its turn', async () => {
      assert.deepEqual(texts(await turn({ type: 'message', text: 'later 2 20' })), ['Will speak']);
      await until('two more messages', () => said.length === 3);
      assert.deepEqual(texts(said), ['Will speak', 'Later 1 of 2', 'Later 2 of 2']);
    });
  });
}
