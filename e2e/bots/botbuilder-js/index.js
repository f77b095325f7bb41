// The feature bot (see ../README.md) on `botbuilder`.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import express from 'express';
import {
  ActionTypes, ActivityHandler, ActivityTypes, CardFactory, CloudAdapter,
  ConfigurationBotFrameworkAuthentication, MessageFactory, TurnContext
} from 'botbuilder';

const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication(process.env));
adapter.onTurnError = async (_context, error) => {
  console.error(error);
  throw error;
};

const appId = process.env.MicrosoftAppId ?? '';
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const json = value => JSON.stringify(value, value !== null && typeof value === 'object' ? Object.keys(value).sort() : undefined);

const orderCard = () => MessageFactory.attachment(CardFactory.adaptiveCard({
  $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
  type: 'AdaptiveCard',
  version: '1.3',
  body: [
    { type: 'TextBlock', text: 'Place an order', weight: 'Bolder' },
    { type: 'Input.Text', id: 'name', placeholder: 'Your name' }
  ],
  actions: [{ type: 'Action.Submit', title: 'Send order', data: { kind: 'order' } }]
}));

const suggestions = () => MessageFactory.suggestedActions([
  { type: ActionTypes.ImBack, title: 'Red', value: 'red' },
  { type: ActionTypes.PostBack, title: 'Green', value: 'green' },
  { type: ActionTypes.MessageBack, title: 'Blue', text: 'blue', displayText: 'Blue, please', value: { colour: 'blue' } }
], 'Which one?');

async function speakLater(reference, count, pauseMs) {
  for (let i = 1; i <= count; i++) {
    await sleep(pauseMs);
    await adapter.continueConversationAsync(appId, reference, context => context.sendActivity(`Later ${i} of ${count}`));
  }
}

async function stream(context, count, pauseMs) {
  let text = '', streamId;
  for (let i = 1; i <= count; i++) {
    text += `${i > 1 ? ' ' : ''}Part ${i}`;
    const sent = await context.sendActivity({
      type: ActivityTypes.Typing, text, channelData: { streamType: 'streaming', streamSequence: i, ...(streamId && { streamId }) }
    });
    streamId ??= sent.id;
    await sleep(pauseMs);
  }
  await context.sendActivity({ type: ActivityTypes.Message, text, channelData: { streamType: 'final', streamId } });
}

const ids = members => members.map(member => member.id).sort().join(',');

/** Everything a conversation's members can be asked for: `members`, `member ID`, `paged SIZE`, `present`, `remove ID`. */
async function membersOf(context, command, argument) {
  const { conversations } = context.turnState.get(adapter.ConnectorClientKey);
  const { conversation: { id }, id: activityId } = context.activity;
  switch (command) {
    case 'members':
      return ids(await conversations.getConversationMembers(id));
    case 'member':
      return (await conversations.getConversationMember(id, argument)).id;
    case 'present':
      return ids(await conversations.getActivityMembers(id, activityId));
    case 'remove':
      await conversations.deleteConversationMember(id, argument);
      return `without ${argument}`;
    case 'paged': {
      const pages = [];
      let continuationToken;
      do {
        const page = await conversations.getConversationPagedMembers(id, { pageSize: Number(argument), continuationToken });
        pages.push(page.members.map(member => member.id).join(','));
        continuationToken = page.continuationToken;
      } while (continuationToken);
      return pages.join('|');
    }
  }
}

async function create(context, userId) {
  const { channelId, serviceUrl, recipient } = context.activity;
  const parameters = { isGroup: false, bot: recipient, members: [{ id: userId, name: userId }] };
  let created;
  await adapter.createConversationAsync(appId, channelId, serviceUrl, 'https://api.botframework.com', parameters, async there => {
    created = there.activity.conversation.id;
    await there.sendActivity(`Hello, ${userId}`);
  });
  return created;
}

async function conversationsOf(context) {
  const { conversations } = context.turnState.get(adapter.ConnectorClientKey);
  const found = [];
  let continuationToken;
  do {
    const page = await conversations.getConversations({ continuationToken });
    found.push(...page.conversations.map(conversation => conversation.id));
    continuationToken = page.continuationToken;
  } while (continuationToken);
  return found.sort().join(',');
}

const [picture, thumbnail] = ['picture.png', 'thumbnail.png'].map(name => readFileSync(new URL(`../${name}`, import.meta.url)));
const measured = bytes => ({ sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length });

/** Gets each file from where its link leads, and says what came. */
async function filesOf(attachments) {
  const files = [];
  for (const { name, contentType, contentUrl } of attachments) {
    const response = await fetch(contentUrl);
    if (!response.ok) throw new Error(`${contentUrl}: ${response.status}`);
    files.push({ contentType, name, ...measured(Buffer.from(await response.arrayBuffer())) });
  }
  return files;
}

