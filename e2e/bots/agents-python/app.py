"""The feature bot (see ../README.md) on microsoft-agents-hosting-aiohttp."""

import asyncio
import hashlib
import json
import os
import sys
import traceback
from base64 import b64encode
from pathlib import Path

from aiohttp import ClientSession, web
from microsoft_agents.activity import (
    ActionTypes,
    Activity,
    ActivityTypes,
    Attachment,
    AttachmentData,
    CardAction,
    CardImage,
    ChannelAccount,
    ConversationParameters,
    HeroCard,
    InvokeResponse,
    Transcript,
    load_configuration_from_env,
)
from microsoft_agents.authentication.msal import MsalConnectionManager
from microsoft_agents.hosting.aiohttp import CloudAdapter, jwt_authorization_middleware
from microsoft_agents.hosting.core import (
    ActivityHandler,
    CardFactory,
    ConnectorClientBase,
    MessageFactory,
    TurnContext,
)
from microsoft_agents.hosting.core.app.attachment_downloader import AttachmentDownloader
from microsoft_agents.hosting.core.authorization._entra_issuers import BOTFRAMEWORK_JWKS_URIS

# The one line that is not a setting: where the keys of Landline's issuer are. The SDK has no option for that.
BOTFRAMEWORK_JWKS_URIS[os.environ.get("LANDLINE_ISSUER", "")] = os.environ.get("LANDLINE_KEYS_URL", "")

CONNECTIONS = MsalConnectionManager(**load_configuration_from_env(os.environ))
ADAPTER = CloudAdapter(connection_manager=CONNECTIONS)

# asyncio keeps only weak references to tasks; these speak after their turn is over.
SPEAKERS = set()


async def on_error(_context: TurnContext, error: Exception):
    traceback.print_exception(error, file=sys.stderr)
    raise error


ADAPTER.on_turn_error = on_error


def dump(value) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def order_card() -> Activity:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.3",
        "body": [
            {"type": "TextBlock", "text": "Place an order", "weight": "Bolder"},
            {"type": "Input.Text", "id": "name", "placeholder": "Your name"},
        ],
        "actions": [
            {"type": "Action.Submit", "title": "Send order", "data": {"kind": "order"}}
        ],
    }
    return MessageFactory.attachment(CardFactory.adaptive_card(card))


def suggestions() -> Activity:
    return MessageFactory.suggested_actions(
        [
            CardAction(type=ActionTypes.im_back, title="Red", value="red"),
            CardAction(type=ActionTypes.post_back, title="Green", value="green"),
            CardAction(
                type=ActionTypes.message_back,
                title="Blue",
                text="blue",
                display_text="Blue, please",
                value={"colour": "blue"},
            ),
        ],
        "Which one?",
    )


async def proactively(identity, reference, callback):
    await ADAPTER.continue_conversation_with_claims(
        identity, reference.get_continuation_activity(), callback
    )


async def speak_later(identity, reference, count: int, pause_ms: int):
    for i in range(1, count + 1):
        await asyncio.sleep(pause_ms / 1000)

        async def say(context: TurnContext, i=i):
            await context.send_activity(f"Later {i} of {count}")

        await proactively(identity, reference, say)


async def stream(context: TurnContext, count: int, pause_ms: int):
    for i in range(1, count + 1):
        context.streaming_response.queue_text_chunk(f"{' ' if i > 1 else ''}Part {i}")
        await asyncio.sleep(pause_ms / 1000)
    await context.streaming_response.end_stream()


def conversations(context: TurnContext):
    return context.services.get(ConnectorClientBase).conversations


def ids(members) -> str:
    return ",".join(sorted(member.id for member in members))


async def members_of(context: TurnContext, command: str, argument: str) -> str:
    conversation_id = context.activity.conversation.id
    match command:
        case "members":
            return ids(await conversations(context).get_conversation_members(conversation_id))
        case "member":
            return (
                await conversations(context).get_conversation_member(conversation_id, argument)
            ).id
        case "present":
            return ids(
                await conversations(context).get_activity_members(
                    conversation_id, context.activity.id
                )
            )
        case "remove":
            await conversations(context).delete_conversation_member(conversation_id, argument)
            return f"without {argument}"
        case "paged":
            pages, token = [], None
            while True:
                page = await conversations(context).get_conversation_paged_members(
                    conversation_id, page_size=int(argument), continuation_token=token
                )
                pages.append(",".join(member.id for member in page.members))
                token = page.continuation_token
                if not token:
                    return "|".join(pages)


