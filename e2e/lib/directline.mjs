// The stock client, `botframework-directlinejs`, in Node. It expects a browser's XMLHttpRequest and WebSocket;
// those two globals are all that is added to it.

import assert from 'node:assert/strict';
import http from 'node:http';
import { createRequire } from 'node:module';
import WebSocket from 'ws';
import { until, within } from './wait.mjs';
import { lines } from './transcript.mjs';

const require = createRequire(import.meta.url);
const { XMLHttpRequest } = require('xhr2');

// Six connections to a host, kept open: what browsers do.
XMLHttpRequest.nodejsSet({ httpAgent: new http.Agent({ keepAlive: true, maxSockets: 6 }) });
/** `xhr2` sends no forms, as browsers do; the form is written out by Node's own `fetch`. */
class FormSendingRequest extends XMLHttpRequest {
  send(body) {
    if (!(body instanceof FormData)) return super.send(body);
    const form = new Response(body);
    form.arrayBuffer().then(bytes => {
      this.setRequestHeader('content-type', form.headers.get('content-type'));
      super.send(Buffer.from(bytes));
    });
  }
}
globalThis.XMLHttpRequest = FormSendingRequest;
globalThis.WebSocket = WebSocket;

const { ConnectionStatus, DirectLine } = require('botframework-directlinejs');
// The RxJS that DirectLineJS itself uses; its `ajax` is there once DirectLineJS is loaded.
const { Observable } = createRequire(require.resolve('botframework-directlinejs'))('rxjs/Observable');

/** How a client may be connected. */
export const modes = [
  { transport: 'websocket', credential: 'token' },
  { transport: 'websocket', credential: 'secret' },
  { transport: 'polling', credential: 'token' },
  { transport: 'polling', credential: 'secret' }
];

const open = new Set();

/** Ends every client still open: a failed test leaves its own behind, and their timers would keep the process alive. */
export function endClients() {
  for (const client of open) client.end();
}

/**
 * A DirectLine object and what came out of it: `handedOut` is what it gave to its user, `seen` what a claim about order is
 * made of. For a socket they are the same. DirectLineJS hands out the activities of a page one per timer tick; when a poll
 * took longer than the interval the next one follows at once, and two pages are mixed. No server can help that, so for
 * polling `seen` is what the pages brought, in the order in which the client got them.
 */
export class Client {
  /**
   * `options` are DirectLineJS's own: `{ token | secret, domain, conversationId… }`.
   * `userId` is who speaks; for a secret it is also told to the server at the start.
   */
  constructor({ transport = 'websocket', userId, ...options }) {
    open.add(this);
    this.userId = userId;
    this.handedOut = [];
    this.seen = transport === 'websocket' ? this.handedOut : [];
    this.statuses = [];
    this.failures = [];
    this.line = new DirectLine({
      webSocket: transport === 'websocket',
      pollingInterval: 500, // half the default, to keep the tests short
      ajax: request => Observable.ajax(request).do(({ response }) => {
        if (request.method === 'GET' && response?.activities) this.seen.push(...response.activities);
      }),
      ...options
    });
    if (options.secret && !options.conversationId) this.line.setUserId(userId);
    this.line.connectionStatus$.subscribe(status => this.statuses.push(ConnectionStatus[status]));
    this.subscription = this.line.activity$.subscribe(
      activity => this.handedOut.push(activity),
      error => this.failures.push(error)
    );
  }

  get conversationId() {
    return this.line.conversationId;
  }

  get status() {
    return this.statuses.at(-1);
  }

  lines() {
    return lines(this.seen);
  }

  online() {
    return until('the client to be online', () => this.status === 'Online');
  }

  /** What was handed out is what came in: each once, whatever the order (see above). */
  async handsOutWhatItSaw() {
    const ids = activities => activities.map(a => a.id).sort();
    await until('everything to be handed out', () => this.handedOut.length >= this.seen.length);
    assert.deepEqual(ids(this.handedOut), ids(this.seen));
  }

  /** Gives the id, or what the stock client gives for a failure that may be tried again: `"retry"`. */
  post(activity) {
    const answer = new Promise((resolve, reject) => {
      this.line.postActivity({ from: { id: this.userId }, ...activity }).subscribe(resolve, reject);
    });
    return within(25_000, `posting ${JSON.stringify(activity)}`, answer);
  }

  say(text) {
    return this.post({ type: 'message', text });
  }

  /** Waits until `line` (`< Echo: hello`) has been seen. */
  sees(line, options) {
    return until(`"${line}" (seen: ${this.userId})`, () => this.lines().includes(line), options);
  }

  seesActivity(what, matches, options) {
    return until(what, () => this.seen.find(matches), options);
  }

  end() {
    open.delete(this);
    this.subscription.unsubscribe();
    this.line.end();
  }
}
