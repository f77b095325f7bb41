// Starting one of the three feature bots (bots/README.md).

import { join } from 'node:path';
import { Child, freePort } from './child.mjs';
import { e2e, python } from './paths.mjs';

const kinds = {
  'botbuilder-js': [process.execPath, 'bots/botbuilder-js/index.js'],
  'agents-js': [process.execPath, 'bots/agents-js/index.js'],
  'botbuilder-python': [python, 'bots/botbuilder-python/app.py']
};

export const botKinds = Object.keys(kinds);

let started = 0;

/** Gives `{ endpoint, stop }` once the bot listens. */
export async function startBot(kind) {
  const [command, script] = kinds[kind];
  const port = await freePort();
  const child = new Child(`bot-${kind}-${process.pid}-${++started}`, command, [join(e2e, script)], { PORT: String(port) });
  await child.printed(/^listening/m);
  return {
    kind,
    endpoint: `http://127.0.0.1:${port}/api/messages`,
    stop: () => child.end('SIGKILL')
  };
}
