// Files to send, and what there is to say about them.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { e2e } from './paths.mjs';

const file = (name, type, bytes) => ({ name, type, bytes });

/** The two pictures that the feature bots have. */
export const picture = file('picture.png', 'image/png', readFileSync(join(e2e, 'bots/picture.png')));
export const thumbnail = file('thumbnail.png', 'image/png', readFileSync(join(e2e, 'bots/thumbnail.png')));

export const textFile = file('notes.txt', 'text/plain', Buffer.from('Zwölf Boxkämpfer\r\njagen 你好\n'));

/** Every byte there is, some that end a part of a form, and a name that wants escaping everywhere. */
export const oddFile = file('Prüfung "Größe" 100% & mehr.bin', 'application/octet-stream', Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from('\r\n------WebKitFormBoundary--\r\n'), randomBytes(200_000)
]));

/** As the feature bots say it. */
export const measured = bytes => ({ sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length });

/** As a `data:` URI, which is how Web Chat sends the thumbnail of an image. */
export const dataUri = ({ type, bytes }) => `data:${type};base64,${bytes.toString('base64')}`;

/** Gets what is at a link, as anybody does who has nothing but the link. */
export async function fetched(url, options) {
  const response = await fetch(url, { signal: AbortSignal.timeout(25_000), ...options });
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

/**
 * Where a page keeps what its visitor chose: DirectLineJS reads each file from a URL (in a browser, `blob:`) before it sends it.
 * Gives `{ attachment(file), close }`.
 */
export async function startShelf() {
  const shelved = [];
  const http = createServer((request, response) => {
    const found = shelved[request.url.slice(1)];
    response.writeHead(found ? 200 : 404).end(found?.bytes);
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    attachment(file, more) {
      const contentUrl = `http://127.0.0.1:${http.address().port}/${shelved.push(file) - 1}`;
      return { name: file.name, contentType: file.type, contentUrl, ...more };
    },
    close() {
      http.close();
      http.closeAllConnections();
    }
  };
}

/** Files in a folder, for a file chooser; gives `{ paths, remove }`. */
export async function onDisk(files) {
  const folder = await mkdtemp(join(tmpdir(), 'landline-files-'));
  const paths = files.map(({ name }) => join(folder, name));
  await Promise.all(files.map(({ bytes }, i) => writeFile(paths[i], bytes)));
  return { paths, remove: () => rm(folder, { recursive: true, force: true }) };
}
