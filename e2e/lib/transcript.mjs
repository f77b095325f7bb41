// What a reader saw, and the claims about it: every activity once, in one order.

import assert from 'node:assert/strict';

const mine = activity => activity.from?.role !== 'bot';

/** Messages as lines: `> hello` from a user, `< Echo: hello` from the bot. */
export const lines = activities =>
  activities.filter(a => a.type === 'message').map(a => `${mine(a) ? '>' : '<'} ${a.text ?? ''}`.trimEnd());

/** `> hello`, `< Echo: hello` for each text. */
export const echoed = texts => texts.flatMap(text => [`> ${text}`, `< Echo: ${text}`]);

/** What stands when each id is what was said of it last: a replacement is in the old place, of what was deleted nothing is left. */
export function asItStands(activities) {
  const standing = new Map();
  for (const activity of activities.filter(a => a.type !== 'typing')) {
    if (activity.type === 'messageDelete') standing.delete(activity.id);
    else standing.set(activity.id, activity);
  }
  return [...standing.values()];
}

const position = id => {
  const match = /\|(\d{7,})$/.exec(id);
  assert.ok(match, `activity id ${id} has no position`);
  return Number(match[1]);
};

/** No activity twice, and positions only ever grow. Typing is not part of the log, so it does not count. */
export function assertOnceInOrder(activities, who) {
  const ids = activities.filter(a => a.type !== 'typing').map(a => a.id);
  assert.equal(new Set(ids).size, ids.length, `${who} saw an activity twice: ${ids}`);
  const positions = ids.map(position);
  assert.deepEqual(positions, [...positions].sort((a, b) => a - b), `${who} saw activities out of order`);
}

/** `seen` is the log from its beginning: every activity of `log` once, in its order, with the same content. */
export function assertSameAsLog(seen, log, who) {
  assertOnceInOrder(seen, who);
  const stored = seen.filter(a => a.type !== 'typing');
  assert.deepEqual(lines(stored), lines(log), `${who} saw other messages than the log has`);
  assert.deepEqual(stored, log, `${who} saw other content than the log has`);
}

/**
 * Each activity once, where a repeat is like the first. DirectLineJS opens another line at each change of its status and
 * keeps the old one for a moment, so it hands out twice what both deliver; no server can prevent that.
 */
export function withoutRepeats(activities) {
  const byId = new Map();
  for (const activity of activities) {
    if (byId.has(activity.id)) assert.deepEqual(activity, byId.get(activity.id));
    else byId.set(activity.id, activity);
  }
  return [...byId.values()];
}

/** Each text was said once, and its echo came once, after it. Nothing is claimed about the order of sends that raced. */
export function assertEachEchoedOnce(activities, texts) {
  const seen = lines(activities);
  for (const text of texts) {
    const said = seen.flatMap((line, i) => (line === `> ${text}` ? [i] : []));
    const echoes = seen.flatMap((line, i) => (line === `< Echo: ${text}` ? [i] : []));
    assert.equal(said.length, 1, `"${text}" is there ${said.length} times`);
    assert.equal(echoes.length, 1, `the echo of "${text}" is there ${echoes.length} times`);
    assert.ok(said[0] < echoes[0], `the echo of "${text}" came before it`);
  }
}
