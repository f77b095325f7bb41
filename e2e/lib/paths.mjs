// Where things lie. Everything a run writes is below `artifacts`, which git ignores.

import { fileURLToPath } from 'node:url';
import { join, resolve } from 'node:path';

export const e2e = fileURLToPath(new URL('..', import.meta.url));
export const artifacts = join(e2e, 'artifacts');
export const binary = resolve(process.env.LANDLINE_BIN ?? join(e2e, '../target/debug/landline'));
export const python = join(e2e, '.venv/bin/python');
export const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
