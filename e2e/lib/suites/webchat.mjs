// What every bot is put through with Web Chat in a browser, on a site of another origin than Landline's.
// One page; its tests run one after the other and build on each other.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { history } from '../api.mjs';
import { startBot } from '../bots.mjs';
import { ChatPage, launchBrowser } from '../browser.mjs';
import { Landline } from '../landline.mjs';
import { startSite } from '../site.mjs';
import { assertEachEchoedOnce, assertSameAsLog, echoed, lines } from '../transcript.mjs';
import { until } from '../wait.mjs';

export const chatUrl = (site, domain, more = {}) => `${site.origin}/?${new URLSearchParams({ domain, ...more })}`;

export const conversationOf = chat => chat.page.evaluate(() => sessionStorage.getItem('conversationId'));

/** How Web Chat renders a log: a postBack of the visitor is hidden, a messageBack is shown by its display text. */
export const rendered = log => lines(log
  .filter(a => !a.channelData?.postBack)
  .map(a => ({ ...a, text: a.channelData?.messageBack?.displayText ?? a.text ?? '[card]' })));

export function webChatSuite(kind) {
  describe(`Web Chat and ${kind}`, { timeout: 180_000 }, () => {
    let bot, server, site, browser, chat;
    before(async () => {
      bot = await startBot(kind);
      server = await Landline.start({ bot });
      site = await startSite(server, { id: 'anna', name: 'Anna' });
      browser = await launchBrowser();
      chat = await ChatPage.open(browser, chatUrl(site, server.domain), `webchat-${kind}`);
    });
    after(async () => {
      await browser?.close();
      site?.close();
      await server?.stop();
      await bot?.stop();
    });

    it('shows the welcome', async () => {
      await chat.sees('< Welcome, anna!');
    });

    it('shows each echo under what was typed', async () => {
      const texts = ['hello', 'how are you', 'ünïcödé 你好', 'four', 'five'];
      for (const text of texts) {
        await chat.type(text);
        await chat.sees(`< Echo: ${text}`);
      }
      await chat.shows(['< Welcome, anna!', ...echoed(texts)]);
      await chat.allSent();
    });

    it('shows what is typed fast, and each echo, once', async () => {
      const texts = Array.from({ length: 8 }, (_, i) => `fast ${i + 1}`);
      for (const text of texts) await chat.type(text);
      for (const text of texts) await chat.sees(`< Echo: ${text}`);
      const log = await history(server, await conversationOf(chat));
      assertEachEchoedOnce(log, texts);
      await chat.allSent();
      await chat.shows(rendered(log));
    });

    it('shows an adaptive card; its button reaches the bot with what was filled in', async () => {
      await chat.type('card');
      const card = chat.page.locator('.ac-adaptiveCard');
      await card.waitFor();
      await card.getByPlaceholder('Your name').fill('Anna');
      await chat.screenshot('card');
      await card.getByRole('button', { name: 'Send order' }).click();
      await chat.sees('< Submitted: {"kind":"order","name":"Anna"}');
    });

    it('shows suggested actions; each reaches the bot when clicked', async () => {
      for (const [title, answer] of [
        ['Red', '< Echo: red'],
        ['Green', '< Posted back: green'],
        ['Blue', '< Message back: blue {"colour":"blue"}']
      ]) {
        await chat.type('suggest');
        const button = chat.page.getByRole('toolbar', { name: 'Suggested actions' }).getByRole('button', { name: title, exact: true });
        await button.waitFor();
        if (title === 'Red') await chat.screenshot('suggested-actions');
        await button.click();
        await chat.sees(answer);
        await button.waitFor({ state: 'detached' });
      }
    });

    it('shows that the bot is typing, and then no more', async () => {
      const indicator = chat.page.locator('.webchat__typingIndicator, .webchat__typing-indicator');
      await Promise.all([indicator.waitFor(), chat.type('typing')]);
      await chat.screenshot('typing');
      await chat.sees('< Done typing');
      await indicator.waitFor({ state: 'detached' });
      assert.equal((await chat.received()).filter(a => a.type === 'typing').length, 1);
    });

    it('exchanges events', async () => {
      await chat.page.evaluate(() => window.store.dispatch({ type: 'WEB_CHAT/SEND_EVENT', payload: { name: 'location', value: { zip: 8001 } } }));
      await chat.sees('< Event: location {"zip":8001}');
      const answers = (await chat.activities()).filter(a => a.type === 'event' && a.name === 'location.answer');
      assert.deepEqual(answers.map(a => a.value), [{ zip: 8001 }]);
    });

    it('shows exactly the log, everything sent', async () => {
      await chat.allSent();
      const log = await history(server, await conversationOf(chat));
      await chat.shows(rendered(log));
      assertSameAsLog(await chat.received(), log, 'the page');
      await chat.screenshot('before-reload');
    });

    it('shows the same after the page was reloaded, and goes on', async () => {
      const before = await chat.lines();
      const conversationId = await conversationOf(chat);
      await chat.page.reload();
      await until('the history', async () => (await chat.lines()).length >= before.length, { timeout: 30_000 });
      await chat.shows(before);
      assert.equal(await conversationOf(chat), conversationId);

      await chat.type('after the reload');
      await chat.sees('< Echo: after the reload');
      await chat.allSent();
      await chat.shows([...before, ...echoed(['after the reload'])]);
      assertSameAsLog(await chat.received(), await history(server, conversationId), 'the reloaded page');
      await chat.screenshot('after-reload');
    });

    it('can read the status of a refused call, across origins', async () => {
      const conversationId = await conversationOf(chat);
      const read = await chat.page.evaluate(async ([domain, id]) => {
        const get = (path, headers) => fetch(`${domain}${path}`, { headers }).then(async r => [r.status, (await r.json()).error.code]);
        const withToken = { authorization: 'Bearer nonsense' };
        return [
          await get(`/conversations/${id}/activities`, {}),
          await get(`/conversations/${id}/activities`, withToken),
          await get(`/nowhere`, withToken)
        ];
      }, [server.domain, conversationId]);
      assert.deepEqual(read.slice(0, 2), [[401, 'Unauthorized'], [403, 'BadArgument']]);
      assert.equal(read[2][0], 404);
      chat.problems = chat.problems.filter(line => !/status of 40[134]/.test(line));
    });

    it('left nothing in the browser console that speaks of CORS or of a failed request', () => {
      assert.deepEqual(chat.problems, []);
    });
  });
}
