// Files where something is in the way: too big, the bot away, the server killed, content that wants to run, and a big one.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { call, generateToken, history } from '../lib/api.mjs';
import { startBot } from '../lib/bots.mjs';
import { ChatPage, launchBrowser } from '../lib/browser.mjs';
import { endClients } from '../lib/directline.mjs';
import { fetched, measured, onDisk, picture, startShelf, textFile } from '../lib/files.mjs';
import { Landline } from '../lib/landline.mjs';
import { startSite } from '../lib/site.mjs';
import { connect } from '../lib/suites/directline.mjs';
import { assertLeadsTo, told } from '../lib/suites/files.mjs';
import { chatUrl, conversationOf } from '../lib/suites/webchat.mjs';
import { assertSameAsLog, echoed, lines } from '../lib/transcript.mjs';
import { sleep, until } from '../lib/wait.mjs';

const SOCKET = { transport: 'websocket', credential: 'token' };
const MEGABYTE = 1024 * 1024;
const LIMIT = MEGABYTE;

/** A file sent as the body of the request, as the documentation of Direct Line shows it. */
const uploadRaw = (server, { conversationId, token }, { name, type, bytes }, userId = 'rob') =>
  fetched(`${server.domain}/conversations/${conversationId}/upload?userId=${userId}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': type, 'content-disposition': `name="file"; filename="${name}"` },
    body: bytes
  });

/** As a telephone takes them: half a megabyte, of which Web Chat makes a thumbnail of 50 kB. */
const detailedPhoto = async page => Buffer.from(await page.evaluate(() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 2000, height: 1400 });
  const paint = canvas.getContext('2d');
  for (let i = 0; i < 20_000; i++) {
    paint.fillStyle = `hsl(${Math.random() * 360} 60% ${Math.random() * 100}%)`;
    paint.beginPath();
    paint.arc(Math.random() * 2000, Math.random() * 1400, Math.random() * 60, 0, 7);
    paint.fill();
  }
  return canvas.toDataURL('image/jpeg', 0.9).split(',')[1];
}), 'base64');

describe('files, also when something is in the way', { timeout: 120_000 }, () => {
  const env = {};
  let shelf, browser, site;
  before(async () => {
    env.bot = await startBot('botbuilder-js');
    [env.server, shelf, browser] = await Promise.all([
      Landline.start({ bot: env.bot, more: `[limits]\nfile_size = "1MiB"\n` }), startShelf(), launchBrowser()
    ]);
    site = await startSite(env.server, { id: 'anna', name: 'Anna' });
  });
  afterEach(() => endClients());
  after(async () => {
    await browser?.close();
    site?.close();
    shelf?.close();
    await env.server?.stop();
    await env.bot?.stop();
  });

  const tooBig = { name: 'big.bin', type: 'application/octet-stream', bytes: randomBytes(LIMIT + 1) };
  const justFits = { ...tooBig, name: 'fits.bin', bytes: tooBig.bytes.subarray(0, LIMIT) };

  it('over the limit: DirectLineJS is told 413, nothing is stored, and the chat goes on; a file of just the limit passes', async () => {
    const client = await connect(env, SOCKET, { userId: 'max' });
    const refused = client.post({ type: 'message', text: 'too big', attachments: [shelf.attachment(textFile), shelf.attachment(tooBig)] });
    await assert.rejects(refused, error => {
      assert.equal(error.status, 413);
      const { code, message } = (error.xhr.response ?? JSON.parse(error.xhr.responseText)).error;
      assert.equal(code, 'MessageSizeTooBig');
      assert.match(message, /1048576|1MiB/);
      return true;
    });
    await client.post({ type: 'message', text: 'fits', attachments: [shelf.attachment(justFits)] });
    assert.deepEqual((await told(client, 'Files')).map(({ name }) => name), ['fits.bin']);
    await client.say('still here');
    await client.sees('< Echo: still here');
    const log = await history(env.server, client.conversationId);
    assert.deepEqual(lines(log).filter(line => line.startsWith('>')), ['> fits', '> still here']);
    assertSameAsLog(client.seen, log, 'the client');
  });

  it('over the limit: Web Chat shows it as not sent, and goes on', async () => {
    const { paths, remove } = await onDisk([tooBig]);
    const chat = await ChatPage.open(browser, chatUrl(site, env.server.domain), 'webchat-too-big');
    await chat.sees('< Welcome, anna!');
    await chat.attach(paths, 'too big');
    await chat.page.getByRole('button', { name: /retry/i }).waitFor();
    await chat.screenshot('refused');
    await chat.type('still here');
    await chat.sees('< Echo: still here');
    assert.deepEqual(lines(await history(env.server, await conversationOf(chat))), ['< Welcome, anna!', ...echoed(['still here'])]);
    assert.deepEqual(chat.problems.filter(line => !/status of 413|Failed to post activity/.test(line)), []);
    await chat.close();
    await remove();
  });

  it('eight photos at once, each with the thumbnail that Web Chat makes of it: all are shown, and the bot gets them', async () => {
    const chat = await ChatPage.open(browser, chatUrl(site, env.server.domain), 'webchat-photos');
    await chat.sees('< Welcome, anna!');
    const photos = [];
    for (let i = 1; i <= 8; i++) photos.push({ name: `photo ${i}.jpg`, type: 'image/jpeg', bytes: await detailedPhoto(chat.page) });
    const { paths, remove } = await onDisk(photos);
    await chat.attach(paths, 'eight photos');
    await chat.sees(`< Files: ${JSON.stringify(photos.map(({ name, type, bytes }) => ({ contentType: type, name, ...measured(bytes) })))}`);
    await chat.allSent();
    const shown = await chat.pictures('eight photos');
    assert.deepEqual(shown.map(({ alt }) => alt), photos.map(({ name }) => name));
    for (const { alt, src, width } of shown) {
      assert.ok(src.startsWith(`${env.server.domain}/`) && width > 500, `${alt}: ${src}, ${width} wide`);
      const { bytes } = await fetched(src);
      assert.ok(bytes.length > 30_000, `the thumbnail of a detailed photo is large: ${bytes.length} bytes`);
    }
    const own = (await chat.received()).find(a => a.text === 'eight photos');
    for (const [i, { contentUrl }] of own.attachments.entries()) await assertLeadsTo(contentUrl, photos[i], photos[i].name);
    await chat.screenshot('sent');
    assert.deepEqual(chat.problems, []);
    await chat.close();
    await remove();
  });

  it('the server is killed: the links of before lead to the same bytes, and a new upload works', async () => {
    const client = await connect(env, SOCKET, { userId: 'kim', random: () => 0 });
    await client.post({ type: 'message', text: 'before', attachments: [shelf.attachment(picture)] });
    const [{ contentUrl }] = (await client.seesActivity('the file', a => a.text === 'before')).attachments;
    await env.server.kill();
    await env.server.launch();
    await assertLeadsTo(contentUrl, picture, 'by the old link');
    const own = (await history(env.server, client.conversationId)).find(a => a.text === 'before');
    await assertLeadsTo(own.attachments[0].contentUrl, picture, 'by a new link');
    const token = (await generateToken(env.server, { user: { id: 'kim' }, conversationId: client.conversationId })).token;
    assert.equal((await uploadRaw(env.server, { token, conversationId: client.conversationId }, textFile, 'kim')).status, 200);
    const last = (await history(env.server, client.conversationId)).findLast(a => a.from.id === 'kim');
    assert.deepEqual(last.attachments.map(a => [a.name, a.contentType]), [[textFile.name, textFile.type]]);
    await assertLeadsTo(last.attachments[0].contentUrl, textFile, 'the second file');
  });

  it('the operator deletes the conversation: its links lead nowhere', async () => {
    const client = await connect(env, SOCKET, { userId: 'del' });
    await client.post({ type: 'message', text: 'gone soon', attachments: [shelf.attachment(picture)] });
    const [{ contentUrl }] = (await client.seesActivity('the file', a => a.text === 'gone soon')).attachments;
    await assertLeadsTo(contentUrl, picture, 'before');
    await env.server.command('conversation', 'delete', client.conversationId);
    assert.equal((await fetched(contentUrl)).status, 404);
  });
});

describe('files for a bot that is away', { timeout: 60_000 }, () => {
  it('an upload answers 502 and is in the log; the same again makes no second entry, and reaches the bot when it is back', async () => {
    const shelf = await startShelf();
    let bot = await startBot('botbuilder-js');
    const server = await Landline.start({ bot, more: '[limits]\nbot_deadline = "3s"\n' });
    const client = await connect({ server }, SOCKET, { userId: 'ada' });
    try {
      await bot.stop();
      const file = { ...picture, name: 'once.png' };
      const message = () => ({ type: 'message', text: 'once', attachments: [shelf.attachment(file)], channelData: { clientActivityID: 'ada-once' } });
      // DirectLineJS says "retry" for every 5xx; that it is 502 is asked for by hand.
      assert.equal(await client.post(message()), 'retry');
      assert.equal(await client.post(message()), 'retry');
      const byHand = await uploadRaw(server, { token: client.line.token, conversationId: client.conversationId }, textFile, 'ada');
      assert.equal(byHand.status, 502, byHand.bytes.toString());

      bot = await startBot('botbuilder-js', { port: Number(new URL(bot.endpoint).port) });
      assert.notEqual(await until('the bot to be reached', async () => (await client.post(message())) !== 'retry'), false);
      await client.say('last');
      await client.sees('< Echo: last');
      const log = await history(server, client.conversationId);
      assert.deepEqual(log.filter(a => a.from.id === 'ada').map(a => a.text), ['once', undefined, 'last']);
      await assertLeadsTo(log.find(a => a.text === 'once').attachments[0].contentUrl, file, 'the file of the first attempt');
      assertSameAsLog(client.seen, log, 'the client');
    } finally {
      endClients();
      shelf.close();
      await server.stop();
      await bot.stop();
    }
  });
});

describe('files that want to run', { timeout: 120_000 }, () => {
  let bot, server, browser, witness, ran, token;
  before(async () => {
    bot = await startBot('botbuilder-js');
    [server, browser] = await Promise.all([Landline.start({ bot }), launchBrowser()]);
    token = (await call('POST', `${server.domain}/conversations`, (await generateToken(server, { user: { id: 'eve' } })).token)).body;
    ran = [];
    witness = createServer((request, response) => {
      if (request.url.startsWith('/ran/')) ran.push(request.url.slice(5));
      const page = new URL(request.url, 'http://witness').searchParams.get('page');
      response.writeHead(200, { 'content-type': 'text/html', 'access-control-allow-origin': '*' }).end(page ?? '<title>witness</title>');
    }).listen(0, '127.0.0.1');
    await once(witness, 'listening');
  });
  after(async () => {
    await browser?.close();
    witness?.close();
    witness?.closeAllConnections();
    await server?.stop();
    await bot?.stop();
  });

  const origin = () => `http://127.0.0.1:${witness.address().port}`;
  const script = name => `(new Image).src="${origin()}/ran/${name}";fetch("${origin()}/ran/${name}").catch(()=>{});document.title="ran"`;
  const html = name => `<!doctype html><title>still</title><body><script>${script(name)}</script><img src=x onerror='${script(name)}'></body>`;
  const svg = name => `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload='${script(name)}'><script>${script(name)}</script></svg>`;
  const gif = Buffer.from('GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;', 'latin1');

  const cases = [
    ['page.html', 'text/html', html],
    ['page.xhtml', 'application/xhtml+xml', name => `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>still</title><script>${script(name)}</script></head></html>`],
    ['drawing.svg', 'image/svg+xml', svg],
    ['feed.xml', 'text/xml', name => `<x><script xmlns="http://www.w3.org/1999/xhtml">${script(name)}</script></x>`],
    ['code.js', 'text/javascript', script],
    ['plain.txt', 'text/plain', html],
    ['no-type', undefined, html],
    ['nonsense', 'text/html;;;/x', html],
    ['lies.png', 'image/png', html],
    ['drawn.png', 'image/png', svg],
    ['both.png', 'text/html', name => Buffer.concat([picture.bytes, Buffer.from(html(name))])],
    ['paper.pdf', 'application/pdf', name => `%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.launchURL("${origin()}/ran/${name}"))>>>>endobj\n${html(name)}`],
    // What is an image by its first bytes is shown as one, whatever follows, and never as anything else.
    ['polyglot.gif', 'image/gif', name => Buffer.concat([gif.subarray(0, 6), Buffer.from(`/*`), gif.subarray(8), Buffer.from(`*/=1;${script(name)}//${html(name)}`)]), 'image'],
    ['polyglot.png', 'image/png', name => Buffer.concat([picture.bytes, Buffer.from(html(name))]), 'image']
  ];

  it('runs where it may, so that this test can fail', async () => {
    const page = await browser.newPage();
    await page.goto(`${origin()}/?page=${encodeURIComponent(html('control'))}`);
    await until('the script to run', () => ran.includes('control'));
    await page.close();
  });

  it('opened by their links: nothing runs; what is no image is saved, not shown', async () => {
    for (const [name, type, content] of cases) {
      const bytes = Buffer.from(content(name));
      const answer = await uploadRaw(server, token, { name, type: type ?? '', bytes }, 'eve');
      assert.ok([200, 502].includes(answer.status), `${name}: ${answer.status} ${answer.bytes}`);
    }
    const log = (await history(server, token.conversationId)).filter(a => a.from.id === 'eve');
    assert.equal(log.length, cases.length);
    const context = await browser.newContext();
    for (const [i, [name, , content, shown]] of cases.entries()) {
      const { contentUrl } = log[i].attachments[0];
      const page = await context.newPage();
      if (shown) {
        await page.goto(contentUrl);
        assert.equal(await page.evaluate(() => document.contentType.split('/')[0]), 'image', name);
        assert.notEqual(await page.title(), 'ran');
      } else {
        const saved = page.waitForEvent('download', { timeout: 10_000 });
        saved.catch(() => {}); // what happened instead is told below
        const wasShown = await page.goto(contentUrl).then(() => true, error => assert.match(String(error), /Download is starting|ERR_ABORTED/));
        if (wasShown) await sleep(300); // time to run
        assert.ok(!wasShown, `${name} was shown, and ran: ${ran.includes(name)}`);
        await (await saved).cancel();
      }
      const { headers, bytes } = await fetched(contentUrl);
      assert.ok(bytes.equals(Buffer.from(content(name))), `${name} has other bytes`);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.match(headers.get('content-security-policy'), /sandbox/);
      assert.match(headers.get('content-disposition'), shown ? /^inline/ : /^attachment/, name);
      await page.close();
    }
    // The same in another site: framed, embedded, as a script, as a style sheet.
    const page = await context.newPage();
    for (const [i, [name]] of cases.entries()) {
      const link = log[i].attachments[0].contentUrl.replaceAll('&', '&amp;');
      const inside = `<title>outside</title><iframe src="${link}"></iframe><embed src="${link}"><object data="${link}"></object>`
        + `<script src="${link}"></script><link rel="stylesheet" href="${link}"><img src="${link}">`;
      await page.goto(`${origin()}/?page=${encodeURIComponent(inside)}`);
      assert.equal(await page.title(), 'outside', name);
    }
    await sleep(500);
    assert.deepEqual(ran.filter(name => name !== 'control'), []);
    await context.close();
  });
});

