// Plain calls of the Direct Line API: the operator who hands out tokens, and "another client" of a conversation.

import { setTimeout as sleep } from 'node:timers/promises';

/** Gives `{ status, headers, body }`; never throws for a status. */
export async function call(method, url, credential, body, headers = {}) {
  const response = await fetch(url, {
    method,
    headers: {
      ...(credential && { authorization: `Bearer ${credential}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(25_000)
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined };
}

async function ok(promise) {
  const answer = await promise;
  if (answer.status >= 300) throw new Error(`status ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** A token for a new conversation, or with `conversationId` for an existing one. */
export const generateToken = (server, options = {}) =>
  ok(call('POST', `${server.domain}/tokens/generate`, server.secret, options));

export const history = async (server, conversationId) => {
  const activities = [];
  let watermark = '';
  for (;;) {
    const page = await ok(call('GET', `${server.domain}/conversations/${conversationId}/activities?watermark=${watermark}`, server.secret));
    if (page.activities.length === 0) return activities;
    activities.push(...page.activities);
    watermark = page.watermark;
  }
};

export const post = (server, conversationId, activity) =>
  call('POST', `${server.domain}/conversations/${conversationId}/activities`, server.secret, activity);

export const message = (userId, text) => ({ type: 'message', from: { id: userId }, text });

/** Says it, and fails unless the server answers 200 with an id. */
export const say = async (server, conversationId, userId, text) =>
  (await ok(post(server, conversationId, message(userId, text)))).id;

/**
 * Says it as a careful client does: the same `clientActivityID` again until an answer comes.
 * Gives `{ id, attempts }`.
 */
export async function sayUntilAccepted(server, conversationId, userId, text, { timeout = 30_000 } = {}) {
  const activity = { ...message(userId, text), channelData: { clientActivityID: `${userId}-${text}` } };
  const end = Date.now() + timeout;
  for (let attempts = 1; ; attempts++) {
    const answer = await post(server, conversationId, activity).catch(error => ({ status: 0, body: String(error) }));
    if (answer.status === 200) return { id: answer.body.id, attempts };
    if (Date.now() > end) throw new Error(`"${text}" was not accepted: ${answer.status} ${JSON.stringify(answer.body)}`);
    await sleep(50);
  }
}