async def create(context: TurnContext, user_id: str) -> str:
    created = await conversations(context).create_conversation(
        ConversationParameters(
            is_group=False,
            agent=context.activity.recipient,
            members=[ChannelAccount(id=user_id, name=user_id)],
        )
    )
    reference = context.activity.get_conversation_reference()
    reference.conversation.id = created.id

    async def greet(there: TurnContext):
        await there.send_activity(f"Hello, {user_id}")

    await proactively(context.identity, reference, greet)
    return created.id


async def conversations_of(context: TurnContext) -> str:
    found, token = [], None
    while True:
        page = await conversations(context).get_conversations(token)
        found += [conversation.id for conversation in page.conversations]
        token = page.continuation_token
        if not token:
            return ",".join(sorted(found))


async def upload(context: TurnContext):
    activity = context.activity
    past = [
        Activity(
            type=ActivityTypes.message,
            from_property=sender,
            conversation=activity.conversation,
            channel_id=activity.channel_id,
            text=said,
        )
        for sender, said in [
            (activity.from_property, "Old question"),
            (activity.recipient, "Old answer"),
        ]
    ]
    await conversations(context).send_conversation_history(
        activity.conversation.id, Transcript(activities=past)
    )


PICTURE, THUMBNAIL = (
    (Path(__file__).parent.parent / name).read_bytes() for name in ["picture.png", "thumbnail.png"]
)


def measured(data: bytes) -> dict:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def plain(text: str) -> Activity:
    """Names of files are no Markdown."""
    return Activity(type=ActivityTypes.message, text=text, text_format="plain")


async def files_of(attachments) -> list:
    """Gets each file from where its link leads, and says what came."""
    files = []
    async with ClientSession(raise_for_status=True) as session:
        for each in attachments:
            async with session.get(each.content_url) as response:
                said = {"contentType": each.content_type, "name": each.name}
                files.append(said | measured(await response.read()))
    return files


async def downloaded(context: TurnContext) -> list:
    """The same with the SDK's own means, which take http for localhost only."""
    files = await AttachmentDownloader().download_files(context)
    return [measured(file.content) for file in files]


async def show_picture(context: TurnContext):
    """Uploads a picture, shows it in every way there is, then says what the Connector knows of it."""
    connector = context.services.get(ConnectorClientBase)
    # The SDK writes these bytes as text as they are; what the Connector wants is Base64.
    data = AttachmentData(
        name="picture.png",
        type="image/png",
        original_base64=b64encode(PICTURE),
        thumbnail_base64=b64encode(THUMBNAIL),
    )
    uploaded = await connector.conversations.upload_attachment(
        context.activity.conversation.id, data
    )
    original, thumbnail = (
        connector.attachments.get_attachment_uri(uploaded.id, view)
        for view in ["original", "thumbnail"]
    )
    shown = {"name": "picture.png", "content_type": "image/png", "content_url": original}
    card = HeroCard(title="A card with it", images=[CardImage(url=original)])
    message = MessageFactory.text("A picture")
    message.attachments = [
        Attachment(**shown, thumbnail_url=thumbnail),
        Attachment(**shown),
        CardFactory.hero_card(card),
    ]
    await context.send_activity(message)

    info = await connector.attachments.get_attachment_info(uploaded.id)
    views = []
    for each in info.views:
        data = await connector.attachments.get_attachment(uploaded.id, each["viewId"])
        views.append({"said": each["size"], "viewId": each["viewId"]} | measured(data.read()))
    await context.send_activity(
        plain(f"Kept: {dump({'name': info.name, 'type': info.type, 'views': views})}")
    )


def inline_picture() -> Activity:
    url = f"data:image/png;base64,{b64encode(PICTURE).decode()}"
    return MessageFactory.content_url(url, "image/png", "inline.png", "Inline")


