// The four bots do the same (bots/README.md), without a Direct Line server between: activities are posted to them and
// a Connector of a few lines takes what they say. A failure here is a bot's, not the server's.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { botKinds, startBot } from '../lib/bots.mjs';
import { measured, oddFile, picture, textFile, thumbnail } from '../lib/files.mjs';
import { until } from '../lib/wait.mjs';

const success = { 'botbuilder-js': 200, 'agents-js': 200, 'botbuilder-python': 201, 'agents-python': 202 };
const canBeAskedForMembers = kind => kind !== 'agents-js';
const canDownloadSignedOut = kind => kind === 'agents-python';
const files = [picture, textFile, oddFile];
/** Base64, or for agents-js what JSON makes of a Buffer and of a Uint8Array. */
const bytesOf = uploaded => (typeof uploaded === 'string' ? Buffer.from(uploaded, 'base64') : Buffer.from(uploaded.data ?? Object.values(uploaded)));

/** What the few lines of Connector say. Ids of activities count up; the conversation has two pages of members. */
let given = 0;
function connectorAnswer(method, { pathname, searchParams }) {
  if (pathname.endsWith('/pagedmembers')) {
    return [200, searchParams.has('continuationToken') ? { members: [{ id: 'cleo' }] } : { members: [{ id: 'anna' }, { id: 'bob' }], continuationToken: 'T' }];
  }
  if (pathname.endsWith('/members')) return [200, [{ id: 'main' }, { id: 'anna' }]];
  if (pathname.includes('/members/')) return [200, { id: decodeURIComponent(pathname.split('/').at(-1)) }];
  if (pathname.endsWith('/v3/conversations')) {
    return method === 'POST' ? [201, { id: 'new', serviceUrl: 'http://connector/' }] : [200, { conversations: [{ id: 'c', members: [] }] }];
  }
  if (pathname.endsWith('/v3/attachments/c.f')) {
    return [200, { name: 'kept.png', type: 'image/png', views: [['original', picture], ['thumbnail', thumbnail]].map(([viewId, { bytes }]) => ({ viewId, size: bytes.length })) }];
  }
  if (pathname.endsWith('/attachments')) return [200, { id: 'c.f' }];
  return [200, { id: `c|${++given}` }];
}

/** Bytes where links of files lead: those that a user sent, and the views of what the bot uploaded. */
const bytesAt = ({ pathname }) =>
  ({ original: picture, thumbnail })[pathname.split('/v3/attachments/c.f/views/')[1]] ?? files[pathname.split('/files/')[1]];

