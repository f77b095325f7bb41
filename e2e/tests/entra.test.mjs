// Bots that stay registered with Microsoft: tokens of Entra ID in both directions. Entra ID is a stub (lib/entra.mjs), the bots are stock.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { call, history } from '../lib/api.mjs';
import { startBot } from '../lib/bots.mjs';
import { freePort } from '../lib/child.mjs';
import { endClients } from '../lib/directline.mjs';
import { Entra } from '../lib/entra.mjs';
import { Landline, newSecret } from '../lib/landline.mjs';
import { connect } from '../lib/suites/directline.mjs';
import { assertSameAsLog, echoed, lines } from '../lib/transcript.mjs';

const CHANNEL = 'https://api.botframework.com';

/** The settings of a bot in Azure, but that its Entra ID is elsewhere. */
const inAzure = {
  'botbuilder-js': (entra, appId) => ({
    MicrosoftAppType: 'UserAssignedMsi', MicrosoftAppId: appId, MicrosoftAppTenantId: 'botframework.com', ValidateAuthority: 'true',
    ToChannelFromBotLoginUrl: `${entra.origin}/botframework.com`, ToChannelFromBotOAuthScope: CHANNEL, ToBotFromChannelTokenIssuer: CHANNEL,
    ToBotFromChannelOpenIdMetadataUrl: 'http://127.0.0.1:9/nobody', ToBotFromEmulatorOpenIdMetadataUrl: entra.metadata,
    OAuthUrl: entra.origin, CallerId: 'urn:botframework:azure'
  }),
  'botbuilder-python': (entra, appId) => ({
    APP_TYPE: 'UserAssignedMsi', APP_ID: appId, APP_TENANTID: 'botframework.com', VALIDATE_AUTHORITY: 'true',
    TO_CHANNEL_FROM_BOT_LOGIN_URL: `${entra.origin}/botframework.com`, TO_CHANNEL_FROM_BOT_OAUTH_SCOPE: CHANNEL, TO_BOT_FROM_CHANNEL_TOKEN_ISSUER: CHANNEL,
    TO_BOT_FROM_CHANNEL_OPENID_METADATA_URL: 'http://127.0.0.1:9/nobody', TO_BOT_FROM_EMULATOR_OPENID_METADATA_URL: entra.metadata,
    OAUTH_URL: entra.origin, CALLER_ID: 'urn:botframework:azure'
  }),
  'agents-js': (entra, appId) => ({
    Connections__serviceConnection__Settings__authType: 'UserManagedIdentity',
    Connections__serviceConnection__Settings__clientId: appId,
    Connections__serviceConnection__Settings__tenantId: 'botframework.com',
    Connections__serviceConnection__Settings__authorityEndpoint: entra.origin,
    Connections__serviceConnection__Settings__issuers: entra.issuer,
    Connections__serviceConnection__Settings__validateIssuer: 'true',
    ConnectionsMap__0__serviceUrl: '*',
    ConnectionsMap__0__connection: 'serviceConnection'
  }),
  'agents-python': (entra, appId) => ({
    CONNECTIONS__SERVICE_CONNECTION__SETTINGS__AUTHTYPE: 'UserManagedIdentity',
    CONNECTIONS__SERVICE_CONNECTION__SETTINGS__CLIENTID: appId,
    CONNECTIONS__SERVICE_CONNECTION__SETTINGS__TENANTID: 'botframework.com',
    CONNECTIONS__SERVICE_CONNECTION__SETTINGS__ISSUERS: entra.issuer,
    CONNECTIONS__SERVICE_CONNECTION__SETTINGS__VALIDATE_ISSUER: 'true',
    LANDLINE_ISSUER: entra.issuer,
    LANDLINE_KEYS_URL: entra.keys
  })
};

describe('with Entra ID', { timeout: 120_000 }, () => {
  const env = {}, bots = [], appIds = {}, passwords = {};
  let entra;
  before(async () => {
    for (const kind of Object.keys(inAzure)) {
      appIds[kind] = randomUUID();
      passwords[kind] = newSecret();
    }
    entra = await Entra.start({ clients: Object.fromEntries(Object.keys(inAzure).map(kind => [appIds[kind], passwords[kind]])) });
    env.server = await Landline.prepare();
    const configured = { bots: {}, sites: {} };
    for (const kind of Object.keys(inAzure)) {
      const port = await freePort();
      const variable = `BOT_PASSWORD_${kind.toUpperCase().replaceAll('-', '_')}`;
      env.server.env[variable] = passwords[kind];
      // No credential of Landline's: its own keys have no part in this.
      configured.bots[kind] = {
        endpoint: `http://127.0.0.1:${port}/api/messages`, app_id: appIds[kind],
        outgoing: { client_secret_env: variable, token_url: entra.tokenUrl }
      };
      configured.sites[kind] = { bot: kind };
      const settings = { ...inAzure[kind](entra, appIds[kind]), IDENTITY_ENDPOINT: entra.identityEndpoint, IDENTITY_HEADER: passwords[kind] };
      bots.push(await startBot(kind, { port, settings }));
    }
    const trusted = `trusted_issuers.entra.issuers = [${JSON.stringify(entra.issuer)}]\ntrusted_issuers.entra.openid_metadata_url = "${entra.metadata}"\n`;
    await env.server.configure({ ...configured, more: trusted });
    await env.server.launch();
  });
  after(async () => {
    endClients();
    await env.server?.stop();
    for (const bot of bots) await bot.stop();
    entra?.stop();
  });

  for (const kind of Object.keys(inAzure)) {
    it(`${kind} is shown a token fetched with its own secret, as the Emulator does, and answers with one of Entra ID`, async () => {
      const side = { server: env.server.at(kind) };
      const client = await connect(side, { transport: 'websocket', credential: 'token' }, { userId: 'emma' });
      for (const text of ['one', 'two']) {
        assert.notEqual(await client.say(text), 'retry');
        await client.sees(`< Echo: ${text}`);
      }
      const log = await history(side.server, client.conversationId);
      assert.deepEqual(lines(log), ['< Welcome, emma!', ...echoed(['one', 'two'])]);
      assertSameAsLog(client.seen, log, 'the client');
      client.end();
    });
  }

  it('asks Entra ID once for each token, and for the keys', () => {
    const asked = path => entra.asked.filter(request => request.startsWith(path)).length;
    assert.equal(asked(`POST ${new URL(entra.tokenUrl).pathname}`), 4);
    assert.ok(asked('GET /msi/token') <= 8, entra.asked.join('\n'));
    assert.ok(asked('GET /v1/.well-known/keys') <= 5, entra.asked.join('\n'));
  });

  it('a token of Entra ID for an app id of nobody, or for another audience, is refused', async () => {
    const ask = claims => call('GET', `${env.server.origin}/connector/v3/conversations`, entra.token(claims));
    const appId = appIds['botbuilder-js'];
    const good = { aud: CHANNEL, azp: appId, appid: appId, ver: '2.0' };
    assert.equal((await ask(good)).status, 200);
    const nobody = randomUUID();
    assert.equal((await ask({ ...good, azp: nobody, appid: nobody })).status, 403);
    assert.equal((await ask({ ...good, aud: 'https://graph.microsoft.com' })).status, 401);
    assert.equal((await ask({ ...good, iss: 'https://sts.windows.net/elsewhere/' })).status, 401);
  });
});
