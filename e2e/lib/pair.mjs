// A stock bot twice on one server, each with a site of its own: signed in, and signed out.
// Both are added to the running server, and know what the command prints; nothing else is set for them.

import { startBot } from './bots.mjs';
import { freePort } from './child.mjs';
import { Landline } from './landline.mjs';

/** The variables of a `.env` file. */
export const dotenv = text => Object.fromEntries(text.split('\n').filter(line => /^\w+=/.test(line)).map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));

/** Adds a bot by the name `name` and starts it with the settings that were printed; gives `{ server, start }`: the
 * server as seen from its site, and how to start it,
 * with more in its environment where that is wanted. */
export async function addBot(server, kind, name, ...flags) {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}/api/messages`;
  const added = ['bot', 'add', name, '--endpoint', endpoint, ...flags];
  let printed;
  if (flags.includes('--anonymous')) {
    await server.command(...added);
    printed = await server.command('bot', 'settings', name, '--sdk', kind);
  } else {
    printed = await server.command(...added, '--sdk', kind);
  }
  const start = (more = {}) => startBot(kind, { port, settings: { ...dotenv(printed), ...more } });
  return { server: await server.addSite(name), start };
}

/**
 * Gives `{ server, signedIn, signedOut, stop }`; the two in the middle are the server as seen from the site of that bot.
 * Bots are told to reach the server at `localhost`: under another name the Agents SDKs download no files by http.
 */
export async function startPair(kind) {
  const server = await Landline.prepare();
  await server.configure({ bots: {}, sites: {}, more: `connector_url = "http://localhost:${server.port}"\n` });
  await server.launch();
  const inside = await addBot(server, kind, 'inside');
  const outside = await addBot(server, kind, 'outside', '--anonymous');
  const bots = await Promise.all([inside.start(), outside.start()]);
  return {
    server,
    signedIn: inside.server,
    signedOut: outside.server,
    async stop() {
      await server.stop();
      for (const bot of bots) await bot.stop();
    }
  };
}
