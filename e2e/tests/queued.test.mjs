// Queued delivery: a send is answered when it is durable, and the bot gets it when it is there, in order, whatever happens to the server.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { generateToken, history } from '../lib/api.mjs';
import { ChatPage, launchBrowser } from '../lib/browser.mjs';
import { Client, endClients } from '../lib/directline.mjs';
import { measured, oddFile, startShelf } from '../lib/files.mjs';
import { Landline } from '../lib/landline.mjs';
import { addBot } from '../lib/pair.mjs';
import { startSite } from '../lib/site.mjs';
import { told } from '../lib/suites/files.mjs';
import { chatUrl, conversationOf, rendered } from '../lib/suites/webchat.mjs';
import { assertEachEchoedOnce, assertSameAsLog, lines } from '../lib/transcript.mjs';
import { until } from '../lib/wait.mjs';

describe('queued delivery', { timeout: 180_000 }, () => {
  // One signs in, the other does not.
  const kinds = { 'botbuilder-js': [], 'agents-python': ['--anonymous'] };
  const bots = {}, running = [];
  let server, browser, site;
  const start = async kind => running.push(await bots[kind].start());
  before(async () => {
    server = await Landline.start({ bots: {}, sites: {} });
    for (const [kind, flags] of Object.entries(kinds)) bots[kind] = await addBot(server, kind, kind, '--delivery', 'queued', ...flags);
    browser = await launchBrowser();
    site = await startSite(bots['botbuilder-js'].server, { id: 'anna', name: 'Anna' });
  });
  afterEach(async () => {
    for (const bot of running.splice(0)) await bot.stop();
  });
  after(async () => {
    endClients();
    await browser?.close();
    site?.close();
    await server?.stop();
  });

  for (const kind of Object.keys(kinds)) {
    it(`${kind}: what is said while it is away, also across kill -9, it gets once it is there, in order`, async () => {
      const seenBy = bots[kind].server;
      const { token, conversationId } = await generateToken(seenBy, { user: { id: 'quin' } });
      const client = new Client({ token, domain: seenBy.domain, userId: 'quin', random: () => 0 });
      await client.online();
      const texts = Array.from({ length: 6 }, (_, i) => `queued ${i + 1}`);
      for (const text of texts.slice(0, 3)) assert.notEqual(await client.say(text), 'retry', 'it is taken without the bot');
      await server.kill();
      await server.launch();
      for (const text of texts.slice(3)) assert.notEqual(await client.say(text), 'retry');
      assert.deepEqual(lines(await history(seenBy, conversationId)), texts.map(text => `> ${text}`));

      await start(kind);
      await until('the last echo', async () => lines(await history(seenBy, conversationId)).includes('< Echo: queued 6'), { timeout: 60_000, every: 250 });
      const log = await history(seenBy, conversationId);
      const heard = lines(log).filter(line => line.startsWith('<'));
      assert.deepEqual(heard, ['< Welcome, quin!', ...texts.map(text => `< Echo: ${text}`)], 'the bot heard all of it, once, in order');
      assertEachEchoedOnce(log, texts);
      await client.sees('< Echo: queued 6', { timeout: 45_000 });
      assertSameAsLog(client.seen, log, 'the client');
      client.end();
    });
  }

  it('a file waits for the bot, too, across kill -9, and arrives byte for byte', async () => {
    const { server: seenBy } = bots['agents-python'];
    const shelf = await startShelf();
    const { token, conversationId } = await generateToken(seenBy, { user: { id: 'quin' } });
    const client = new Client({ token, domain: seenBy.domain, userId: 'quin', random: () => 0 });
    await client.online();
    const id = await client.post({ type: 'message', text: 'a file', attachments: [shelf.attachment(oddFile)] });
    assert.notEqual(id, 'retry', 'it is taken without the bot');
    await server.kill();
    await server.launch();
    await start('agents-python');
    const [got] = await told(client, 'Files', { timeout: 60_000 });
    assert.deepEqual(got, { contentType: oddFile.type, name: oddFile.name, ...measured(oddFile.bytes) });
    const log = await history(seenBy, conversationId);
    assert.equal(log.filter(a => a.attachments).length, 1);
    assertSameAsLog(client.seen, log, 'the client');
    client.end();
    shelf.close();
  });

  it('Web Chat shows as sent what waits for the bot, and the answers when it is there', async () => {
    const chat = await ChatPage.open(browser, chatUrl(site, server.domain), 'webchat-queued');
    await chat.sendBox.waitFor();
    const texts = ['are you there?', 'hello?'];
    for (const text of texts) {
      await chat.type(text);
      await chat.sees(`> ${text}`);
    }
    await chat.allSent();
    await chat.screenshot('waiting');
    await start('botbuilder-js');
    await chat.sees('< Echo: hello?', { timeout: 60_000 });
    const log = await history(bots['botbuilder-js'].server, await conversationOf(chat));
    assertEachEchoedOnce(log, texts);
    await chat.shows(rendered(log));
    await chat.screenshot('answered');
    assert.deepEqual(chat.problems, []);
    await chat.close();
  });
});