async def answer(context: TurnContext):
    activity = context.activity
    text, value = activity.text, activity.value
    if activity.attachments:
        if text == "download":
            return await context.send_activity(
                plain(f"Downloaded: {dump(await downloaded(context))}")
            )
        return await context.send_activity(
            plain(f"Files: {dump(await files_of(activity.attachments))}")
        )
    if value is not None:
        said = f"Message back: {text} {dump(value)}" if text else f"Submitted: {dump(value)}"
        return await context.send_activity(said)
    if (activity.channel_data or {}).get("postBack"):
        return await context.send_activity(f"Posted back: {text}")

    match (text or "").split(" "):
        case ["card"]:
            await context.send_activity(order_card())
        case ["suggest"]:
            await context.send_activity(suggestions())
        case ["typing"]:
            await context.send_activity(Activity(type=ActivityTypes.typing))
            await asyncio.sleep(1)
            await context.send_activity("Done typing")
        case ["many", count]:
            for i in range(1, int(count) + 1):
                await context.send_activity(f"{i} of {count}")
        case ["slow", pause_ms]:
            await asyncio.sleep(int(pause_ms) / 1000)
            await context.send_activity(f"Slow: {pause_ms}")
        case ["later", count, pause_ms]:
            await context.send_activity("Will speak")
            reference = activity.get_conversation_reference()
            task = asyncio.create_task(
                speak_later(context.identity, reference, int(count), int(pause_ms))
            )
            SPEAKERS.add(task)
            task.add_done_callback(SPEAKERS.discard)
        case ["stream", count, pause_ms]:
            await stream(context, int(count), int(pause_ms))
        case ["update", pause_ms]:
            sent = await context.send_activity("Draft")
            await asyncio.sleep(int(pause_ms) / 1000)
            changed = MessageFactory.text("Fair copy")
            changed.id = sent.id
            await context.update_activity(changed)
            await context.send_activity("Updated")
        case ["delete", pause_ms]:
            sent = await context.send_activity("Soon gone")
            await asyncio.sleep(int(pause_ms) / 1000)
            await context.delete_activity(sent.id)
            await context.send_activity("Deleted")
        case ["members" | "member" | "paged" | "present" | "remove" as command, *rest]:
            found = await members_of(context, command, *(rest or [""]))
            await context.send_activity(f"Members: {found}")
        case ["create", user_id]:
            await context.send_activity(f"Created: {await create(context, user_id)}")
        case ["list"]:
            await context.send_activity(f"Conversations: {await conversations_of(context)}")
        case ["upload"]:
            await upload(context)
            await context.send_activity("Uploaded")
        case ["picture"]:
            await show_picture(context)
        case ["inline"]:
            await context.send_activity(inline_picture())
        case _:
            await context.send_activity(f"Echo: {text}")


class FeatureBot(ActivityHandler):
    async def on_members_added_activity(self, members_added, turn_context: TurnContext):
        for member in members_added:
            if member.id != turn_context.activity.recipient.id:
                await turn_context.send_activity(f"Welcome, {member.id}!")

    async def on_message_activity(self, turn_context: TurnContext):
        await answer(turn_context)

    async def on_event_activity(self, turn_context: TurnContext):
        name, value = turn_context.activity.name, turn_context.activity.value
        await turn_context.send_activity(
            Activity(type=ActivityTypes.event, name=f"{name}.answer", value=value)
        )
        await turn_context.send_activity(f"Event: {name} {dump(value)}")

    async def on_invoke_activity(self, turn_context: TurnContext):
        name, value = turn_context.activity.name, turn_context.activity.value
        return InvokeResponse(status=200, body={"statusCode": 200, "type": name, "value": value})


BOT = FeatureBot()


async def messages(request: web.Request) -> web.Response:
    return await ADAPTER.process(request, BOT)


async def main():
    app = web.Application(middlewares=[jwt_authorization_middleware])
    app["agent_configuration"] = CONNECTIONS.get_default_connection_configuration()
    app.router.add_post("/api/messages", messages)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