/** Uploads a picture, shows it in every way there is, then says what the Connector knows of it. */
async function showPicture(context) {
  const connector = context.turnState.get(adapter.ConnectorClientKey);
  const { id } = await connector.conversations.uploadAttachment(context.activity.conversation.id, {
    name: 'picture.png', type: 'image/png', originalBase64: picture, thumbnailBase64: thumbnail
  });
  const view = name => `${connector.baseUri}${connector.baseUri.endsWith('/') ? '' : '/'}v3/attachments/${encodeURI(id)}/views/${name}`;
  const attachment = { name: 'picture.png', contentType: 'image/png', contentUrl: view('original') };
  const card = CardFactory.heroCard('A card with it', [view('original')]);
  await context.sendActivity({
    type: ActivityTypes.Message, text: 'A picture', attachments: [{ ...attachment, thumbnailUrl: view('thumbnail') }, attachment, card]
  });
  const { name, type, views } = await connector.attachments.getAttachmentInfo(id);
  const read = async viewId => measured(await buffer((await connector.attachments.getAttachment(id, viewId)).readableStreamBody));
  const kept = await Promise.all(views.map(async ({ viewId, size }) => ({ said: size, viewId, ...await read(viewId) })));
  await context.sendActivity(plain(`Kept: ${JSON.stringify({ name, type, views: kept })}`));
}

const inlinePicture = () => MessageFactory.contentUrl(`data:image/png;base64,${picture.toString('base64')}`, 'image/png', 'inline.png', 'Inline');

/** Names of files are no Markdown. */
const plain = text => ({ type: ActivityTypes.Message, text, textFormat: 'plain' });

async function answer(context) {
  const { text, value, channelData, attachments } = context.activity;
  if (attachments?.length > 0) return context.sendActivity(plain(`Files: ${JSON.stringify(await filesOf(attachments))}`));
  if (value !== undefined) {
    return context.sendActivity(text ? `Message back: ${text} ${json(value)}` : `Submitted: ${json(value)}`);
  }
  if (channelData?.postBack) return context.sendActivity(`Posted back: ${text}`);

  const [command, first, second] = (text ?? '').split(' ');
  switch (command) {
    case 'card':
      return context.sendActivity(orderCard());
    case 'suggest':
      return context.sendActivity(suggestions());
    case 'typing':
      await context.sendActivity({ type: ActivityTypes.Typing });
      await sleep(1000);
      return context.sendActivity('Done typing');
    case 'many':
      for (let i = 1; i <= Number(first); i++) await context.sendActivity(`${i} of ${first}`);
      return;
    case 'slow':
      await sleep(Number(first));
      return context.sendActivity(`Slow: ${first}`);
    case 'later':
      await context.sendActivity('Will speak');
      speakLater(TurnContext.getConversationReference(context.activity), Number(first), Number(second))
        .catch(error => console.error(error));
      return;
    case 'stream':
      return stream(context, Number(first), Number(second));
    case 'update': {
      const { id } = await context.sendActivity('Draft');
      await sleep(Number(first));
      await context.updateActivity({ ...MessageFactory.text('Fair copy'), id });
      return context.sendActivity('Updated');
    }
    case 'delete': {
      const { id } = await context.sendActivity('Soon gone');
      await sleep(Number(first));
      await context.deleteActivity(id);
      return context.sendActivity('Deleted');
    }
    case 'members':
    case 'member':
    case 'paged':
    case 'present':
    case 'remove':
      return context.sendActivity(`Members: ${await membersOf(context, command, first)}`);
    case 'create':
      return context.sendActivity(`Created: ${await create(context, first)}`);
    case 'list':
      return context.sendActivity(`Conversations: ${await conversationsOf(context)}`);
    case 'upload': {
      const { from, recipient, conversation, channelId } = context.activity;
      const past = (sender, said) => ({ type: ActivityTypes.Message, from: sender, conversation, channelId, text: said });
      await context.turnState.get(adapter.ConnectorClientKey).conversations.sendConversationHistory(
        conversation.id, { activities: [past(from, 'Old question'), past(recipient, 'Old answer')] });
      return context.sendActivity('Uploaded');
    }
    case 'picture':
      return showPicture(context);
    case 'inline':
      return context.sendActivity(inlinePicture());
    default:
      return context.sendActivity(`Echo: ${text}`);
  }
}

class FeatureBot extends ActivityHandler {
  constructor() {
    super();
    this.onMembersAdded(async (context, next) => {
      for (const member of context.activity.membersAdded ?? []) {
        if (member.id !== context.activity.recipient.id) await context.sendActivity(`Welcome, ${member.id}!`);
      }
      await next();
    });
    this.onMessage(async (context, next) => {
      await answer(context);
      await next();
    });
    this.onEvent(async (context, next) => {
      const { name, value } = context.activity;
      await context.sendActivity({ type: ActivityTypes.Event, name: `${name}.answer`, value });
      await context.sendActivity(`Event: ${name} ${json(value)}`);
      await next();
    });
  }

  async onInvokeActivity(context) {
    return { status: 200, body: { statusCode: 200, type: context.activity.name, value: context.activity.value } };
  }
}

const bot = new FeatureBot();
const app = express();
app.use(express.json());
app.post('/api/messages', (req, res) => adapter.process(req, res, context => bot.run(context)));
app.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listening'));
