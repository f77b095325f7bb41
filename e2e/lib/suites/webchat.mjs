// What every bot is put through with Web Chat in a browser, on a site of another origin than Landline's.
// One page; its tests run one after the other and build on each other.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { history } from '../api.mjs';
import { ChatPage, launchBrowser } from '../browser.mjs';
import { fetched, measured, oddFile, onDisk, picture, textFile } from '../files.mjs';
import { startPair } from '../pair.mjs';
import { startSite } from '../site.mjs';
import { assertEachEchoedOnce, assertSameAsLog, echoed, lines } from '../transcript.mjs';
import { until } from '../wait.mjs';
import { assertLeadsTo, assertNothingOfTheBots } from './files.mjs';

export const chatUrl = (site, domain, more = {}) => `${site.origin}/?${new URLSearchParams({ domain, ...more })}`;

export const conversationOf = chat => chat.page.evaluate(() => sessionStorage.getItem('conversationId'));

/** How Web Chat renders a log: a postBack of the visitor is hidden, a messageBack is shown by its display text. */
export const rendered = log => lines(log
  .filter(a => !a.channelData?.postBack)
  .map(a => ({ ...a, text: a.channelData?.messageBack?.displayText ?? a.text ?? '[card]' })));

export function webChatSuite(kind) {
  describe(`Web Chat and ${kind}`, { timeout: 240_000 }, () => {
    const sides = { 'signed in': {}, 'signed out': {} };
    let pair, browser;
    before(async () => {
      [pair, browser] = await Promise.all([startPair(kind), launchBrowser()]);
      for (const [how, server] of [['signed in', pair.signedIn], ['signed out', pair.signedOut]]) {
        Object.assign(sides[how], { server, browser, site: await startSite(server, { id: 'anna', name: 'Anna' }) });
      }
    });
    after(async () => {
      await browser?.close();
      for (const { site } of Object.values(sides)) site?.close();
      await pair?.stop();
    });

    // The two sides beside each other: most of the time is a person's, who reads and types.
    describe('the whole list', { concurrency: true }, () => {
      for (const [how, side] of Object.entries(sides)) {
        describe(how, { concurrency: 1 }, () => everything(side, `webchat-${kind}-${how.replace(' ', '-')}`));
      }
    });
    describe('what the bot changes and streams', { concurrency: true }, () => {
      for (const [how, side] of Object.entries(sides)) {
        describe(how, { concurrency: true }, () => changes(side, `webchat-${kind}-${how.replace(' ', '-')}`));
      }
    });
    describe('files', { concurrency: true }, () => {
      for (const [how, side] of Object.entries(sides)) {
        describe(how, { concurrency: 1 }, () => files(side, `webchat-${kind}-${how.replace(' ', '-')}`));
      }
    });
  });
}

