// An answer that is shown while the bot is still writing it.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { history } from '../api.mjs';
import { assertSameAsLog, lines } from '../transcript.mjs';
import { until } from '../wait.mjs';
import { connect } from './directline.mjs';

const SOCKET = { transport: 'websocket', credential: 'token' };
const whole = count => Array.from({ length: count }, (_, i) => `Part ${i + 1}`).join(' ');

const chunksOf = client => client.seen.filter(a => a.type === 'typing' && a.text);

/** Each chunk is the one before and more; all have one name, in the id and where Web Chat looks for it; the end has it too. */
function assertGrows(client, count) {
  const chunks = chunksOf(client);
  for (const [i, chunk] of chunks.entries()) {
    assert.ok(whole(count).startsWith(chunk.text), `a chunk says "${chunk.text}"`);
    if (i > 0) assert.ok(chunk.text.length > chunks[i - 1].text.length, 'a chunk came twice, or behind a newer one');
  }
  const end = client.seen.find(a => a.type === 'message' && a.text === whole(count));
  assert.ok(client.seen.indexOf(chunks.at(-1)) < client.seen.indexOf(end), 'a chunk came behind the end');
  const stream = end.channelData.streamId;
  assert.ok(stream);
  assert.deepEqual([...new Set(chunks.map(chunk => chunk.id))], [stream]);
  assert.ok(chunks.slice(1).every(chunk => chunk.channelData.streamId === stream), JSON.stringify(chunks));
}

export function liveAnswers(env) {
  it('an answer grows; who joins in the middle gets the newest at once; only the end is history', async () => {
    const count = 6;
    const client = await connect(env, SOCKET, { userId: 'lisa' });
    const { conversationId } = client;
    const poller = await connect(env, { transport: 'polling', credential: 'token' }, { userId: 'lisa', conversationId });
    const turn = client.say(`stream ${count} 600`);
    await until('three parts', () => chunksOf(client).some(chunk => chunk.text === whole(3)));
    const joiner = await connect(env, SOCKET, { userId: 'lisa', conversationId });
    const first = await until('a chunk for who joins', () => chunksOf(joiner)[0]);
    assert.ok(first.text.length >= whole(3).length, `who joined was given "${first.text}"`);
    assert.ok(!joiner.lines().includes(`< ${whole(count)}`), 'the answer is not finished yet');
    assert.ok(!(await history(env.server, conversationId)).some(a => a.type === 'typing'));

    await turn;
    for (const reader of [client, joiner, poller]) await reader.sees(`< ${whole(count)}`);
    assert.ok(chunksOf(client).length >= count - 1, `${chunksOf(client).length} chunks`);
    assertGrows(client, count);
    assertGrows(joiner, count);
    const log = await history(env.server, conversationId);
    assert.deepEqual(lines(log), ['< Welcome, lisa!', `> stream ${count} 600`, `< ${whole(count)}`]);
    for (const reader of [client, joiner, poller]) {
      assertSameAsLog(reader.seen, log, 'the reader');
      reader.end();
    }
  });
}