for (const kind of botKinds) {
  describe(`the bot on ${kind}`, { timeout: 60_000 }, () => {
    let bot, connector, saying = [], asked = [];

    before(async () => {
      bot = await startBot(kind);
      connector = createServer(async (request, response) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const url = new URL(request.url, 'http://connector');
        const file = bytesAt(url);
        if (file) {
          asked.push(`${request.method} ${url.pathname}`);
          return response.writeHead(200, { 'content-type': file.type }).end(file.bytes);
        }
        const [status, answer] = connectorAnswer(request.method, url);
        const said = chunks.length > 0 && JSON.parse(Buffer.concat(chunks));
        if (said) saying.push(said);
        asked.push(`${request.method} ${decodeURIComponent(request.url).replace('/connector/x/v3/', '')}`);
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      }).listen(0, '127.0.0.1');
      await once(connector, 'listening');
    });
    after(async () => {
      connector?.close();
      connector?.closeAllConnections();
      await bot?.stop();
    });

    const addressed = activity => ({
      id: 'c|0000001', timestamp: '2025-01-01T00:00:00.000Z', channelId: 'directline',
      serviceUrl: `http://127.0.0.1:${connector.address().port}/connector/x/`,
      conversation: { id: 'c' }, from: { id: 'anna', role: 'user' }, recipient: { id: 'main', role: 'bot' },
      ...activity
    });
    const turn = async activity => {
      saying = [];
      asked = [];
      const response = await fetch(bot.endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(addressed(activity))
      });
      assert.equal(response.status, success[kind], await response.text());
      return saying;
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
      await until('two more messages', () => saying.length === 3);
      assert.deepEqual(texts(saying), ['Will speak', 'Later 1 of 2', 'Later 2 of 2']);
    });

    it('updates and deletes what it said', async () => {
      const before = given;
      assert.deepEqual(texts(await turn({ type: 'message', text: 'update 0' })), ['Draft', 'Fair copy', 'Updated']);
      assert.equal(asked[1], `PUT conversations/c/activities/c|${before + 1}`);
      const deleted = given + 1;
      assert.deepEqual(texts(await turn({ type: 'message', text: 'delete 0' })), ['Soon gone', 'Deleted']);
      assert.equal(asked[1], `DELETE conversations/c/activities/c|${deleted}`);
    });

    it('streams an answer: chunks of one stream, then the whole', async () => {
      const chunks = await turn({ type: 'message', text: 'stream 3 600' });
      assert.equal(chunks.at(-1).type, 'message');
      assert.equal(chunks.at(-1).text, 'Part 1 Part 2 Part 3');
      const typing = chunks.slice(0, -1);
      assert.ok(typing.length >= 2 && typing.every(chunk => chunk.type === 'typing'), JSON.stringify(chunks));
      for (const [i, chunk] of typing.entries()) assert.ok(chunk.text.length > (typing[i - 1]?.text.length ?? 0), 'each chunk is longer than the one before');
      const streamOf = chunk => (chunk.channelData?.streamType && chunk.channelData) ?? chunk.entities.find(entity => entity.type === 'streaminfo');
      assert.equal(new Set(chunks.slice(1).map(chunk => streamOf(chunk).streamId)).size, 1);
      assert.ok(streamOf(chunks.at(-1)).streamId);
    });

    it('asks for members', async () => {
      assert.deepEqual(texts(await turn({ type: 'message', text: 'member anna' })), ['Members: anna']);
      if (!canBeAskedForMembers(kind)) return;
      assert.deepEqual(texts(await turn({ type: 'message', text: 'members' })), ['Members: anna,main']);
      assert.deepEqual(texts(await turn({ type: 'message', text: 'paged 2' })), ['Members: anna,bob|cleo']);
      assert.deepEqual(texts(await turn({ type: 'message', text: 'present' })), ['Members: anna,main']);
      assert.deepEqual(texts(await turn({ type: 'message', text: 'remove bob' })), ['Members: without bob']);
      assert.equal(asked[0], 'DELETE conversations/c/members/bob');
    });

    it('creates a conversation and speaks in it, and lists conversations', async () => {
      const [parameters, greeting, answer] = await turn({ type: 'message', text: 'create zoe' });
      assert.deepEqual([parameters.members[0].id, (parameters.bot ?? parameters.agent).id], ['zoe', 'main']);
      assert.deepEqual([greeting.conversation.id, greeting.text, answer.conversation.id, answer.text], ['new', 'Hello, zoe', 'c', 'Created: new']);
      assert.match(asked[1], /^POST conversations\/new\/activities/);
      assert.deepEqual(texts(await turn({ type: 'message', text: 'list' })), ['Conversations: c']);
    });

    it('uploads a history', { skip: kind === 'agents-js' && 'its client has no such call' }, async () => {
      const [history, answer] = await turn({ type: 'message', text: 'upload' });
      assert.deepEqual(history.activities.map(a => [a.from.id, a.text]), [['anna', 'Old question'], ['main', 'Old answer']]);
      assert.equal(answer.text, 'Uploaded');
    });

    it('gets every file by its link, and says what came', async () => {
      const origin = `http://localhost:${connector.address().port}`;
      const attachments = files.map(({ name, type }, i) => ({ name, contentType: type, contentUrl: `${origin}/files/${i}` }));
      const [answer] = await turn({ type: 'message', text: 'three files', attachments });
      assert.equal(answer.textFormat, 'plain');
      assert.deepEqual(JSON.parse(answer.text.replace(/^Files: /, '')), files.map(file => ({ name: file.name, contentType: file.type, ...measured(file.bytes) })));
      if (!canDownloadSignedOut(kind)) return;
      const [downloaded] = await turn({ type: 'message', text: 'download', attachments });
      assert.deepEqual(JSON.parse(downloaded.text.replace(/^Downloaded: /, '')), files.map(file => measured(file.bytes)));
    });

    it('uploads a picture, shows it by its views, and asks for it', async () => {
      const [upload, shown, kept] = await turn({ type: 'message', text: 'picture' });
      assert.deepEqual([upload.name, upload.type], ['picture.png', 'image/png']);
      for (const [key, { bytes }] of [['originalBase64', picture], ['thumbnailBase64', thumbnail]]) assert.deepEqual(bytesOf(upload[key]), bytes);
      const view = name => `http://127.0.0.1:${connector.address().port}/connector/x/v3/attachments/c.f/views/${name}`;
      assert.deepEqual(
        shown.attachments.map(a => [a.name, a.contentUrl, a.thumbnailUrl]),
        [['picture.png', view('original'), view('thumbnail')], ['picture.png', view('original'), undefined], [undefined, undefined, undefined]]
      );
      assert.equal(shown.attachments[2].content.images[0].url, view('original'));
      assert.deepEqual(JSON.parse(kept.text.replace(/^Kept: /, '')), {
        name: 'kept.png', type: 'image/png',
        views: [['original', picture], ['thumbnail', thumbnail]].map(([viewId, { bytes }]) => ({ said: bytes.length, viewId, ...measured(bytes) }))
      });
    });

    it('shows a picture that is in the activity itself', async () => {
      const [answer] = await turn({ type: 'message', text: 'inline' });
      assert.equal(answer.attachments[0].contentUrl, `data:image/png;base64,${picture.bytes.toString('base64')}`);
    });

    it('answers an invoke in the response', async () => {
      const response = await fetch(bot.endpoint, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(addressed({ type: 'invoke', name: 'ask', value: { zip: 1 } }))
      });
      assert.deepEqual([response.status, await response.json()], [200, { statusCode: 200, type: 'ask', value: { zip: 1 } }]);
    });
  });
}
