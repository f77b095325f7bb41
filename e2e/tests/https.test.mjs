// https and wss of the server itself, with an authority of our own: stock clients in Node, stock bots in Node and Python, and a
// certificate that is exchanged while they talk.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Child } from '../lib/child.mjs';
import { Landline } from '../lib/landline.mjs';
import { addBot } from '../lib/pair.mjs';
import { e2e } from '../lib/paths.mjs';
import { makeCertificate } from '../lib/tls.mjs';
import { within } from '../lib/wait.mjs';

// Who they believe beside the authorities of the system, as each runtime is told.
const trusts = authority => ({ NODE_EXTRA_CA_CERTS: authority, SSL_CERT_FILE: authority, REQUESTS_CA_BUNDLE: authority });

describe('https and wss without a proxy', { timeout: 180_000 }, () => {
  const running = [];
  let folder, made, server;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'landline-https-'));
    made = await makeCertificate(folder);
    server = await Landline.prepare();
    server.origin = `https://localhost:${server.port}`;
    server.domain = `${server.origin}/v3/directline`;
    await server.configure({
      bots: {}, sites: {},
      more: `public_url = "${server.origin}"\n[tls]\ncertificate = "${made.certificate}"\nkey = "${made.key}"\n`
    });
    await server.launch();
  });
  after(async () => {
    for (const bot of running) await bot.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [kind, ...flags] of [['botbuilder-js'], ['agents-js', '--anonymous'], ['botbuilder-python'], ['agents-python', '--anonymous']]) {
    it(`DirectLineJS and ${kind}, ${flags.length ? 'signed out' : 'signed in'}, also across a renewal`, async () => {
      const bot = await addBot(server, kind, kind, ...flags);
      running.push(await bot.start(trusts(made.authority)));
      const told = JSON.stringify({ domain: server.domain, secret: bot.server.secret });
      const clients = new Child(`https-clients-${kind}`, process.execPath, [join(e2e, 'lib/https-clients.mjs'), told], trusts(made.authority));
      await clients.printed(/^renew$/m, 60_000);
      await makeCertificate(folder);
      server.child.signal('SIGHUP');
      assert.deepEqual(await within(60_000, 'the clients', clients.gone), { code: 0, signal: null }, `see https-clients-${kind}.log`);
      assert.match(clients.stdout, /^all is well$/m);
    });
  }

  it('a client that does not know the authority is not served, and one that speaks plain http is told so', async () => {
    await assert.rejects(fetch(server.domain), error => /certificate/i.test(`${error.cause?.code} ${error.cause?.message}`));
    const plain = await fetch(server.domain.replace('https:', 'http:'));
    assert.equal(plain.status, 400);
    assert.match((await plain.json()).error.message, /https:\/\//);
  });
});
