// Enhanced authentication with browsers: the pages of a trusted origin have a chat, all others have nothing, whatever they
// have got hold of. What the server does is tested in Rust; here is what Chromium makes of it.
//
// Three parties on as many origins: Landline, the site, and pages of somebody who means harm: on the same host as both,
// with whose requests the browser sends Landline's cookies, on another host, and in a sandboxed frame, which has no origin.
// All is https on ports of `localhost`: the cookie is `Secure`, and Chromium as Debian builds it has none for other sites.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { call, generateToken, history, post, say } from '../lib/api.mjs';
import { startBot } from '../lib/bots.mjs';
import { ChatPage, launchBrowser } from '../lib/browser.mjs';
import { Child, freePort } from '../lib/child.mjs';
import { Client, endClients } from '../lib/directline.mjs';
import { sectionsOf } from '../lib/document.mjs';
import { Landline } from '../lib/landline.mjs';
import { e2e } from '../lib/paths.mjs';
import { closeProxies, Proxy } from '../lib/proxy.mjs';
import { startSite } from '../lib/site.mjs';
import { chatUrl, conversationOf, rendered } from '../lib/suites/webchat.mjs';
import { TlsFront } from '../lib/tls.mjs';
import { assertSameAsLog, lines } from '../lib/transcript.mjs';
import { sleep, until } from '../lib/wait.mjs';

const COOKIE = '__Host-landline-session';
const RECONNECT = { timeout: 45_000 };
const ANNA = { id: 'dl_anna', name: 'Anna' };

/** Runs in a page, with what somebody has stolen; gives what each attempt came to. */
async function attempts({ domain, token, conversationId, streamUrl }) {
  const path = `${domain}/conversations/${conversationId}`;
  const ask = async (url, options) => {
    try {
      const answer = await fetch(url, options);
      return answer.type === 'opaque' ? 'opaque' : answer.status;
    } catch {
      return 'hidden';
    }
  };
  const headers = { authorization: `Bearer ${token}` };
  const json = { ...headers, 'content-type': 'application/json' };
  const message = JSON.stringify({ type: 'message', from: { id: 'dl_anna' }, text: `forged at ${location.origin}` });
  const socket = url => new Promise(resolve => {
    const opened = new WebSocket(url);
    opened.onopen = () => (opened.close(), resolve('open'));
    opened.onerror = () => resolve('refused');
  });
  const element = (name, properties) => new Promise(resolve => {
    const it = Object.assign(document.createElement(name), properties, { onload: () => resolve('loaded'), onerror: () => resolve('failed') });
    document.body.append(it);
  });
  const session = async headers => {
    try {
      const answer = await fetch(`${domain}/session/getsessionid`, { headers, credentials: 'include' });
      return [answer.status, (await answer.json()).sessionId?.length];
    } catch {
      return 'hidden';
    }
  };
  return {
    withToken: {
      poll: await ask(`${path}/activities`, { headers }),
      send: await ask(`${path}/activities`, { method: 'POST', headers: json, body: message }),
      upload: await ask(`${path}/upload`, { method: 'POST', headers, body: new FormData() }),
      refresh: await ask(`${domain}/tokens/refresh`, { method: 'POST', headers }),
      start: await ask(`${domain}/conversations`, { method: 'POST', headers: json, body: '{}' }),
      reconnect: await ask(path, { headers })
    },
    socket: await socket(streamUrl),
    session: await session(headers),
    // What a browser adds by itself, the cookie of the session included.
    withNothing: {
      poll: await ask(`${path}/activities`, { credentials: 'include' }),
      unseen: await ask(`${path}/activities`, { credentials: 'include', mode: 'no-cors' }),
      simple: await ask(`${path}/activities`, { method: 'POST', credentials: 'include', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body: message }),
      form: await ask(`${path}/upload?userId=dl_anna`, { method: 'POST', credentials: 'include', mode: 'no-cors', body: new FormData() }),
      socket: await socket(streamUrl.replace(/&t=.*/, '')),
      session: await session({}),
      script: await element('script', { src: `${path}/activities` }),
      image: await element('img', { src: `${path}/activities` })
    }
  };
}

/** What comes of it in a page that is not trusted. */
const nothing = {
  withToken: { poll: 403, send: 403, upload: 403, refresh: 403, start: 403, reconnect: 403 },
  socket: 'refused',
  session: 'hidden',
  withNothing: { poll: 'hidden', unseen: 'hidden', simple: 'hidden', form: 'hidden', socket: 'refused', session: 'hidden', script: 'failed', image: 'failed' }
};

