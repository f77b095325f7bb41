// A line between client and server that can be cut, stalled and held.
//
//   cut()      every connection is reset, new ones too, until open()
//   cutAfter() the newest connections are reset after that many more bytes to the client, in mid frame
//   stall()    connections stay, nothing moves, until open()
//   hold()     requests that have begun are finished, later ones wait; the server may die meanwhile and the client's
//              connections stay; open() sends what waited. This is what a listening socket that outlives
//              the server looks like to a client.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { sleep, until } from './wait.mjs';

const proxies = new Set();

/** Closes every proxy still open. */
export function closeProxies() {
  for (const proxy of proxies) proxy.close();
}

export class Proxy {
  static async to(port) {
    const proxy = new Proxy();
    proxies.add(proxy);
    proxy.target = port;
    proxy.mode = 'open';
    proxy.links = new Set();
    proxy.accepted = 0;
    proxy.server = createServer(client => proxy.accept(client));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.origin = `http://127.0.0.1:${proxy.server.address().port}`;
    proxy.domain = `${proxy.origin}/v3/directline`;
    return proxy;
  }

  accept(client) {
    this.accepted++;
    if (this.mode === 'cut') return client.resetAndDestroy();
    this.links.add(new Link(this, client));
  }

  cut() {
    this.mode = 'cut';
    for (const link of this.links) link.reset();
  }

  cutAfter(bytes) {
    for (const link of this.links) link.budget = bytes;
  }

  stall() {
    this.mode = 'stall';
  }

  async hold() {
    this.mode = 'hold';
    await until('requests under way to be answered', () => [...this.links].every(link => !link.waiting));
    await sleep(100); // the rest of an answer that came in several pieces
  }

  open() {
    this.mode = 'open';
    for (const link of this.links) link.flush();
  }

  close() {
    proxies.delete(this);
    this.mode = 'cut';
    for (const link of this.links) link.reset();
    this.server.close();
  }
}

class Link {
  constructor(proxy, client) {
    this.proxy = proxy;
    this.client = client;
    this.toServer = [];
    this.toClient = [];
    this.waiting = false;
    this.budget = Infinity;
    client.setNoDelay(true);
    client.on('data', data => {
      this.toServer.push(data);
      this.flush();
    });
    client.on('error', () => {});
    client.on('close', () => {
      proxy.links.delete(this);
      this.upstream?.destroy();
    });
  }

  flush() {
    const { mode } = this.proxy;
    if (mode !== 'stall') {
      for (const data of this.toClient.splice(0)) {
        this.client.write(data.subarray(0, this.budget));
        this.budget -= data.length;
        if (this.budget <= 0) return this.finish();
      }
    }
    if (mode === 'open') {
      for (const data of this.toServer.splice(0)) {
        this.upstream ??= this.reach();
        this.upstream.write(data);
        this.waiting = true;
      }
    }
  }

  reach() {
    const upstream = connect(this.proxy.target, '127.0.0.1');
    upstream.setNoDelay(true);
    upstream.on('data', data => {
      this.waiting = false;
      this.toClient.push(data);
      this.flush();
    });
    upstream.on('error', () => {});
    upstream.on('close', () => {
      if (this.upstream !== upstream) return;
      this.upstream = undefined;
      this.waiting = false;
      if (this.proxy.mode !== 'hold') this.client.end(); // what was written before still arrives
    });
    return upstream;
  }

  /** Lets what was written leave, then breaks the connection. */
  finish() {
    this.toClient = [];
    this.client.end();
    this.upstream?.destroy();
  }

  reset() {
    this.client.resetAndDestroy();
    this.upstream?.destroy();
  }
}
