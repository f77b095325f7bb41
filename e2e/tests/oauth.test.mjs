// Tokens by OAuth 2 client credentials: for a bot without an SDK, and for the stock SDKs that can use this way, over https.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { call, generateToken, history } from '../lib/api.mjs';
import { startBot } from '../lib/bots.mjs';
import { freePort } from '../lib/child.mjs';
import { Client, endClients } from '../lib/directline.mjs';
import { Landline, newSecret } from '../lib/landline.mjs';
import { connect } from '../lib/suites/directline.mjs';
import { TlsFront } from '../lib/tls.mjs';
import { echoed, lines } from '../lib/transcript.mjs';

const SCOPE = 'https://api.botframework.com/.default';

describe('OAuth 2 client credentials, without an SDK', { timeout: 60_000 }, () => {
  const appId = randomUUID(), credential = newSecret();
  let bot, server, heard;
  before(async () => {
    heard = [];
    bot = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      heard.push({ authorization: request.headers.authorization, activity: JSON.parse(body) });
      response.writeHead(200).end();
    }).listen(0, '127.0.0.1');
    await once(bot, 'listening');
    server = await Landline.prepare();
    server.env.LANDLINE_BOT_CREDENTIAL = credential;
    await server.configure({
      bots: { plain: { endpoint: `http://127.0.0.1:${bot.address().port}/`, app_id: appId, credential_env: 'LANDLINE_BOT_CREDENTIAL' } },
      sites: { default: { bot: 'plain' } }
    });
    await server.launch();
  });
  after(async () => {
    endClients();
    await server?.stop();
    bot?.close();
    bot?.closeAllConnections();
  });

  /** By the metadata, as a library finds it. */
  const ask = async form => {
    const metadata = await call('GET', `${server.origin}/botframework.com/v2.0/.well-known/openid-configuration`);
    assert.equal(metadata.status, 200);
    const response = await fetch(metadata.body.token_endpoint, {
      method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', client_id: appId, client_secret: credential, scope: SCOPE, ...form })
    });
    return { status: response.status, cache: response.headers.get('cache-control'), body: await response.json() };
  };
  const tokenOf = async () => (await ask()).body.access_token;

  it('gives a token for the credential', async () => {
    const { status, cache, body } = await ask();
    assert.equal(status, 200);
    assert.equal(cache, 'no-store');
    assert.equal(body.token_type, 'Bearer');
    assert.ok(body.expires_in > 3000 && body.expires_in <= 3600, `expires_in: ${body.expires_in}`);
  });

  it('gives none for anything else', async () => {
    for (const [wrong, error] of [
      [{ client_secret: newSecret() }, 'invalid_client'],
      [{ client_id: randomUUID() }, 'invalid_client'],
      [{ grant_type: 'password' }, 'unsupported_grant_type']
    ]) {
      const { status, body } = await ask(wrong);
      assert.ok([400, 401].includes(status), `status ${status}`);
      assert.equal(body.error, error);
      assert.equal(body.access_token, undefined);
    }
  });

  it('opens the Connector: a conversation is begun and spoken in, a user joins and is heard', async () => {
    const token = await tokenOf();
    const connector = `${server.origin}/connector/v3/conversations`;
    const begun = await call('POST', connector, token, { bot: { id: 'plain' }, members: [{ id: 'otto', name: 'Otto' }], activity: { type: 'message', text: 'First' } });
    assert.equal(begun.status, 201, JSON.stringify(begun.body));
    const said = await call('POST', `${connector}/${begun.body.id}/activities`, token, { type: 'message', text: 'Second' });
    assert.equal(said.status, 200, JSON.stringify(said.body));

    const { token: visitor, conversationId } = await generateToken(server, { conversationId: begun.body.id, user: { id: 'otto' } });
    const client = new Client({ token: visitor, conversationId, domain: server.domain, userId: 'otto' });
    await client.sees('< Second');
    assert.deepEqual(client.lines(), ['< First', '< Second']);
    assert.equal(client.seen.at(-1).id, said.body.id);
    assert.notEqual(await client.say('hello'), 'retry');
    const { authorization, activity } = heard.find(({ activity }) => activity.text === 'hello');
    assert.match(authorization, /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
    assert.equal(activity.serviceUrl, `${server.origin}/connector/`);
    assert.deepEqual(lines(await history(server, conversationId)), ['< First', '< Second', '> hello']);
    client.end();
  });

  it('is not opened by what the bot is shown, nor by nothing', async () => {
    const shown = heard.at(-1).authorization.replace('Bearer ', '');
    assert.equal((await call('GET', `${server.origin}/connector/v3/conversations`, shown)).status, 401);
    assert.equal((await call('GET', `${server.origin}/connector/v3/conversations`)).status, 401);
  });
});

