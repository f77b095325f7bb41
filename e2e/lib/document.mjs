// A document of this repository as a reader follows it: its sections, and the blocks that are to be copied.

import { readFile } from 'node:fs/promises';

/**
 * Gives `[{ title, blocks: [{ info, text }] }]`; `info` is what stands behind the fence. What comes before the first section of the
 * second level is a section without a title.
 */
export async function sectionsOf(path) {
  const sections = [{ title: undefined, blocks: [] }];
  let block;
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    if (block) {
      if (line === '```') block = undefined;
      else block.text += `${line}\n`;
    } else if (line.startsWith('```')) {
      block = { info: line.slice(3), text: '' };
      sections.at(-1).blocks.push(block);
    } else if (line.startsWith('## ')) {
      sections.push({ title: line.slice(3), blocks: [] });
    }
  }
  return sections;
}
