// The web site that has Web Chat on it: the page, Web Chat's own bundle, and the only place that knows the secret.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { e2e } from './paths.mjs';
import { generateToken } from './api.mjs';

const files = {
  '/': ['text/html; charset=utf-8', 'site/index.html'],
  '/webchat.js': ['text/javascript; charset=utf-8', 'node_modules/botframework-webchat/dist/webchat-es5.js']
};

/**
 * Gives `{ origin, close }`. `user` is whom the page's visitor is taken for; `issue` gets them a token, for an existing
 * conversation where one is named.
 */
export async function startSite(server, user, issue = conversationId => generateToken(server, { user, ...(conversationId && { conversationId }) })) {
  const http = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://site');
    try {
      if (request.method === 'POST' && url.pathname === '/token') {
        const answer = await issue(url.searchParams.get('conversationId'));
        return response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(answer));
      }
      const file = files[url.pathname];
      if (!file) return response.writeHead(404).end();
      response.writeHead(200, { 'content-type': file[0] }).end(await readFile(join(e2e, file[1])));
    } catch (error) {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
    }
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    origin: `http://127.0.0.1:${http.address().port}`,
    close() {
      http.close();
      http.closeAllConnections();
    }
  };
}
