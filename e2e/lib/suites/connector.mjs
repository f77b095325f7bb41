// What a bot does at the Connector beyond answering: speak unasked, change its mind, ask who is there, begin a conversation.
// Each test has a conversation of its own, because changes and further users would be in the way of claims about whole logs.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { call, generateToken, history, message, post, say } from '../api.mjs';
import { Client } from '../directline.mjs';
import { asItStands, assertSameAsLog, echoed, lines } from '../transcript.mjs';
import { until } from '../wait.mjs';
import { connect } from './directline.mjs';

const SOCKET = { transport: 'websocket', credential: 'token' };

/** What a plain client gets that comes back with `watermark`. */
const since = async (server, conversationId, watermark) =>
  (await call('GET', `${server.domain}/conversations/${conversationId}/activities?watermark=${watermark}`, server.secret)).body;

/** Says `command` and gives what stands behind `answer` in the bot's message. */
async function ask(client, command, answer) {
  const from = client.lines().length;
  assert.notEqual(await client.say(command), 'retry');
  return until(`the answer to "${command}"`, () => client.lines().slice(from).find(line => line.startsWith(`< ${answer}`))?.slice(answer.length + 2));
}

export function connectorFeatures(env, kind) {
  it('speaks outside of a turn, to a client that is there and to one that is away', async () => {
    const client = await connect(env, SOCKET, { userId: 'pia' });
    const { watermark } = await since(env.server, client.conversationId, '');
    await client.say('later 3 100');
    await client.sees('< Later 3 of 3');
    const missed = await since(env.server, client.conversationId, watermark);
    assert.deepEqual(lines(missed.activities), ['> later 3 100', '< Will speak', '< Later 1 of 3', '< Later 2 of 3', '< Later 3 of 3']);
    const log = await history(env.server, client.conversationId);
    assertSameAsLog(client.seen, log, 'the client');
    const ids = new Set(log.map(a => a.id));
    for (const { text, replyToId } of log) assert.ok(replyToId === undefined || ids.has(replyToId), `"${text}" replies to what nobody has seen`);
    client.end();
  });

  it('replaces what it said: in the old place, for who is there, who was away, and who comes later', async () => {
    const client = await connect(env, SOCKET, { userId: 'uma' });
    const { conversationId } = client;
    const turn = client.say('update 700');
    await client.sees('< Draft');
    const draft = client.seen.find(a => a.text === 'Draft');
    const away = await since(env.server, conversationId, '');
    assert.deepEqual(lines(away.activities), ['< Welcome, uma!', '> update 700', '< Draft']);
    await turn;
    await client.sees('< Updated');

    // Connected: the new content under the old id and with the old time, by which Web Chat puts it in the old place.
    const changed = client.seen.filter(a => a.id === draft.id);
    assert.deepEqual(changed.map(a => a.text), ['Draft', 'Fair copy']);
    assert.equal(changed[1].timestamp, draft.timestamp);
    assert.equal(changed[1].from.role, 'bot');

    const resumed = (await since(env.server, conversationId, away.watermark)).activities;
    assert.deepEqual(resumed.map(a => a.text), ['Fair copy', 'Updated']);
    assert.equal(resumed[0].id, draft.id);

    const expected = ['< Welcome, uma!', '> update 700', '< Fair copy', '< Updated'];
    const log = await history(env.server, conversationId);
    assert.deepEqual(lines(log), expected);
    assert.deepEqual(lines(asItStands(client.seen)), expected);
    const later = await connect(env, SOCKET, { userId: 'uma', conversationId });
    await later.sees('< Updated');
    assert.deepEqual(later.lines(), expected);
    assertSameAsLog(later.seen, log, 'who comes later');
    for (const reader of [client, later]) reader.end();
  });

  it('deletes what it said, for who is there, who was away, and who comes later', async () => {
    const client = await connect(env, SOCKET, { userId: 'dea' });
    const { conversationId } = client;
    const turn = client.say('delete 700');
    await client.sees('< Soon gone');
    const { id } = client.seen.find(a => a.text === 'Soon gone');
    const away = await since(env.server, conversationId, '');
    await turn;
    await client.sees('< Deleted');
    assert.deepEqual(client.seen.filter(a => a.id === id).map(a => a.type), ['message', 'messageDelete']);

    const resumed = (await since(env.server, conversationId, away.watermark)).activities;
    assert.deepEqual(resumed.map(a => [a.type, a.text]), [['messageDelete', undefined], ['message', 'Deleted']]);
    assert.equal(resumed[0].id, id);

    const expected = ['< Welcome, dea!', '> delete 700', '< Deleted'];
    const log = await history(env.server, conversationId);
    assert.ok(!JSON.stringify(log).includes('Soon gone'), 'the content is gone from the history');
    assert.deepEqual(lines(log), expected);
    const later = await connect(env, SOCKET, { userId: 'dea', conversationId });
    await later.sees('< Deleted');
    assertSameAsLog(later.seen, log, 'who comes later');
    assert.deepEqual(lines(asItStands(client.seen)), expected);
    for (const reader of [client, later]) reader.end();
  });

  it('learns who is in the conversation', async () => {
    const client = await connect(env, SOCKET, { userId: 'mia' });
    assert.equal(await ask(client, 'member mia', 'Members: '), 'mia');
    if (kind === 'agents-js') return client.end(); // its client asks nothing else

    await say(env.server, client.conversationId, 'bea', 'hello');
    await client.sees('< Echo: hello');
    const bot = client.seen.find(a => a.from.role === 'bot').from.id;
    const everybody = [bot, 'bea', 'mia'].sort().join(',');
    assert.equal(await ask(client, 'members', 'Members: '), everybody);
    assert.equal(await ask(client, 'present', 'Members: '), everybody);
    const pages = (await ask(client, 'paged 2', 'Members: ')).split('|').map(page => page.split(','));
    assert.deepEqual(pages.map(page => page.length), [2, 1]);
    assert.equal(pages.flat().sort().join(','), everybody);

    assert.equal(await ask(client, 'remove bea', 'Members: '), 'without bea');
    assert.equal(await ask(client, 'members', 'Members: '), [bot, 'mia'].sort().join(','));
    client.end();
  });

  it('begins a conversation, which a user then joins; and lists its conversations', async () => {
    const client = await connect(env, SOCKET, { userId: 'cleo' });
    const created = await ask(client, 'create zoe', 'Created: ');
    const { token, conversationId } = await generateToken(env.server, { conversationId: created, user: { id: 'zoe' } });
    assert.equal(conversationId, created);
    const zoe = new Client({ token, conversationId, domain: env.server.domain, userId: 'zoe' });
    await zoe.sees('< Hello, zoe');
    assert.notEqual(await zoe.say('hello'), 'retry');
    await zoe.sees('< Echo: hello');
    assert.deepEqual(zoe.lines().slice(-2), echoed(['hello']));
    assertSameAsLog(zoe.seen, await history(env.server, created), 'zoe');

    const listed = (await ask(client, 'list', 'Conversations: ')).split(',');
    for (const id of [client.conversationId, created]) assert.ok(listed.includes(id), `${id} is not among ${listed}`);
    for (const reader of [client, zoe]) reader.end();
  });

  it('uploads a history', { skip: kind === 'agents-js' && 'its client has no such call' }, async () => {
    const client = await connect(env, SOCKET, { userId: 'hana' });
    await client.say('upload');
    await client.sees('< Uploaded');
    assert.deepEqual(client.lines(), ['< Welcome, hana!', '> upload', '> Old question', '< Old answer', '< Uploaded']);
    assertSameAsLog(client.seen, await history(env.server, client.conversationId), 'the client');
    client.end();
  });

  it('answers in the HTTP response: invoke, expectReplies, and a request for a stream', async () => {
    const client = await connect(env, SOCKET, { userId: 'ivo' });
    const ok = async activity => {
      const answer = await post(env.server, client.conversationId, { from: { id: 'ivo' }, ...activity });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
    };
    await ok({ type: 'invoke', name: 'ask', value: { zip: 8001 } });
    const { value } = await client.seesActivity('the invoke response', a => a.type === 'invokeResponse');
    assert.deepEqual(value, { status: 200, body: { statusCode: 200, type: 'ask', value: { zip: 8001 } } });

    // What the other SDKs make of these two: bots/README.md.
    for (const deliveryMode of ['expectReplies', 'stream']) {
      if (deliveryMode === (kind === 'botbuilder-python' ? 'expectReplies' : kind === 'agents-python' ? 'stream' : '')) continue;
      const from = client.lines().length;
      await ok({ ...message('ivo', 'many 3'), deliveryMode });
      await until(`the replies to ${deliveryMode}`, () => client.lines().slice(from).includes('< 3 of 3'));
      assert.deepEqual(client.lines().slice(from), ['> many 3', '< 1 of 3', '< 2 of 3', '< 3 of 3']);
    }
    assertSameAsLog(client.seen, await history(env.server, client.conversationId), 'the client');
    client.end();
  });
}
