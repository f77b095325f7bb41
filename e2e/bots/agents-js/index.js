// The feature bot (see ../README.md) on `@microsoft/agents-hosting`.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import express from 'express';
import { ActivityHandler, AttachmentDownloader, CardFactory, CloudAdapter, MessageFactory, authorizeJWT, loadAuthConfigFromEnv } from '@microsoft/agents-hosting';
import { ActionTypes, Activity, ActivityTypes } from '@microsoft/agents-activity';

const authConfig = loadAuthConfigFromEnv();
const adapter = new CloudAdapter(authConfig);
adapter.onTurnError = async (_context, error) => {
  console.error(error);
  throw error;
};

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

async function speakLater(identity, reference, count, pauseMs) {
  for (let i = 1; i <= count; i++) {
    await sleep(pauseMs);
    await adapter.continueConversation(identity, reference, async context => {
      await context.sendActivity(`Later ${i} of ${count}`);
    });
  }
}

async function stream(context, count, pauseMs) {
  for (let i = 1; i <= count; i++) {
    context.streamingResponse.queueTextChunk(`${i > 1 ? ' ' : ''}Part ${i}`);
    await sleep(pauseMs);
  }
  await context.streamingResponse.endStream();
}

const connector = context => context.turnState.get(adapter.ConnectorClientKey);

async function create(context, userId) {
  const { channelId, serviceUrl, recipient } = context.activity;
  const parameters = { isGroup: false, agent: recipient, members: [{ id: userId, name: userId }] };
  let created;
  await adapter.createConversationAsync(authConfig.clientId, channelId, serviceUrl, 'https://api.botframework.com', parameters, async there => {
    created = there.activity.conversation.id;
    await there.sendActivity(`Hello, ${userId}`);
  });
  return created;
}

async function conversationsOf(context) {
  const found = [];
  let continuationToken;
  do {
    const page = await connector(context).getConversations(continuationToken);
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

/** The same with the SDK's own means: it takes http for localhost only, and shows the bot's token if there is one. */
const downloaded = async context => (await new AttachmentDownloader().downloadFiles(context)).map(({ content }) => measured(content));

/** Uploads a picture, shows it in every way there is, then says what the Connector knows of it. */
async function showPicture(context) {
  const { conversation, serviceUrl } = context.activity;
  const { id } = await connector(context).uploadAttachment(conversation.id, {
    name: 'picture.png', type: 'image/png', originalBase64: picture, thumbnailBase64: new Uint8Array(thumbnail)
  });
  const view = name => `${serviceUrl}${serviceUrl.endsWith('/') ? '' : '/'}v3/attachments/${encodeURI(id)}/views/${name}`;
  const attachment = { name: 'picture.png', contentType: 'image/png', contentUrl: view('original') };
  const card = CardFactory.heroCard('A card with it', [view('original')]);
  await context.sendActivity(Activity.fromObject({
    type: ActivityTypes.Message, text: 'A picture', attachments: [{ ...attachment, thumbnailUrl: view('thumbnail') }, attachment, card]
  }));
  const { name, type, views } = await connector(context).getAttachmentInfo(id);
  const read = async viewId => measured(await buffer(await connector(context).getAttachment(id, viewId)));
  const kept = await Promise.all(views.map(async ({ viewId, size }) => ({ said: size, viewId, ...await read(viewId) })));
  await context.sendActivity(plain(`Kept: ${JSON.stringify({ name, type, views: kept })}`));
}

const inlinePicture = () => MessageFactory.contentUrl(`data:image/png;base64,${picture.toString('base64')}`, 'image/png', 'inline.png', 'Inline');

/** Names of files are no Markdown. */
const plain = text => Activity.fromObject({ type: ActivityTypes.Message, text, textFormat: 'plain' });

async function answer(context) {
  const { text, value, channelData, attachments } = context.activity;
  if (attachments?.length > 0) {
    if (text === 'download') return context.sendActivity(plain(`Downloaded: ${JSON.stringify(await downloaded(context))}`));
    return context.sendActivity(plain(`Files: ${JSON.stringify(await filesOf(attachments))}`));
  }
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
      await context.sendActivity(new Activity(ActivityTypes.Typing));
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
      speakLater(context.identity, context.activity.getConversationReference(), Number(first), Number(second))
        .catch(error => console.error(error));
      return;
    case 'stream':
      return stream(context, Number(first), Number(second));
    case 'update': {
      const { id } = await context.sendActivity('Draft');
      await sleep(Number(first));
      await context.updateActivity(Activity.fromObject({ type: ActivityTypes.Message, text: 'Fair copy', id }));
      return context.sendActivity('Updated');
    }
    case 'delete': {
      const { id } = await context.sendActivity('Soon gone');
      await sleep(Number(first));
      await context.deleteActivity(id);
      return context.sendActivity('Deleted');
    }
    case 'member': // the one question about members that this SDK's client asks
      return context.sendActivity(`Members: ${(await connector(context).getConversationMember(first, context.activity.conversation.id)).id}`);
    case 'create':
      return context.sendActivity(`Created: ${await create(context, first)}`);
    case 'list':
      return context.sendActivity(`Conversations: ${await conversationsOf(context)}`);
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
    this.onUnrecognizedActivityType(async (context, next) => {
      if (context.activity.type === ActivityTypes.Event) {
        const { name, value } = context.activity;
        await context.sendActivity(Activity.fromObject({ type: ActivityTypes.Event, name: `${name}.answer`, value }));
        await context.sendActivity(`Event: ${name} ${json(value)}`);
      }
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
app.post('/api/messages', authorizeJWT(authConfig), (req, res) => adapter.process(req, res, context => bot.run(context)));
app.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('listening'));
