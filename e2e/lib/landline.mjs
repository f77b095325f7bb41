// The server under test: the built binary, on ports and a data folder that outlive a kill.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Child, freePort } from './child.mjs';
import { artifacts, binary } from './paths.mjs';
import { until } from './wait.mjs';

let started = 0;

const toml = value => (value !== null && typeof value === 'object' && !Array.isArray(value)
  ? `{ ${Object.entries(value).map(([key, inner]) => `${key} = ${toml(inner)}`).join(', ')} }`
  : JSON.stringify(value));
const table = (name, entries) => `[${name}]\n${Object.entries(entries).map(([key, value]) => `${key} = ${toml(value)}\n`).join('')}`;

/** What opens a door: a token or a ticket with its signature, and what the server makes for operators and bots. */
const OPENS_A_DOOR = /eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{20,}|ll[abs]_[0-9A-Za-z]{49}/;

/** A secret as an operator makes one. */
export const newSecret = () => randomBytes(32).toString('hex');

export class Landline {
  /**
   * With `{ bot, site }`: one bot and one site, whose keys `site` adds to: `{ token_lifetime: '5s' }`.
   * With `{ bots, sites }`: the tables of the configuration by their names; each site gets a secret, see `at`.
   * `more` is put in front of all of it.
   */
  static async start(options) {
    const server = await Landline.prepare();
    await server.configure(options);
    await server.launch();
    return server;
  }

  /** Ports and a folder, no process yet: for who has to know the address before the configuration can be written. */
  static async prepare() {
    const server = new Landline();
    server.name = `landline-${process.pid}-${++started}`;
    server.folder = await mkdtemp(join(tmpdir(), 'landline-e2e-'));
    server.data = join(server.folder, 'data');
    server.port = await freePort();
    server.adminPort = await freePort();
    server.origin = `http://127.0.0.1:${server.port}`;
    server.domain = `${server.origin}/v3/directline`;
    server.env = {};
    server.secrets = {};
    return server;
  }

  /** A command of an operator on this server while it runs; gives what it prints on stdout. */
  async command(...args) {
    const { stdout } = await promisify(execFile)(binary, [...args, '--data', this.data], { env: { ...process.env, ...this.env } });
    return stdout;
  }

  /** Adds a site in front of `bot`, both being called the same, and gives the server as its owner sees it. */
  async addSite(bot) {
    this.secrets[bot] = JSON.parse(await this.command('site', 'add', bot, '--bot', bot, '--json')).secret;
    return this.at(bot);
  }

  async configure({ bot, site = {}, bots = { main: { endpoint: bot.endpoint } }, sites = { default: { bot: 'main', ...site } }, more = '' }) {
    const tables = Object.entries(bots).map(([name, entries]) => table(`bots.${name}`, entries));
    for (const [name, entries] of Object.entries(sites)) {
      const variable = `LANDLINE_SECRET_${name.toUpperCase().replaceAll('-', '_')}`;
      this.env[variable] = this.secrets[name] = newSecret();
      tables.push(table(`sites.${name}`, { ...entries, secret_env: variable }));
    }
    this.secret = this.secrets.default;
    await writeFile(join(this.folder, 'landline.toml'), [
      `listen = "127.0.0.1:${this.port}"\nadmin = "127.0.0.1:${this.adminPort}"\ndata = "${this.data}"\n${more}`, ...tables
    ].join('\n'));
  }

  /** The server as the owner of one of its sites sees it. */
  at(site) {
    return Object.assign(Object.create(this), { secret: this.secrets[site] });
  }

  /** Starts the process and waits until it says it is ready. */
  async launch() {
    this.child = new Child(this.name, binary, ['--log-level', 'debug', 'serve', '--config', join(this.folder, 'landline.toml')], this.env);
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
    await this.child?.end('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
    if (this.child) await this.hasToldNoSecret();
  }

  /** Whatever the test was about: nothing that opens a door stands in what the server has printed. */
  async hasToldNoSecret() {
    const path = join(artifacts, 'logs', `${this.name}.log`);
    const log = await until('the end of the log', async () => {
      const text = await readFile(path, 'utf8');
      return text.trimEnd().split('\n').at(-1).startsWith('--- ended') && text;
    });
    const secrets = Object.values(this.secrets);
    const told = log.split('\n').find(line => OPENS_A_DOOR.test(line) || secrets.some(secret => line.includes(secret)));
    if (told) throw new Error(`${this.name}.log holds what opens a door: ${told}`);
  }
}