/** A server of blank pages; `title` of a page is the path. */
async function startBlank() {
  const http = createServer((request, response) => {
    const framed = new URL(request.url, 'http://blank').searchParams.get('frame');
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<!doctype html><title>blank</title><link rel="icon" href="data:,"><body>${framed ?? ''}`);
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { origin: `http://127.0.0.1:${http.address().port}`, close: () => (http.close(), http.closeAllConnections()) };
}

describe('enhanced authentication', { timeout: 240_000 }, () => {
  let bot, server, shop, proxy, front, site, blank, documented, browser, domain, chat;
  const plain = [], fronts = [];
  /** What Landline was asked, as it came. */
  const heard = [];
  before(async () => {
    bot = await startBot('botbuilder-js');
    server = await Landline.prepare();
    proxy = await Proxy.to(server.port);
    front = await TlsFront.to(proxy.server.address().port);
    const secure = async http => {
      plain.push(http);
      fronts.push(await TlsFront.to(new URL(http.origin).port));
      return { origin: fronts.at(-1).origin, plain: http.origin };
    };
    front.server.on('secureConnection', socket => socket.on('data', data => heard.push(data.toString('latin1'))));
    domain = `${front.origin}/v3/directline`;
    await server.configure({ bot, more: `public_url = "${front.origin}"\nconnector_url = "${server.origin}"\n` });
    await server.launch();
    const user = ANNA;
    site = await secure(await startSite(undefined, user, async conversationId => {
      if (conversationId) return generateToken(shop, { user, conversationId });
      const answer = await fetch(`http://127.0.0.1:${documented.port}/chat-token`, { method: 'POST', headers: { 'x-signed-in-as': 'anna' } });
      assert.equal(answer.status, 200);
      return answer.json();
    }));
    const added = await server.command('site', 'add', 'shop', '--bot', 'main', '--enhanced-authentication', '--trusted-origin', site.origin, '--json');
    server.secrets.shop = JSON.parse(added).secret;
    shop = server.at('shop');
    documented = await startDocumented();
    blank = await secure(await startBlank());
    browser = await launchBrowser();
  });
  after(async () => {
    endClients();
    await browser?.close();
    await documented?.child.end('SIGKILL');
    for (const http of plain) http.close();
    for (const stopped of [front, ...fronts]) await stopped?.stop();
    closeProxies();
    await server?.stop();
    await bot?.stop();
  });
  afterEach(async () => {
    await chat?.close();
    chat = undefined;
  });

  /** The site's server as docs/operations/web-pages.md has it, word for word. */
  async function startDocumented() {
    const sections = await sectionsOf(join(e2e, '../docs/operations/web-pages.md'));
    const [block] = sections.find(({ title }) => title === 'Your server').blocks.filter(({ info }) => info === 'js server.mjs');
    const script = join(server.folder, 'server.mjs');
    await writeFile(script, block.text);
    const port = await freePort();
    const child = new Child(`site-${process.pid}`, process.execPath, [script], {
      LANDLINE_URL: server.origin, LANDLINE_SECRET: shop.secret, USER_KEY: 'a key of the test', PORT: String(port)
    });
    await child.printed(/ready/);
    return { port, child };
  }

  /** Gives whom the bot welcomes. */
  const open = async name => {
    chat = await ChatPage.open(browser, chatUrl(site, domain), `origins-${name}`, { ignoreHTTPSErrors: true });
    return until('the welcome', async () => (await chat.lines())[0]?.match(/^< Welcome, (dl_[0-9a-f]{64})!$/)?.[1]);
  };

  /** A page of this origin, in the profile of the chat: with its cookies, and whatever else a browser adds by itself. */
  const pageAt = async url => {
    const page = await chat.context.newPage();
    await page.goto(url);
    return page;
  };

  /** The same server of blank pages, under the name of another site. */
  const elsewhere = () => blank.plain.replace('127.0.0.1', 'evil.localhost');

  /** What a thief has: a token of the visitor, and a stream URL that was not used. */
  const stolen = async () => {
    const conversationId = await conversationOf(chat);
    const { token } = await generateToken(shop, { user: ANNA, conversationId });
    const { body } = await call('GET', `${shop.domain}/conversations/${conversationId}`, token);
    return { domain, token, conversationId, streamUrl: body.streamUrl };
  };

  it('a trusted page has Web Chat, through a cut line, a kill and a reload, as the user whom the site says', async () => {
    const user = await open('trusted');
    await chat.type('hello');
    await chat.sees('< Echo: hello');
    await chat.type('later 3 150');
    await chat.sees('< Later 1 of 3');

    proxy.cut();
    const conversationId = await conversationOf(chat);
    await until('the bot to have spoken', async () => lines(await history(shop, conversationId)).includes('< Later 3 of 3'));
    proxy.open();
    await chat.sees('< Later 3 of 3', RECONNECT);
    await server.kill();
    await server.launch();
    await chat.type('after the kill');
    await chat.sees('< Echo: after the kill', RECONNECT);
    await chat.allSent();
    const log = await history(shop, conversationId);
    await chat.shows(rendered(log));
    assertSameAsLog(await chat.received(), log, 'the page');
    assert.deepEqual([...new Set(log.filter(a => a.from.role === 'user').map(a => a.from.id))], [user]);

    await chat.page.reload();
    await chat.sees('< Echo: after the kill');
    await chat.type('after the reload');
    await chat.sees('< Echo: after the reload');
    await chat.screenshot('chat');
  });

  it('whoever has stolen token and stream URL cannot use them in a page of another origin: no read, no send, no socket', async () => {
    await open('stolen');
    await chat.type('private');
    await chat.sees('< Echo: private');
    const conversationId = await conversationOf(chat);
    // The session's cookie is there, and is sent along with what pages of others ask.
    const sessionId = () => chat.page.evaluate(() => new Promise((resolve, reject) => window.directLine.getSessionId().subscribe(resolve, reject)));
    const id = await sessionId();
    assert.match(id, /^[\w-]{43}$/);
    assert.equal(await sessionId(), id, 'the cookie says that it is the same browser');
    const known = (await chat.context.cookies(front.origin)).find(({ name }) => name === COOKIE);
    assert.deepEqual([known?.secure, known?.httpOnly, known?.sameSite, known?.path], [true, true, 'None', '/']);
    assert.notEqual(known.value, id);

    const before = await history(shop, conversationId);
    for (const [origin, hasCookie] of [[blank.origin, true], [elsewhere(), false]]) {
      const page = await pageAt(origin);
      assert.equal(await page.evaluate(() => location.origin), origin);
      assert.deepEqual(await page.evaluate(attempts, await stolen()), nothing, origin);
      const ofPage = heard.filter(head => head.toLowerCase().includes(`origin: ${origin}\r\n`));
      assert.equal(ofPage.some(head => head.includes(`${COOKIE}=${known.value}`)), hasCookie, `${origin}: whether the cookie was sent`);
      await page.close();
    }
    // A frame without an origin, in the trusted page itself.
    const page = await pageAt(`${blank.origin}/?frame=${encodeURIComponent('<iframe sandbox="allow-scripts" src="/inner"></iframe>')}`);
    const inner = await until('the frame', () => page.frames().find(frame => frame.url().endsWith('/inner')));
    assert.equal(await inner.evaluate(() => self.origin), 'null');
    assert.deepEqual(await inner.evaluate(attempts, await stolen()), nothing, 'a sandboxed frame');
    await page.close();
    assert.deepEqual(await history(shop, conversationId), before, 'somebody has changed the conversation');
    await chat.screenshot('untouched');
  });

  it('the same attempts come through from the trusted page, so that this test can fail', async () => {
    await open('control');
    await chat.type('hello');
    await chat.sees('< Echo: hello');
    const result = await chat.page.evaluate(attempts, await stolen());
    assert.deepEqual(result, {
      ...nothing,
      withToken: { poll: 200, send: 200, upload: 400, refresh: 200, start: 200, reconnect: 200 },
      socket: 'open',
      session: [200, 43]
    });
    const log = await history(shop, await conversationOf(chat));
    assert.ok(lines(log).includes(`> forged at ${site.origin}`));
  });

  it('and from anywhere with a token of a site without trusted origins', async () => {
    const { token, conversationId } = await generateToken(server, { user: ANNA });
    const started = await call('POST', `${server.domain}/conversations`, token, {});
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(elsewhere());
    const result = await page.evaluate(attempts, { domain, token, conversationId, streamUrl: started.body.streamUrl });
    assert.deepEqual([result.withToken.poll, result.withToken.send, result.socket], [200, 200, 'open']);
    assert.equal(result.session, 'hidden', 'nobody is trusted with a cookie');
    assert.deepEqual(result.withNothing, nothing.withNothing);
    assert.deepEqual(await context.cookies(front.origin), []);
    await context.close();
  });

  it('nothing of Landline is shown in a frame', async () => {
    await open('framed');
    await chat.type('hello');
    await chat.sees('< Echo: hello');
    const conversationId = await conversationOf(chat);
    for (const path of ['/', `/v3/directline/conversations/${conversationId}/activities`]) {
      const url = `${front.origin}${path}`;
      const refused = [];
      const page = await chat.context.newPage();
      page.on('console', line => refused.push(line.text()));
      await page.goto(`${blank.origin}/?frame=${encodeURIComponent(`<iframe src="${url}"></iframe>`)}`);
      await until('Chromium to refuse it', () => refused.some(text => /frame-ancestors/.test(text)));
      await page.close();
    }
  });

  it('an origin that is taken away has nothing from then on, and everything when it comes back', async () => {
    await open('revoked');
    await chat.type('before');
    await chat.sees('< Echo: before');
    const conversationId = await conversationOf(chat);

    await server.command('site', 'set', 'shop', '--trusted-origin', 'https://elsewhere.example');
    await say(shop, conversationId, 'dl_bea', 'not for that page');
    await until('the bot to have answered', async () => lines(await history(shop, conversationId)).includes('< Echo: not for that page'));
    await chat.type('after');
    await until('the send to be refused', async () => (await chat.activities()).some(a => a.text === 'after' && a.channelData?.['webchat:send-status'] !== 'sent'));
    await sleep(1_000);
    assert.ok(!(await chat.lines()).some(line => line.includes('not for that page')));
    assert.ok(!lines(await history(shop, conversationId)).includes('> after'));

    await server.command('site', 'set', 'shop', '--trusted-origin', site.origin);
    await chat.page.reload();
    await chat.sees('< Echo: not for that page');
  });

  describe('the stock client in Node, which has no origin', () => {
    // A server of its own, whose certificate Node need not trust; the switch stands in its configuration.
    let server, shop;
    before(async () => {
      server = shop = await Landline.start({ bot, site: { enhanced_authentication: true, trusted_origins: ['https://www.example.org'] } });
    });
    after(() => server?.stop());

    for (const transport of ['websocket', 'polling']) {
      it(`${transport}: chats, refreshes and comes back after a kill, as the user of its token`, async () => {
        const { token } = await generateToken(shop, { user: ANNA, trustedOrigins: ['https://read.over.example'] });
        const client = new Client({ transport, token, domain: shop.domain, userId: 'somebody-else' });
        await client.online();
        assert.notEqual(await client.say('hello'), 'retry');
        await client.sees('< Echo: hello');
        const refreshed = await call('POST', `${shop.domain}/tokens/refresh`, client.line.token);
        assert.equal(refreshed.status, 200);
        if (transport === 'websocket') {
          await server.kill();
          await server.launch();
        }
        await until('a send that is taken', async () => (await client.say('again')) !== 'retry', RECONNECT);
        await client.sees('< Echo: again', RECONNECT);
        const log = await history(shop, client.conversationId);
        assert.ok(lines(log).includes('< Welcome, dl_anna!'));
        assert.ok(log.filter(a => a.from.role === 'user').every(a => a.from.id === ANNA.id), 'the user of the token wins');
        client.end();
      });
    }

    it('with a token without a user it does not come in', async () => {
      const { token } = await generateToken(shop, {});
      const refused = await call('POST', `${shop.domain}/conversations`, token, { user: ANNA });
      assert.deepEqual([refused.status, refused.body.error.code], [400, 'MissingProperty']);
      const client = new Client({ token, domain: shop.domain, userId: ANNA.id });
      await until('the client to give up', () => client.status === 'FailedToConnect');
      client.end();
    });

    it('with the secret it says who it is, with dl_ in front', async () => {
      const started = await call('POST', `${shop.domain}/conversations`, shop.secret, { user: ANNA });
      assert.equal(started.status, 201);
      assert.equal((await post(shop, started.body.conversationId, { type: 'message', from: { id: 'anna' }, text: 'no' })).status, 400);
      await say(shop, started.body.conversationId, 'dl_bea', 'yes');
    });
  });
});
