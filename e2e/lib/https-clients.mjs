// Stock clients in a process of their own: whom Node believes (NODE_EXTRA_CA_CERTS) is read when it starts.
// Is told by one argument, `{ domain, admin, secret }` as JSON. Says `renew` when somebody is to exchange the certificate, and ends
// with 0 when everything was as it should be.

import assert from 'node:assert/strict';
import tls from 'node:tls';
import { generateToken, history } from './api.mjs';
import { endClients, modes } from './directline.mjs';
import { connect } from './suites/directline.mjs';
import { assertSameAsLog, echoed, lines } from './transcript.mjs';
import { until } from './wait.mjs';

const server = JSON.parse(process.argv[2]);
const { hostname, port } = new URL(server.domain);

/** By what the certificate is known that is shown now. */
const shown = () => new Promise((resolve, reject) => {
  const socket = tls.connect({ host: hostname, port: Number(port), servername: hostname }, () => {
    assert.ok(socket.authorized, String(socket.authorizationError));
    assert.match(socket.getProtocol(), /^TLSv1\.[23]$/);
    resolve(socket.getPeerCertificate().fingerprint256);
    socket.destroy();
  });
  socket.on('error', reject);
});

async function talk(mode, userId) {
  const client = await connect({ server }, mode, { userId });
  const texts = ['one', 'two', 'three'].map(text => `${text} of ${userId}`);
  for (const text of texts) assert.notEqual(await client.say(text), 'retry');
  await client.sees(`< Echo: ${texts[2]}`);
  await client.handsOutWhatItSaw();
  const log = await history(server, client.conversationId);
  assert.deepEqual(lines(log), [`< Welcome, ${userId}!`, ...echoed(texts)]);
  assertSameAsLog(client.seen, log, `${mode.transport}, ${mode.credential}`);
  return client;
}

for (const [index, mode] of modes.entries()) (await talk(mode, `anna-${index}`)).end();

const { token, conversationId } = await generateToken(server, { user: { id: 'url' } });
const started = await fetch(`${server.domain}/conversations`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
const { streamUrl } = await started.json();
assert.ok(streamUrl.startsWith(`wss://${hostname}:${port}/v3/directline/conversations/${conversationId}/stream?`), streamUrl);

const before = await shown();
const client = await talk(modes[0], 'stays');
console.log('renew');
await until('the new certificate', async () => await shown() !== before);
assert.notEqual(await client.say('on the line of before'), 'retry');
await client.sees('< Echo: on the line of before');
assert.deepEqual(client.statuses.filter(status => status !== 'Online'), ['Uninitialized', 'Connecting'], 'the line was cut');
await talk(modes[0], 'new');

endClients();
console.log('all is well');
process.exit(0);
