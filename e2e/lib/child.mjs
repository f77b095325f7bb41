// Child processes of a test: started with a log file each, ended with the test process whatever happens.

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { artifacts } from './paths.mjs';
import { within } from './wait.mjs';

const alive = new Set();
process.on('exit', () => {
  for (const child of alive) child.signal('SIGKILL');
});

/** A port that was free a moment ago; the server under test needs the same one again after a restart. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export class Child {
  /**
   * Output goes to `artifacts/logs/NAME.log`; `stdout` keeps what was printed there, for banners and URLs.
   * With `group` it is ended together with what it started: for shells.
   */
  constructor(name, command, args, env, { cwd, group = false } = {}) {
    this.name = name;
    this.stdout = '';
    this.group = group;
    this.process = spawn(command, args, { env: { ...process.env, ...env }, cwd, detached: group, stdio: ['ignore', 'pipe', 'pipe'] });
    this.gone = new Promise(resolve => {
      this.process.once('exit', (code, signal) => resolve({ code, signal }));
      this.process.once('error', error => resolve({ error }));
    });
    alive.add(this);
    this.gone.then(() => alive.delete(this));

    const logs = join(artifacts, 'logs');
    mkdirSync(logs, { recursive: true });
    const log = createWriteStream(join(logs, `${name}.log`), { flags: 'a' });
    this.process.stdout.on('data', data => {
      this.stdout += data;
      log.write(data);
    });
    this.process.stderr.pipe(log, { end: false });
    this.gone.then(end => log.write(`--- ended: ${JSON.stringify(end)}\n`));
  }

  /** Waits for a line on stdout; fails at once when the process ends instead. */
  async printed(pattern, timeout = 30_000) {
    const seen = new Promise(resolve => {
      const look = () => {
        const match = this.stdout.match(pattern);
        if (match) {
          this.process.stdout.off('data', look);
          resolve(match);
        }
      };
      this.process.stdout.on('data', look);
      look();
    });
    const died = this.gone.then(end => {
      throw new Error(`${this.name} ended before it printed ${pattern}: ${JSON.stringify(end)}; see its log`);
    });
    return within(timeout, `${this.name} printing ${pattern}`, Promise.race([seen, died]));
  }

  signal(signal) {
    if (!this.group) return this.process.kill(signal);
    try {
      process.kill(-this.process.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error; // all of them are gone
    }
  }

  /** Sends the signal and gives how the process ended. */
  async end(signal = 'SIGTERM', timeout = 10_000) {
    this.signal(signal);
    try {
      return await within(timeout, `the end of ${this.name} by ${signal}`, this.gone);
    } catch (error) {
      this.signal('SIGKILL');
      throw error;
    }
  }
}
