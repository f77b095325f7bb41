// Starting one of the four feature bots (bots/README.md), signed in or not.

import { join } from 'node:path';
import { Child, freePort } from './child.mjs';
import { e2e, python } from './paths.mjs';

const kinds = {
  'botbuilder-js': { command: [process.execPath, 'bots/botbuilder-js/index.js'] },
  'agents-js': { command: [process.execPath, 'bots/agents-js/index.js'] },
  'botbuilder-python': { command: [python, 'bots/botbuilder-python/app.py'] },
  // It wants to be told that nobody needs to sign in; the others see it from the missing app id.
  'agents-python': { command: [python, 'bots/agents-python/app.py'], signedOut: { CONNECTIONS__SERVICE_CONNECTION__SETTINGS__ANONYMOUS_ALLOWED: 'true' } }
};

export const botKinds = Object.keys(kinds);

let started = 0;

/**
 * Gives `{ endpoint, stop }` once the bot listens. `settings` are the environment variables that `landline bot settings`
 * prints; without them nobody signs in. `port` is for who had to know the endpoint before.
 */
export async function startBot(kind, { settings, port } = {}) {
  const { command: [command, script], signedOut } = kinds[kind];
  port ??= await freePort();
  const child = new Child(`bot-${kind}-${process.pid}-${++started}`, command, [join(e2e, script)], { ...(settings ?? signedOut), PORT: String(port) });
  await child.printed(/^listening/m);
  return {
    kind,
    endpoint: `http://127.0.0.1:${port}/api/messages`,
    stop: () => child.end('SIGKILL')
  };
}
