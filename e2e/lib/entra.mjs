// A stub of Microsoft Entra ID, for what must not depend on the internet: it signs tokens with a key of its own and publishes it.
// It hands tokens out in the two ways that stock bots use: client credentials, and App Service's managed identity.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';

/** The tenant of the Bot Framework; SDKs take tokens of this issuer for the Emulator's. */
export const EMULATOR_ISSUER = 'https://login.microsoftonline.com/d6d49420-f39b-4df7-a1dc-d59a935871db/v2.0';

const base64url = value => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export class Entra {
  /** `issuer` is what its tokens say; `clients` are `{ appId: secret }`, the secret being also the managed identity's header. */
  static async start({ issuer = EMULATOR_ISSUER, clients = {} } = {}) {
    const entra = new Entra();
    Object.assign(entra, { issuer, clients, asked: [], kid: randomBytes(8).toString('hex') });
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    entra.privateKey = privateKey;
    entra.jwk = { ...publicKey.export({ format: 'jwk' }), kid: entra.kid, use: 'sig', alg: 'RS256', endorsements: ['directline', 'webchat'] };
    entra.http = createServer((request, response) => entra.answer(request, response).catch(error => response.writeHead(500).end(String(error))));
    entra.http.listen(0, '127.0.0.1');
    await once(entra.http, 'listening');
    entra.origin = `http://127.0.0.1:${entra.http.address().port}`;
    entra.metadata = `${entra.origin}/v1/.well-known/openidconfiguration`;
    entra.keys = `${entra.origin}/v1/.well-known/keys`;
    entra.tokenUrl = `${entra.origin}/botframework.com/oauth2/v2.0/token`;
    entra.identityEndpoint = `${entra.origin}/msi/token`;
    return entra;
  }

  /** A signed token with these claims; issuer and times are added where they are not given. */
  token(claims, header = {}) {
    const now = Math.floor(Date.now() / 1000);
    const signed = `${base64url({ alg: 'RS256', typ: 'JWT', kid: this.kid, ...header })}.${base64url({ iss: this.issuer, nbf: now - 60, iat: now, exp: now + 3600, ...claims })}`;
    return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), this.privateKey).toString('base64url')}`;
  }

  async answer(request, response) {
    const url = new URL(request.url, this.origin);
    let body = '';
    for await (const chunk of request) body += chunk;
    const json = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const refused = () => json(401, { error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret provided.' });
    this.asked.push(`${request.method} ${request.url}`);

    if (/openid-?configuration$/.test(url.pathname)) return json(200, { issuer: this.issuer, jwks_uri: this.keys, id_token_signing_alg_values_supported: ['RS256'] });
    if (/\/keys$/.test(url.pathname)) return json(200, { keys: [this.jwk] });
    if (request.method === 'POST' && url.pathname.endsWith('/oauth2/v2.0/token')) {
      const form = new URLSearchParams(body);
      const appId = form.get('client_id');
      if (form.get('grant_type') !== 'client_credentials' || !this.clients[appId] || this.clients[appId] !== form.get('client_secret')) return refused();
      return json(200, { token_type: 'Bearer', expires_in: 3599, access_token: this.token({ aud: form.get('scope').replace(/\/\.default$/, ''), azp: appId, appid: appId, ver: '2.0' }) });
    }
    if (request.method === 'GET' && url.pathname === '/msi/token') {
      const appId = url.searchParams.get('client_id');
      if (!this.clients[appId] || this.clients[appId] !== request.headers['x-identity-header']) return refused();
      const resource = url.searchParams.get('resource').replace(/\/\.default$/, '');
      const expires = String(Math.floor(Date.now() / 1000) + 3600);
      return json(200, { access_token: this.token({ aud: resource, azp: appId, appid: appId, ver: '2.0' }), expires_on: expires, resource, token_type: 'Bearer', client_id: appId });
    }
    return json(404, { error: 'not_found' });
  }

  stop() {
    this.http.close();
    this.http.closeAllConnections();
  }
}
