// docs/bots.md, word for word: its commands are run, its code is the bot, and a stock client talks to that.
// Only ports are other ones, so that tests can run beside each other; and packages are those installed, not fetched anew.

import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { after, afterEach, before, describe, it } from 'node:test';
import { Child, freePort } from '../lib/child.mjs';
import { Client, endClients } from '../lib/directline.mjs';
import { sectionsOf } from '../lib/document.mjs';
import { binary, e2e, python } from '../lib/paths.mjs';
import { until } from '../lib/wait.mjs';

const run = promisify(execFile);
const document = join(e2e, '../docs/bots.md');

describe('docs/bots.md', { timeout: 180_000 }, () => {
  let sections, folder, ports, env, serving, script, started = 0;
  before(async () => {
    sections = await sectionsOf(document);
  });

  const section = title => sections.find(one => one.title === title) ?? assert.fail(`there is no section "${title}"`);
  const block = (title, info) => section(title).blocks.find(one => one.info === info)?.text ?? assert.fail(`"${title}" has no block "${info}"`);
  const here = text => text.replaceAll('3978', ports.bot).replaceAll('3000', ports.listen);
  const shell = text => new Child(`docs-${process.pid}-${++started}`, 'bash', ['-ec', here(text)], env, { cwd: folder, group: true });
  const once = async text => {
    const child = shell(text);
    const end = await child.gone;
    assert.deepEqual(end, { code: 0, signal: null }, `${text}\nsee ${child.name}.log`);
    return child.stdout;
  };

  /** A folder in which nothing has happened yet, with `landline serve` running in it as the document says. */
  const begin = async () => {
    folder = await mkdtemp(join(tmpdir(), 'landline-docs-'));
    ports = { bot: String(await freePort()), listen: String(await freePort()), admin: String(await freePort()) };
    const listening = `--listen 127.0.0.1:${ports.listen} --admin 127.0.0.1:${ports.admin}`;
    await writeFile(join(folder, 'landline'), `#!/bin/sh\n[ "$1" = serve ] && exec '${binary}' "$@" ${listening}\nexec '${binary}' "$@"\n`);
    await chmod(join(folder, 'landline'), 0o755);
    await symlink(join(e2e, 'node_modules'), join(folder, 'node_modules'));
    env = { PATH: [folder, dirname(python), dirname(process.execPath), process.env.PATH].join(delimiter) };
    serving = shell(block('Start Landline', 'sh serve'));
    await until('landline to be ready', async () => (await fetch(`http://127.0.0.1:${ports.admin}/readyz`)).status === 200);
  };
  afterEach(async () => {
    endClients();
    await script?.end('SIGKILL');
    await serving?.end('SIGKILL');
    script = serving = undefined;
    if (folder) await rm(folder, { recursive: true, force: true });
  });
  after(() => endClients());

  /** Runs what the document says to run, then talks to the bot through the site that it added. */
  const talks = async text => {
    script = shell(text);
    const [, secret] = await script.printed(/secret[\s\S]*?^\s+(\S{32,})$/m);
    const listening = () => new Promise((resolve, reject) => {
      const socket = createConnection({ port: Number(ports.bot), host: '127.0.0.1' }, () => resolve(socket.destroy()));
      socket.once('error', reject);
    });
    const died = script.gone.then(end => assert.fail(`${JSON.stringify(end)}; see ${script.name}.log`));
    await Promise.race([until('the bot to listen', listening), died]);
    const client = new Client({ secret, domain: `http://127.0.0.1:${ports.listen}/v3/directline`, userId: 'reader' });
    await client.online();
    assert.notEqual(await client.say('hello'), 'retry', `the bot does not take it; see ${script.name}.log`);
    await client.sees('< You said: hello');
    assert.deepEqual(client.lines(), ['> hello', '< You said: hello']);
  };

  for (const [title, file] of [
    ['botbuilder for JavaScript', 'js bot.mjs'],
    ['Agents SDK for JavaScript', 'js bot.mjs'],
    ['botbuilder for Python', 'python bot.py'],
    ['Agents SDK for Python', 'python bot.py']
  ]) {
    it(`${title}: the bot signs in and answers`, async () => {
      await begin();
      const installed = block(title, 'sh install').trim().split(/\s+/).slice(2);
      for (const name of installed) {
        if (file.startsWith('js')) await readFile(join(e2e, 'node_modules', name, 'package.json'));
        else await run(python, ['-c', `import importlib.metadata; importlib.metadata.version(${JSON.stringify(name)})`]);
      }
      await writeFile(join(folder, file.split(' ')[1]), block(title, file));
      await talks(block(title, 'sh run'));
      const settings = await readFile(join(folder, '.env'), 'utf8');
      assert.match(settings, /^IDENTITY_HEADER=\S{32,}$/m, 'it did sign in');
    });
  }

  it('without signing in: the bot answers', async () => {
    await begin();
    await writeFile(join(folder, 'bot.mjs'), block('botbuilder for JavaScript', 'js bot.mjs'));
    await talks(block('Without signing in', 'sh run anonymous'));
    assert.doesNotMatch(await readFile(join(folder, '.env'), 'utf8'), /^IDENTITY_HEADER=./m);
    await once('landline bot new-address echo');
  });

  it('Entra ID: the server takes the configuration and the command', async () => {
    await begin();
    await writeFile(join(folder, 'landline.toml'), block('With Microsoft Entra ID', 'toml'));
    await once('landline config check landline.toml');
    env.BOT_PASSWORD = 'Xyz8Q~a.password-of-Entra_ID';
    await once(block('With Microsoft Entra ID', 'sh'));
    assert.match(await once('landline bot show old'), /11111111-1111-1111-1111-111111111111/);
  });

  it('OAuth 2: the command gets a token', async () => {
    await begin();
    const { bot, credential } = JSON.parse(await once('landline bot add plain --endpoint http://127.0.0.1:3978/ --json'));
    Object.assign(env, { APP_ID: bot.appId, CREDENTIAL: credential });
    const answer = JSON.parse(await once(block('By OAuth 2, without an SDK', 'sh')));
    assert.equal(answer.token_type, 'Bearer');
    const response = await fetch(here('http://127.0.0.1:3000/connector/v3/conversations'), { headers: { authorization: `Bearer ${answer.access_token}` } });
    assert.equal(response.status, 200);
  });

  it('names commands that exist', async () => {
    const text = (await readFile(document, 'utf8')).replace(/^```[\s\S]*?^```/gm, '');
    const commands = [...text.matchAll(/`(landline [^`]+)`/g)].map(([, command]) => command.split(/\s+/).slice(1));
    assert.ok(commands.length > 5);
    for (const command of commands) await run(binary, [...command, '--help']);
  });

  it('names the versions that are tested', async () => {
    const text = await readFile(document, 'utf8');
    const { dependencies } = JSON.parse(await readFile(join(e2e, 'package.json'), 'utf8'));
    const requirements = Object.fromEntries((await readFile(join(e2e, 'requirements.txt'), 'utf8')).trim().split('\n').map(line => line.split('==')));
    for (const [name, version] of Object.entries({
      botbuilder: dependencies.botbuilder,
      '@microsoft/agents-hosting': dependencies['@microsoft/agents-hosting'],
      'botbuilder-integration-aiohttp': requirements['botbuilder-integration-aiohttp'],
      'microsoft-agents-hosting-aiohttp': requirements['microsoft-agents-hosting-aiohttp']
    })) assert.match(text, new RegExp(`\`${name}\` \\([^)]+\\) \\| ${version.replaceAll('.', '\\.')} \\|`));
  });
});
