// The server under test: the built binary, on ports and a data folder that outlive a kill.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, freePort } from './child.mjs';
import { binary } from './paths.mjs';
import { until } from './wait.mjs';

let started = 0;

export class Landline {
  /** `site` is added to `[sites.default]`: `{ token_lifetime: '5s' }`. */
  static async start({ bot, site = {} }) {
    const server = new Landline();
    server.name = `landline-${process.pid}-${++started}`;
    server.secret = randomBytes(32).toString('hex');
    server.folder = await mkdtemp(join(tmpdir(), 'landline-e2e-'));
    server.port = await freePort();
    server.adminPort = await freePort();
    server.origin = `http://127.0.0.1:${server.port}`;
    server.domain = `${server.origin}/v3/directline`;
    await writeFile(join(server.folder, 'landline.toml'), `
listen = "127.0.0.1:${server.port}"
admin = "127.0.0.1:${server.adminPort}"
data = "${join(server.folder, 'data')}"

[bots.main]
endpoint = "${bot.endpoint}"

[sites.default]
bot = "main"
secret_env = "LANDLINE_SECRET"
${Object.entries(site).map(([key, value]) => `${key} = ${JSON.stringify(value)}`).join('\n')}
`);
    await server.launch();
    return server;
  }

  /** Starts the process and waits until it says it is ready. */
  async launch() {
    this.child = new Child(this.name, binary, ['serve', '--config', join(this.folder, 'landline.toml')], { LANDLINE_SECRET: this.secret });
    const died = this.child.gone.then(end => {
      throw new Error(`${binary} ended while starting: ${JSON.stringify(end)}; see ${this.name}.log`);
    });
    const ready = until('readyz', async () => (await fetch(`http://127.0.0.1:${this.adminPort}/readyz`)).status === 200, { timeout: 20_000, every: 20 });
    await Promise.race([ready, died]);
  }

  /** `kill -9`: no farewell to clients, nothing flushed. */
  kill() {
    return this.child.end('SIGKILL');
  }

  /** SIGTERM; gives `{ code, signal }`. */
  terminate() {
    return this.child.end('SIGTERM', 20_000);
  }

  async stop() {
    await this.child.end('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}
