// `landline demo`, as a newcomer runs it: open the printed URL, type, see the echo.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ChatPage, launchBrowser } from '../lib/browser.mjs';
import { Child, freePort } from '../lib/child.mjs';
import { binary } from '../lib/paths.mjs';
import { until } from '../lib/wait.mjs';

describe('landline demo', { timeout: 90_000 }, () => {
  let demo, browser, chat;
  before(async () => {
    demo = new Child(`demo-${process.pid}`, binary, ['demo', '--listen', `127.0.0.1:${await freePort()}`]);
    const [url] = await demo.printed(/http:\/\/\S+/);
    browser = await launchBrowser();
    chat = await ChatPage.open(browser, url, 'demo');
  });
  after(async () => {
    await browser?.close();
    await demo?.end('SIGKILL');
  });

  it('shows a page on which the bot answers what is typed', async () => {
    await chat.sendBox.waitFor();
    await chat.type('hello landline');
    await chat.sees('> hello landline');
    await until('an echo', async () => (await chat.lines()).some(line => line.startsWith('<') && line.includes('hello landline')));
    await chat.screenshot('echo');

    const lines = await chat.lines();
    assert.equal(lines.filter(line => line === '> hello landline').length, 1);
    assert.equal(lines.filter(line => line.startsWith('<') && line.includes('hello landline')).length, 1);
    assert.deepEqual(chat.problems, []);
  });

  it('ends on SIGTERM with code 0', async () => {
    assert.deepEqual(await demo.end('SIGTERM'), { code: 0, signal: null });
  });
});
