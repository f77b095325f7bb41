// The page of `landline demo`: stock Web Chat, over Direct Line, with its conversation kept over a reload.
'use strict';

const KEY = 'landline-demo';
const state = document.getElementById('state');

/** `{ conversationId, userId }` from before a reload, or from the tab that opened this one. */
function before() {
  const handed = new URLSearchParams(location.hash.slice(1));
  if (handed.has('conversationId')) {
    // Out of the address bar: who reloads a copy of it should not end up in another's conversation by accident.
    history.replaceState(null, '', '/');
    return Object.fromEntries(handed);
  }
  return JSON.parse(sessionStorage.getItem(KEY) || '{}');
}

async function fetchToken(known) {
  const response = await fetch('/demo/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(known)
  });
  // The data of the demo was thrown away since: begin anew.
  if (response.status === 404 && known.conversationId) return fetchToken({ userId: known.userId });
  if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
  return { ...(await response.json()), resumed: Boolean(known.conversationId) };
}

function show(words, kind) {
  state.textContent = words;
  state.className = kind;
}

const STATES = {
  0: ['not started', ''],
  1: ['connecting…', ''],
  2: ['connected', 'online'],
  3: ['the token has expired, reload the page', 'offline'],
  4: ['cannot connect, reload the page', 'offline'],
  5: ['the conversation has ended', 'offline']
};

async function main() {
  const { conversationId, token, userId, resumed } = await fetchToken(before());
  sessionStorage.setItem(KEY, JSON.stringify({ conversationId, userId }));
  document.getElementById('conversation').textContent = conversationId;
  document.getElementById('second').onclick = () => {
    open(`/#${new URLSearchParams({ conversationId, userId })}`, '_blank', 'noopener');
  };

  const directLine = window.WebChat.createDirectLine({
    domain: `${location.origin}/v3/directline`,
    token,
    // With its id, the client rejoins the conversation and gets its history; without, it starts it.
    ...(resumed ? { conversationId } : {})
  });
  directLine.connectionStatus$.subscribe(status => show(...STATES[status]));

  window.WebChat.renderWebChat(
    {
      directLine,
      userID: userId,
      styleOptions: {
        accent: '#0b5cab',
        bubbleBackground: '#f3f5f8',
        bubbleBorderRadius: 8,
        bubbleFromUserBackground: '#0b5cab',
        bubbleFromUserBorderRadius: 8,
        bubbleFromUserTextColor: '#fff',
        hideUploadButton: true,
        primaryFont: 'system-ui, sans-serif'
      }
    },
    document.getElementById('webchat')
  );
}

document.getElementById('fresh').onclick = () => {
  sessionStorage.removeItem(KEY);
  location.reload();
};

main().catch(error => show(String(error.message || error), 'offline'));
