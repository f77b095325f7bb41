// Web Chat with the page open while the line is cut and while the server is killed.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, describe, it } from 'node:test';
import { history, say } from '../lib/api.mjs';
import { startBot } from '../lib/bots.mjs';
import { ChatPage, launchBrowser } from '../lib/browser.mjs';
import { Landline } from '../lib/landline.mjs';
import { Proxy } from '../lib/proxy.mjs';
import { startSite } from '../lib/site.mjs';
import { chatUrl, conversationOf, rendered } from '../lib/suites/webchat.mjs';
import { assertSameAsLog, echoed, lines } from '../lib/transcript.mjs';
import { sleep, until } from '../lib/wait.mjs';

// The stock client waits 3 to 15 s before it connects again, and 20 s more when that failed.
const RECONNECT = { timeout: 45_000 };

describe('Web Chat when things break', { timeout: 240_000 }, () => {
  let bot, server, site, browser, proxy, chat;
  before(async () => {
    bot = await startBot('botbuilder-js');
    server = await Landline.start({ bot });
    site = await startSite(server, { id: 'anna', name: 'Anna' });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    site?.close();
    await server?.stop();
    await bot?.stop();
  });
  beforeEach(async () => {
    proxy = await Proxy.to(server.port);
  });
  afterEach(async () => {
    await chat?.close();
    proxy.close();
  });

  const open = async (name, domain, more) => {
    chat = await ChatPage.open(browser, chatUrl(site, domain, more), `webchat-${name}`);
    await chat.sees('< Welcome, anna!');
    await chat.type('hello');
    await chat.sees('< Echo: hello');
    return conversationOf(chat);
  };

  const assertShowsTheLog = async conversationId => {
    await chat.allSent();
    const log = await history(server, conversationId);
    await chat.shows(rendered(log));
    assertSameAsLog(await chat.received(), log, 'the page');
  };

  it('the line is cut, the bot and another client speak meanwhile: every message once, in order, shown as sent', async () => {
    const conversationId = await open('cut', proxy.domain);
    await chat.type('later 5 150');
    await chat.sees('< Later 1 of 5');

    proxy.cut();
    for (const text of ['meanwhile 1', 'meanwhile 2']) await say(server, conversationId, 'bea', text);
    await until('the bot to have spoken', async () => lines(await history(server, conversationId)).includes('< Later 5 of 5'));
    assert.ok(!(await chat.lines()).includes('< Later 5 of 5'), 'the line was cut');
    await chat.screenshot('away');
    proxy.open();

    await chat.sees('< Later 5 of 5', RECONNECT);
    await chat.type('after the cut');
    await chat.sees('< Echo: after the cut');
    await assertShowsTheLog(conversationId);
    await chat.screenshot('back');
  });

  it('the server is killed twice with the page open: every message once, in order, shown as sent', async () => {
    const conversationId = await open('killed', server.domain);
    const texts = ['hello'];
    for (let round = 1; round <= 2; round++) {
      await server.kill();
      await sleep(500);
      await server.launch();
      // Typed while the socket is still away; the send needs none, its echo comes with the new socket.
      texts.push(`typed after kill ${round}`);
      await chat.type(texts.at(-1));
      await chat.sees(`< Echo: ${texts.at(-1)}`, RECONNECT);
      texts.push(`and again ${round}`);
      await chat.type(texts.at(-1));
      await chat.sees(`< Echo: ${texts.at(-1)}`, RECONNECT);
    }
    await chat.shows(['< Welcome, anna!', ...echoed(texts)]);
    await assertShowsTheLog(conversationId);
    await chat.screenshot('end');
  });

  it('the server is killed while the bot is answering: the message is there once and shown as sent, the answer arrives', async () => {
    const conversationId = await open('killed-in-turn', server.domain);
    await chat.type('slow 4000');
    await until('the message in the log', async () => lines(await history(server, conversationId)).includes('> slow 4000'));
    await server.kill();
    await server.launch();

    await chat.sees('< Slow: 4000', RECONNECT);
    await assertShowsTheLog(conversationId);
    await chat.shows(['< Welcome, anna!', ...echoed(['hello']), '> slow 4000', '< Slow: 4000']);
    await chat.screenshot('end');
  });

  it('typed while the server is down: shown as failed, and sent once when "Retry" is clicked', async () => {
    const conversationId = await open('down', server.domain, { sendTimeout: 3_000 });
    await server.kill();
    await chat.type('into the void');
    const retry = chat.page.getByRole('button', { name: /retry/i });
    await retry.waitFor();
    await chat.screenshot('retry');
    await server.launch();

    await retry.click();
    await chat.sees('< Echo: into the void', RECONNECT);
    const sent = await until('the message to be sent', async () => {
      const found = (await chat.activities()).filter(a => a.text === 'into the void' && a.channelData['webchat:send-status'] === 'sent');
      return found.length > 0 && found;
    }, RECONNECT);
    // Web Chat 4.18 posts a retry under a new clientActivityID and leaves the failed bubble standing, so it shows two.
    assert.equal(sent.length, 1);
    assert.equal((await chat.lines()).filter(line => line === '< Echo: into the void').length, 1);
    assert.deepEqual(lines(await history(server, conversationId)), ['< Welcome, anna!', ...echoed(['hello', 'into the void'])]);
    await chat.screenshot('end');
  });

  it('by polling, the line stalls for four seconds: every message once, in order', async () => {
    const conversationId = await open('stalled-polling', proxy.domain, { transport: 'polling' });
    await say(server, conversationId, 'bea', 'later 3 200');
    proxy.stall();
    for (const text of ['meanwhile 1', 'meanwhile 2']) await say(server, conversationId, 'bea', text);
    await sleep(4_000);
    proxy.open();
    await chat.sees('< Later 3 of 3', RECONNECT);
    await chat.type('after');
    await chat.sees('< Echo: after');
    await assertShowsTheLog(conversationId);
  });
});
