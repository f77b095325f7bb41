"""The feature bot (see ../README.md) on botbuilder-core and botbuilder-integration-aiohttp."""

import asyncio
import json
import os
import sys
import traceback

from aiohttp import web
from botbuilder.core import ActivityHandler, CardFactory, MessageFactory, TurnContext
from botbuilder.integration.aiohttp import (
    CloudAdapter,
    ConfigurationBotFrameworkAuthentication,
)
from botbuilder.schema import ActionTypes, Activity, ActivityTypes, CardAction


class Config:
    """No app id: the SDK then neither asks for nor sends credentials."""


ADAPTER = CloudAdapter(ConfigurationBotFrameworkAuthentication(Config()))

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


async def speak_later(reference, count: int, pause_ms: int):
    for i in range(1, count + 1):
        await asyncio.sleep(pause_ms / 1000)

        async def say(context: TurnContext, i=i):
            await context.send_activity(f"Later {i} of {count}")

        await ADAPTER.continue_conversation(reference, say, bot_app_id="")


async def answer(context: TurnContext):
    activity = context.activity
    text, value = activity.text, activity.value
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
            reference = TurnContext.get_conversation_reference(activity)
            task = asyncio.create_task(speak_later(reference, int(count), int(pause_ms)))
            SPEAKERS.add(task)
            task.add_done_callback(SPEAKERS.discard)
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


BOT = FeatureBot()


async def messages(request: web.Request) -> web.Response:
    return await ADAPTER.process(request, BOT)



async def main():
    app = web.Application()
    app.router.add_post("/api/messages", messages)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