function everything(side, name) {
  let server, chat;
  before(async () => {
    server = side.server;
    chat = await ChatPage.open(side.browser, chatUrl(side.site, server.domain), name);
  });
  after(() => chat?.close());

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

  it('shows what the bot says unasked', async () => {
    await chat.type('later 2 300');
    await chat.sees('< Later 2 of 2');
    assert.deepEqual((await chat.lines()).slice(-4), ['> later 2 300', '< Will speak', '< Later 1 of 2', '< Later 2 of 2']);
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
}

const opener = (side, name) => async (what, more) => {
  const chat = await ChatPage.open(side.browser, chatUrl(side.site, side.server.domain, more), `${name}-${what}`);
  if (!more) await chat.sees('< Welcome, anna!');
  return chat;
};

/** Short conversations, the whole of which is known. */
function changes(side, name) {
  const whole = count => Array.from({ length: count }, (_, i) => `Part ${i + 1}`).join(' ');
  const open = opener(side, name);

  it('shows what the bot replaces in the old place, and takes away what it deletes; the same after a reload', async () => {
    const chat = await open('changes');
    await chat.type('hello');
    await chat.sees('< Echo: hello');
    await chat.type('update 1500');
    await chat.sees('< Draft');
    await chat.screenshot('draft');
    await chat.sees('< Updated');
    const expected = ['< Welcome, anna!', ...echoed(['hello']), '> update 1500', '< Fair copy', '< Updated'];
    await chat.shows(expected);

    await chat.type('delete 1500');
    await chat.sees('< Soon gone');
    await chat.screenshot('before-the-deletion');
    await chat.sees('< Deleted');
    expected.push('> delete 1500', '< Deleted');
    await chat.shows(expected);
    await chat.allSent();
    await chat.screenshot('changed');
    // Web Chat 4.18 has no renderer for a messageDelete and says so in the console; the bubble is gone all the same.
    chat.problems = chat.problems.filter(line => !line.includes('No renderer for activity of type "messageDelete"'));

    await chat.page.reload();
    await chat.sees('< Deleted', { timeout: 30_000 });
    await chat.shows(expected);
    assert.deepEqual(chat.problems, [], 'a page that never had the message is told nothing of it');
    await chat.close();
  });

  it('shows an answer growing in one bubble, and to a page that is opened in the middle', async () => {
    const count = 12; // eight seconds: rendering may take its time, and the bot has to be done in fifteen
    const chat = await open('stream');
    const joined = await open('joined', { conversationId: await conversationOf(chat), hold: true });
    await chat.type(`stream ${count} 700`);
    await until('the third part', async () => (await chat.lines()).at(-1).startsWith(`< ${whole(3)}`));
    await joined.page.evaluate(() => window.begin());
    const growing = async page => (await page.lines()).filter(line => line.startsWith('< Part'));
    const stages = new Set();
    let most = 0;
    await until('the whole answer', async () => {
      const bubbles = [await growing(chat), await growing(joined)];
      most = Math.max(most, ...bubbles.map(lines => lines.length));
      stages.add(bubbles[0][0]);
      if (stages.size === 3) await joined.screenshot('growing');
      return bubbles.every(lines => lines[0] === `< ${whole(count)}`);
    });
    assert.equal(most, 1, 'a part was shown in a bubble of its own');
    assert.ok(stages.size >= 4, `seen: ${[...stages].join('; ')}`);
    const expected = ['< Welcome, anna!', `> stream ${count} 700`, `< ${whole(count)}`];
    for (const page of [chat, joined]) await page.shows(expected);
    const chunks = (await joined.received()).filter(a => a.type === 'typing' && a.text);
    assert.ok(chunks.length > 0 && chunks[0].text.length > whole(1).length, 'who joined was shown the newest part at once');
    await chat.screenshot('whole');
    await joined.screenshot('whole');
    for (const page of [chat, joined]) {
      assert.deepEqual(page.problems, []);
      await page.close();
    }
  });
}

/** Files of the visitor, chosen by the page's own input, and pictures of the bot. */
function files(side, name) {
  const open = opener(side, name);
  const three = [picture, textFile, oddFile];

  it('shows the visitor what was sent: the image, and links to the files; the same after a reload', async () => {
    const { paths, remove } = await onDisk(three);
    const chat = await open('files');
    await chat.attach(paths[2], 'one file');
    const told = files => `< Files: ${JSON.stringify(files.map(file => ({ contentType: file.type, name: file.name, ...measured(file.bytes) })))}`;
    await chat.sees(told([oddFile]));
    await chat.attach(paths, 'three files');
    await chat.sees(told(three));
    await chat.allSent();

    const check = async click => {
      await chat.shows(['< Welcome, anna!', '> one file', told([oddFile]), '> three files', told(three)]);
      for (const [text, sent] of [['one file', [oddFile]], ['three files', [textFile, oddFile]]]) {
        const offered = await chat.offered(text);
        assert.deepEqual(offered.map(({ name }) => name), sent.map(({ name }) => name));
        for (const [i, { href }] of offered.entries()) {
          assert.ok(href.startsWith(`${side.server.domain}/`), href);
          await assertLeadsTo(href, sent[i], sent[i].name);
          if (!click) continue;
          const saved = await chat.download(text, sent[i].name);
          assert.equal(saved.name, sent[i].name.replaceAll('"', '_')); // which Chromium does to names of files
          assert.ok(saved.bytes.equals(sent[i].bytes), `${sent[i].name} was saved with other bytes`);
        }
      }
      // Of a visitor's image Web Chat shows the thumbnail that it made itself and sent along; behind it is the image.
      const [shown, ...more] = await chat.pictures('three files');
      assert.deepEqual([shown.alt, shown.width, shown.height, more], [picture.name, 160, 120, []]);
      assert.ok(shown.src.startsWith(`${side.server.domain}/`), shown.src);
      const own = (await chat.received()).find(a => a.text === 'three files');
      assert.equal(own.attachments[0].thumbnailUrl, shown.src);
      assert.equal((await fetched(shown.src)).headers.get('content-type'), 'image/jpeg');
      await assertLeadsTo(own.attachments[0].contentUrl, picture, 'the image');
      const width = await chat.page.evaluate(async src => {
        const image = Object.assign(new Image(), { src });
        await image.decode();
        return image.naturalWidth;
      }, own.attachments[0].contentUrl);
      assert.equal(width, 160);
      assertNothingOfTheBots(await chat.received(), 'the page');
    };
    await check(true);
    await chat.screenshot('sent');
    await chat.page.reload();
    await chat.sees(told(three), { timeout: 30_000 });
    await check(false);
    await chat.screenshot('after-reload');
    assert.deepEqual(chat.problems, []);
    await chat.close();
    await remove();
  });

  it('shows the pictures of the bot: by its view, by its thumbnail, in a card, and one that is in the activity itself', async () => {
    const chat = await open('pictures');
    await chat.type('picture');
    await until('what the Connector knows', async () => (await chat.lines()).some(line => line.startsWith('< Kept: ')));
    await chat.type('inline');
    await chat.sees('< Inline');
    const sizes = async text => (await chat.pictures(text)).map(({ width, height }) => [width, height]);
    assert.deepEqual(await sizes('A picture'), [[40, 30], [160, 120], [160, 120]], 'thumbnail, original, in the card');
    for (const { src } of await chat.pictures('A picture')) assert.ok(src.startsWith(`${side.server.domain}/`), src);
    assert.deepEqual(await sizes('Inline'), [[160, 120]]);
    assertNothingOfTheBots(await chat.received(), 'the page');
    assert.doesNotMatch(await chat.page.content(), /connector\//);
    await chat.allSent();
    await chat.screenshot('shown');
    assert.deepEqual(chat.problems, []);
    await chat.close();
  });
}