// MSAL wants https, and asks Microsoft about every authority that it does not know, unless it looks like an ADFS. So the tenant is called
// `adfs`, and Python's SDKs can be told their app id and password as they were in Azure. JavaScript's MSAL asks all the same.
describe('OAuth 2 client credentials, stock SDKs over https', { timeout: 60_000 }, () => {
  const CHANNEL = 'https://api.botframework.com';
  const settings = {
    'botbuilder-python': ({ origin }, appId, password) => ({
      APP_ID: appId, APP_PASSWORD: password, VALIDATE_AUTHORITY: 'true',
      TO_CHANNEL_FROM_BOT_LOGIN_URL: `${origin}/adfs`, TO_CHANNEL_FROM_BOT_OAUTH_SCOPE: CHANNEL, TO_BOT_FROM_CHANNEL_TOKEN_ISSUER: CHANNEL, OAUTH_URL: origin,
      TO_BOT_FROM_CHANNEL_OPENID_METADATA_URL: `${origin}/v1/.well-known/openidconfiguration`,
      TO_BOT_FROM_EMULATOR_OPENID_METADATA_URL: `${origin}/adfs/v2.0/.well-known/openid-configuration`, CALLER_ID: 'urn:botframework:azure'
    }),
    'agents-python': ({ origin }, appId, password) => ({
      CONNECTIONS__SERVICE_CONNECTION__SETTINGS__AUTHTYPE: 'ClientSecret',
      CONNECTIONS__SERVICE_CONNECTION__SETTINGS__CLIENTID: appId,
      CONNECTIONS__SERVICE_CONNECTION__SETTINGS__CLIENTSECRET: password,
      CONNECTIONS__SERVICE_CONNECTION__SETTINGS__TENANTID: 'adfs',
      CONNECTIONS__SERVICE_CONNECTION__SETTINGS__AUTHORITY: `${origin}/adfs`,
      CONNECTIONS__SERVICE_CONNECTION__SETTINGS__ISSUERS: CHANNEL,
      CONNECTIONS__SERVICE_CONNECTION__SETTINGS__VALIDATE_ISSUER: 'true',
      LANDLINE_ISSUER: CHANNEL, LANDLINE_KEYS_URL: `${origin}/v1/.well-known/keys`
    })
  };
  for (const [kind, settingsOf] of Object.entries(settings)) {
    it(`${kind} signs in with app id and password`, async () => {
      const appId = randomUUID(), password = newSecret(), port = await freePort();
      const server = await Landline.prepare();
      const front = await TlsFront.to(server.port);
      server.env.LANDLINE_BOT_CREDENTIAL = password;
      await server.configure({
        bots: { main: { endpoint: `http://127.0.0.1:${port}/api/messages`, app_id: appId, tenant: 'adfs', credential_env: 'LANDLINE_BOT_CREDENTIAL' } },
        sites: { default: { bot: 'main' } },
        more: `connector_url = "${front.origin}"\n`
      });
      await server.launch();
      const trust = { REQUESTS_CA_BUNDLE: front.authority, SSL_CERT_FILE: front.authority };
      const bot = await startBot(kind, { port, settings: { ...settingsOf(front, appId, password), ...trust } });
      try {
        const client = await connect({ server }, { transport: 'websocket', credential: 'token' }, { userId: 'paul' });
        assert.notEqual(await client.say('hello'), 'retry');
        await client.sees('< Echo: hello');
        assert.deepEqual(client.lines(), ['< Welcome, paul!', ...echoed(['hello'])]);
      } finally {
        endClients();
        await bot.stop();
        await server.stop();
        await front.stop();
      }
    });
  }
});
