// The stock client, `botframework-directlinejs`, in Node. It expects a browser's XMLHttpRequest and WebSocket;
// those two globals are all that is added to it.

import http from 'node:http';
import { createRequire } from 'node:module';
import WebSocket from 'ws';
import { until, within } from './wait.mjs';
import { lines } from './transcript.mjs';

const require = createRequire(import.meta.url);
const { XMLHttpRequest } = require('xhr2');

// Six connections to a host, kept open: what browsers do.
XMLHttpRequest.nodejsSet({ httpAgent: new http.Agent({ keepAlive: true, maxSockets: 6 }) });
globalThis.XMLHttpRequest = XMLHttpRequest;
globalThis.WebSocket = WebSocket;

const { ConnectionStatus, DirectLine } = require('botframework-directlinejs');

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

export class Client {
  /**
   * `options` are DirectLineJS's own: `{ token | secret, domain, conversationId… }`.
   * `userId` is who speaks; for a secret it is also told to the server at the start.
   */
  constructor({ transport = 'websocket', userId, ...options }) {
    open.add(this);
    this.userId = userId;
    this.seen = [];
    this.statuses = [];
    this.failures = [];
    // Half the client's default interval, to keep the tests short. Not less: it hands out the activities of a page
    // one per timer tick, and mixes two pages when the second comes before the first is all handed out.
    this.line = new DirectLine({ webSocket: transport === 'websocket', pollingInterval: 500, ...options });
    if (options.secret && !options.conversationId) this.line.setUserId(userId);
    this.line.connectionStatus$.subscribe(status => this.statuses.push(ConnectionStatus[status]));
    this.subscription = this.line.activity$.subscribe(
      activity => this.seen.push(activity),
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
