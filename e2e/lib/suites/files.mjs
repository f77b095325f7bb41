// Files in both directions, with every bot: what a user sends, and what a bot shows.

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { history } from '../api.mjs';
import { dataUri, fetched, measured, oddFile, picture, startShelf, textFile, thumbnail } from '../files.mjs';
import { Proxy } from '../proxy.mjs';
import { assertSameAsLog } from '../transcript.mjs';
import { connect } from './directline.mjs';

const SOCKET = { transport: 'websocket', credential: 'token' };
const POLLING = { transport: 'polling', credential: 'token' };
const sent = [picture, textFile, oddFile];

/** Waits for the bot's message that begins with `word`, and reads the JSON behind it. */
export async function told(client, word, options) {
  const found = await client.seesActivity(`"${word}: …"`, a => a.type === 'message' && a.text?.startsWith(`${word}: `), options);
  return JSON.parse(found.text.slice(word.length + 2));
}

const said = (client, text) => client.seesActivity(`"${text}"`, a => a.text === text);

/** What clients must never be shown: how the bot reaches the server. A bot that is signed out has a secret in it. */
export const assertNothingOfTheBots = (shown, who) => assert.doesNotMatch(JSON.stringify(shown), /connector\/|localhost|landline-file/, who);

/** A link leads to exactly this file, served as what it is. */
export async function assertLeadsTo(link, { bytes, type }, what) {
  const { status, headers, bytes: got } = await fetched(link);
  assert.equal(status, 200, `${what}: ${got}`);
  assert.deepEqual(measured(got), measured(bytes), what);
  assert.equal(headers.get('content-type').split(';')[0], type, what);
}

/** agents-js wants a token for it, so signed out its own downloader has nothing to show. */
const canDownload = (kind, signedIn) => kind === 'agents-python' || (kind === 'agents-js' && signedIn);

export function fileFeatures(env, kind, { signedIn }) {
  let shelf;
  before(async () => {
    shelf = await startShelf();
  });
  after(() => shelf?.close());

  it('the bot gets each file by its link, byte for byte; the client gets its own back, with text and thumbnail', async () => {
    const client = await connect(env, SOCKET, { userId: 'fay' });
    const attachments = [shelf.attachment(picture, { thumbnailUrl: dataUri(thumbnail) }), shelf.attachment(textFile), shelf.attachment(oddFile)];
    const id = await client.post({ type: 'message', text: 'three files', attachments, channelData: { clientActivityID: 'fay-1' } });
    assert.notEqual(id, 'retry');
    assert.deepEqual(await told(client, 'Files'), sent.map(file => ({ contentType: file.type, name: file.name, ...measured(file.bytes) })));

    const own = await said(client, 'three files');
    assert.equal(own.id, id);
    assert.deepEqual(own.attachments.map(a => [a.name, a.contentType]), sent.map(file => [file.name, file.type]));
    // The thumbnail was sent in the activity; it comes back as a link.
    const [{ thumbnailUrl }, ...without] = own.attachments;
    assert.ok(thumbnailUrl.startsWith(`${env.server.domain}/`), thumbnailUrl);
    await assertLeadsTo(thumbnailUrl, thumbnail, 'the thumbnail');
    assert.deepEqual(without.map(a => a.thumbnailUrl), [undefined, undefined]);
    for (const [i, { contentUrl }] of own.attachments.entries()) {
      assert.ok(contentUrl.startsWith(`${env.server.domain}/`), contentUrl);
      await assertLeadsTo(contentUrl, sent[i], sent[i].name);
    }
    assertNothingOfTheBots(client.seen, 'the client');
    assertSameAsLog(client.seen, await history(env.server, client.conversationId), 'the client');
    client.end();
  });

  it('a client that polls, and came by another name, gets links by that name', async () => {
    const proxy = await Proxy.to(env.server.port);
    const client = await connect(env, POLLING, { userId: 'pol', domain: proxy.domain });
    await client.post({ type: 'message', text: 'one file', attachments: [shelf.attachment(oddFile)] });
    await told(client, 'Files');
    const [{ contentUrl }] = (await said(client, 'one file')).attachments;
    assert.ok(contentUrl.startsWith(`${proxy.domain}/`), contentUrl);
    await assertLeadsTo(contentUrl, oddFile, 'by the other name');
    client.end();
    proxy.close();
  });

  it("the SDK's own downloader gets the same", { skip: !canDownload(kind, signedIn) && 'the SDK has none' }, async () => {
    const client = await connect(env, SOCKET, { userId: 'dora' });
    await client.post({ type: 'message', text: 'download', attachments: sent.map(file => shelf.attachment(file)) });
    assert.deepEqual(await told(client, 'Downloaded'), sent.map(({ bytes }) => measured(bytes)));
    client.end();
  });

  it('a picture that the bot uploads: the client gets links that work without the bot, the bot what it uploaded', async () => {
    const client = await connect(env, SOCKET, { userId: 'gus' });
    await client.say('picture');
    const kept = await told(client, 'Kept');
    assert.deepEqual([kept.name, kept.type], ['picture.png', 'image/png']);
    const views = [['original', picture], ['thumbnail', thumbnail]];
    assert.deepEqual(kept.views, views.map(([viewId, { bytes }]) => ({ said: bytes.length, viewId, ...measured(bytes) })));

    const [both, alone, card] = (await said(client, 'A picture')).attachments;
    const links = [
      ['original', both.contentUrl, picture], ['thumbnail', both.thumbnailUrl, thumbnail],
      ['without a thumbnail', alone.contentUrl, picture], ['in a card', card.content.images[0].url, picture]
    ];
    for (const [what, link, file] of links) await assertLeadsTo(link, file, what);
    assertNothingOfTheBots(client.seen, 'the client');
    assertSameAsLog(client.seen, await history(env.server, client.conversationId), 'the client');
    client.end();
  });

  it('a picture in the activity itself passes through', async () => {
    const client = await connect(env, SOCKET, { userId: 'ina' });
    await client.say('inline');
    assert.equal((await said(client, 'Inline')).attachments[0].contentUrl, dataUri(picture));
    client.end();
  });
}
