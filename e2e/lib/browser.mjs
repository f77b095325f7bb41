// Web Chat in headless Chromium, as a person sees and uses it: what is read here is the rendered page.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { chromium as engine } from 'playwright-core';
import { artifacts, chromium } from './paths.mjs';
import { sleep, until, within } from './wait.mjs';

export const launchBrowser = () => engine.launch({
  executablePath: chromium,
  timeout: 60_000,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'
  ]
});

export class ChatPage {
  /** Opens `url` in a profile of its own. `name` is the prefix of its screenshots, `profile` more of what Playwright calls a context. */
  static async open(browser, url, name, profile = {}) {
    const chat = new ChatPage();
    chat.name = name;
    chat.problems = [];
    chat.context = await browser.newContext({ viewport: { width: 900, height: 900 }, ...profile });
    chat.page = await chat.context.newPage();
    chat.page.setDefaultTimeout(20_000);
    chat.page.on('pageerror', error => chat.problems.push(`uncaught: ${error}`));
    chat.page.on('console', line => {
      if (line.type() === 'error') chat.problems.push(line.text());
    });
    await chat.page.goto(url);
    return chat;
  }

  get sendBox() {
    return this.page.locator('[data-id="webchat-sendbox-input"]');
  }

  /** Types and presses Enter; waits for nothing. */
  async type(text) {
    await this.sendBox.fill(text);
    await this.sendBox.press('Enter');
  }

  /** Chooses files by the paper clip's own input, types what is to go with them, and presses Enter. */
  async attach(paths, text) {
    await this.page.locator('input[type=file]').setInputFiles(paths);
    await until('the files to be taken', () => this.page.locator('.webchat__attachment-icon--checked').count());
    await this.type(text);
  }

  /** The article of the transcript in which `text` stands. */
  article(text) {
    return this.page.locator('article.webchat__basic-transcript__activity').filter({ has: this.page.getByText(text, { exact: true }) });
  }

  /** The pictures that are shown with `text`, loaded: `{ alt, src, width, height }` as they are, not as they are shown. */
  pictures(text) {
    return this.article(text).locator('img').evaluateAll(images => Promise.all(images.map(async image => {
      await image.decode();
      return { alt: image.alt, src: image.src, width: image.naturalWidth, height: image.naturalHeight };
    })));
  }

  /** The files that are offered with `text`: `{ name, href }`. */
  offered(text) {
    return this.article(text).locator('a.webchat__fileContent__buttonLink')
      .evaluateAll(links => links.map(link => ({ name: link.querySelector('.webchat__fileContent__fileName').innerText, href: link.href })));
  }

  /** Clicks the file `name` that is offered with `text`; gives `{ name, bytes }` of what the browser saved. */
  async download(text, name) {
    const saved = new Promise(resolve => {
      this.context.on('page', page => page.once('download', resolve));
      this.page.once('download', resolve);
    });
    await this.article(text).locator('a.webchat__fileContent__buttonLink').filter({ hasText: name }).click();
    const download = await within(20_000, `the download of ${name}`, saved);
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  }

  /** The rendered transcript, from top to bottom: `> mine`, `< the bot's`, `< [card]`. */
  lines() {
    return this.page.evaluate(() => [...document.querySelectorAll('article.webchat__basic-transcript__activity')].flatMap(article => {
      const bubble = article.querySelector('.webchat__bubble');
      if (!bubble) return [];
      const arrow = bubble.classList.contains('webchat__bubble--from-user') ? '>' : '<';
      const text = article.querySelector('.webchat__text-content');
      // Web Chat's Markdown makes "straight" quotes round.
      return [`${arrow} ${text ? text.innerText.trim().replace(/[“”]/g, '"') : '[card]'}`];
    }));
  }

  sees(line, options) {
    return until(`"${line}" in ${this.name}`, async () => (await this.lines()).includes(line), options);
  }

  /** The whole transcript is `expected`, once the page has settled. */
  async shows(expected, { timeout = 5_000 } = {}) {
    await until('', async () => isDeepStrictEqual(await this.lines(), expected), { timeout }).catch(() => {});
    assert.deepEqual(await this.lines(), expected, `${this.name} shows another transcript`);
  }

  /** What Web Chat holds: for send states and for activities that are not rendered. */
  activities() {
    return this.page.evaluate(() => window.store.getState().activities);
  }

  /** What DirectLineJS handed out since the page was loaded. */
  received() {
    return this.page.evaluate(() => window.received);
  }

  /** Waits until every message of the visitor is shown as sent, and none offers "retry". */
  allSent(options) {
    return until(`${this.name}: every message shown as sent`, async () => {
      const unsent = (await this.activities())
        .filter(a => !['sent', undefined].includes(a.channelData?.['webchat:send-status']))
        .map(a => `"${a.text}" is ${a.channelData['webchat:send-status']}`);
      const shown = (await this.page.locator('.webchat__activity-status').allInnerTexts()).filter(text => /retry|failed|^sending/i.test(text));
      if (unsent.length + shown.length > 0) throw new Error([...unsent, ...shown].join('; '));
      return true;
    }, options);
  }

  async screenshot(what) {
    const folder = join(artifacts, 'screenshots');
    mkdirSync(folder, { recursive: true });
    await sleep(300); // Web Chat scrolls smoothly
    await this.page.screenshot({ path: join(folder, `${this.name}-${what}.png`) });
  }

  close() {
    return this.context.close();
  }
}