describe('a file of 50 MB', { timeout: 120_000 }, () => {
  it('arrives at the bot and comes back byte for byte, while the chat goes on', async () => {
    const bot = await startBot('botbuilder-js');
    const server = await Landline.start({ bot, more: '[limits]\nfile_size = "64MiB"\n' });
    try {
      const client = await connect({ server }, SOCKET, { userId: 'lou' });
      const bytes = randomBytes(50 * MEGABYTE);
      const slowly = new ReadableStream({
        async pull(controller) {
          this.at ??= 0;
          await sleep(20); // at most 50 MB/s, so that there is time to chat
          controller.enqueue(bytes.subarray(this.at, this.at += MEGABYTE));
          if (this.at >= bytes.length) controller.close();
        }
      });
      let done = false;
      const upload = fetch(`${server.domain}/conversations/${client.conversationId}/upload?userId=lou`, {
        method: 'POST', body: slowly, duplex: 'half',
        headers: { authorization: `Bearer ${client.line.token}`, 'content-type': 'video/mp4', 'content-disposition': 'name="file"; filename="film.mp4"' }
      }).finally(() => { done = true; });

      const texts = [], took = [];
      while (!done) {
        texts.push(`meanwhile ${texts.length + 1}`);
        const begun = Date.now();
        assert.notEqual(await client.say(texts.at(-1)), 'retry');
        await client.sees(`< Echo: ${texts.at(-1)}`, { every: 10 });
        took.push(Date.now() - begun);
      }
      const answer = await upload;
      assert.equal(answer.status, 200, await answer.text());
      assert.ok(texts.length >= 10, `there was time for ${texts.length} messages only`);
      assert.ok(Math.max(...took) < 2_000, `a message and its echo took ${Math.max(...took)} ms`);

      const [film] = await told(client, 'Files', { timeout: 30_000 });
      assert.deepEqual(film, { contentType: 'video/mp4', name: 'film.mp4', ...measured(bytes) });
      const own = client.seen.find(a => a.attachments?.[0]?.name === 'film.mp4');
      const [{ contentUrl }] = own.attachments;
      const whole = await fetched(contentUrl);
      assert.deepEqual(measured(whole.bytes), measured(bytes));
      const part = await fetched(contentUrl, { headers: { range: `bytes=${49 * MEGABYTE}-` } });
      assert.deepEqual([part.status, part.bytes.equals(bytes.subarray(49 * MEGABYTE))], [206, true]);
      const log = await history(server, client.conversationId);
      assert.equal(log.filter(a => a.attachments).length, 1);
      assertSameAsLog(client.seen, log, 'the client');
    } finally {
      endClients();
      await server.stop();
      await bot.stop();
    }
  });
});
