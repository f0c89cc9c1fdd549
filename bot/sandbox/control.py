"""The control interface `/sandbox/*`: people are driven by it, from tests and from the page."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from msgspec.structs import asdict

from bot.sandbox import people, views
from bot.sandbox.buttons import labels, pick
from bot.sandbox.entities import Formatted
from bot.sandbox.errors import ControlError, not_found
from bot.sandbox.events import Event
from bot.sandbox.menu import menu_of
from bot.sandbox.records import Chat, Json, Message, Person
from bot.sandbox.requests import query_of, read_body, read_fault, read_text_entities, read_upload
from bot.sandbox.resolve import Body, bot_of, chat_of, message_of, person_of
from bot.sandbox.taps import Answer
from bot.sandbox.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
_YEARS = 10 * 366 * 86400


def json_response(body: Any, *, status: int = 200) -> web.Response:
    """Return a value as a JSON answer that browsers do not keep."""
    text = json.dumps(body).encode()
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=text, status=status, content_type="application/json", headers=headers)


class Control:
    """Answers `/sandbox/*` on a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this interface."""
        return [
            web.get("/sandbox/state", self.state),
            web.get("/sandbox/events", self.events),
            web.get("/sandbox/chats/{chat}/messages", self.list_messages),
            web.get("/sandbox/files/{file}", self.file),
            web.post("/sandbox/messages", self.say),
            web.post("/sandbox/taps", self.tap),
            web.post("/sandbox/edits", self.edit),
            web.post("/sandbox/reactions", self.react),
            web.post("/sandbox/people", self.people),
            web.post("/sandbox/members", self.members),
            web.post("/sandbox/faults", self.fault),
            web.post("/sandbox/clock", self.clock),
            web.post("/sandbox/reset", self.reset),
        ]

    def _done(self, body: Any) -> web.Response:
        self._world.commit()
        return json_response(body)

    # --- looking ------------------------------------------------------------------------------

    async def state(self, request: web.Request) -> web.Response:
        """Return the whole state; with `from` and `chat` also the command menu of that person there."""
        body = views.state(self._world)
        if "from" in request.query:
            person = person_of(self._world, request.query["from"])
            chat = chat_of(self._world, request.query.get("chat", person.key), request.query.get("bot"))
            bot = bot_of(self._world, request.query.get("bot"))
            body["menu"] = menu_of(bot, chat, person)
        return self._done(body)

    async def list_messages(self, request: web.Request) -> web.Response:
        """Return a chat's messages in order: the newest `limit`, or the first that changed since `after`."""
        world = self._world
        chat = chat_of(world, request.match_info["chat"], request.query.get("bot"))
        query = query_of(request, "after", "limit")
        limit = query.integer("limit", low=1, high=1_000_000) or 1_000_000
        after = query.integer("after", low=0)
        found = list(world.messages.get(chat.key, {}).values())
        if after is None:
            found = found[-limit:]
        else:
            changed = sorted((one for one in found if one.change > after), key=lambda one: one.change)
            found = sorted(changed[:limit], key=lambda one: one.message_id)
        return self._done({"messages": [views.seen_json(world, one) for one in found]})

    async def file(self, request: web.Request) -> web.Response:
        """Return a file as a person gets it: pictures to look at, anything else to keep."""
        file = self._world.files.get(request.match_info["file"])
        content = self._world.store.blob(file.id) if file else None
        if file is None or content is None:
            raise not_found("there is no such file")
        inline = file.mime in _INLINE
        headers = {
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "inline" if inline else "attachment",
        }
        kind = file.mime if inline else "application/octet-stream"
        return web.Response(body=content, content_type=kind, headers=headers)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream every change as it happens; what came before is read by `messages?after=`."""
        queue = self._world.events.listen()
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(request)
            hello = {"change": self._world.change, "now": self._world.clock.now()}
            await response.write(_sse(Event("hello", self._world.change, hello)))
            while (text := await self._next_events(queue)) is not None:
                await response.write(text)
        except ConnectionError:
            pass
        finally:
            self._world.events.leave(queue)
        return response

    async def _next_events(self, queue: "asyncio.Queue[Event | None]") -> bytes | None:
        try:
            event = await asyncio.wait_for(queue.get(), self._world.rules.heartbeat)
        except TimeoutError:
            return b": alive\n\n"
        return None if event is None else _sse(event)

    # --- talking ------------------------------------------------------------------------------

    async def say(self, request: web.Request) -> web.Response:
        """Say something as a person, and return the message."""
        body = await read_body(request)
        person, chat = self._who_and_where(body)
        text = body.text("text", "")
        message = people.say(
            self._world,
            person,
            chat,
            Formatted(text, read_text_entities(body, text)),
            reply_to=body.integer("reply_to"),
            thread=body.integer("thread"),
            file=read_upload(body.raw("file")),
            forward=self._original(body.raw("forward_of"), chat, body.raw("bot")),
        )
        return self._done(views.seen_json(self._world, message))

    def _who_and_where(self, body: Body) -> tuple[Person, Chat]:
        person = person_of(self._world, body.raw("from"))
        chat = chat_of(self._world, body.raw("chat"), body.raw("bot"))
        return person, chat

    def _original(self, given: object, chat: Chat, bot: object) -> Message | None:
        if given is None:
            return None
        if isinstance(given, dict):
            chat = chat_of(self._world, given.get("chat"), given.get("bot", bot))
            given = given.get("message_id")
        if isinstance(given, bool) or not isinstance(given, int):
            raise ControlError("forward_of must be a message_id, or {chat, message_id}")
        return message_of(self._world, chat, given)

    async def edit(self, request: web.Request) -> web.Response:
        """Edit a person's own message, and return it."""
        body = await read_body(request)
        person, chat = self._who_and_where(body)
        message = message_of(self._world, chat, body.message_id())
        text = body.text("text")
        edited = people.edit(self._world, person, message, Formatted(text, read_text_entities(body, text)))
        return self._done(views.seen_json(self._world, edited))

    async def react(self, request: web.Request) -> web.Response:
        """Set or take back a person's reaction, and return the message."""
        body = await read_body(request)
        person, chat = self._who_and_where(body)
        message = message_of(self._world, chat, body.message_id())
        reacted = people.react(self._world, person, message, body.text("emoji", ""))
        return self._done(views.seen_json(self._world, reacted))

    async def tap(self, request: web.Request) -> web.Response:
        """Tap a button and return the bot's answer; explicit `data` is sent even if no button has it."""
        body = await read_body(request)
        world = self._world
        person, chat = self._who_and_where(body)
        message = message_of(world, chat, body.message_id(), deleted=body.raw("data") is not None)
        if body.raw("data") is not None:
            data = body.text("data")
        else:
            button = pick(message.keyboard, body.text("text"))
            if button is None:
                raise ControlError(f"no such button; there are: {labels(message.keyboard)}")
            if "callback_data" not in button:
                return self._done(_answer_json(Answer(answered=True)) | _outside(button))
            data = button["callback_data"]
        if not 1 <= len(data.encode()) <= 64:
            raise ControlError("data must have 1 to 64 bytes")
        callback = people.press(world, person, message, data)
        world.commit()
        answer = await world.answers.wait(callback, world.rules.tap_wait)
        return json_response(_answer_json(answer))

    # --- the world ----------------------------------------------------------------------------

    async def people(self, request: web.Request) -> web.Response:
        """Add, remove, block or unblock, and return the person."""
        body = await read_body(request)
        action = body.text("action")
        if action == "add":
            person = people.add_person(self._world, body.text("key"), body.text("name", ""))
        elif action in {"block", "unblock"}:
            bot = bot_of(self._world, body.raw("bot"))
            person = person_of(self._world, body.raw("key"), "key")
            person = people.block(self._world, person, bot, blocked=action == "block")
        elif action == "remove":
            person = people.remove_person(self._world, person_of(self._world, body.raw("key"), "key"))
        else:
            raise ControlError("action must be add, block, unblock or remove")
        return self._done(views.person_state(person))

    async def members(self, request: web.Request) -> web.Response:
        """Add somebody to a group, remove them, or move the group to a new id; return the group."""
        body = await read_body(request)
        chat = chat_of(self._world, "group" if body.raw("chat") is None else body.raw("chat"))
        if chat.private or chat.migrated_to is not None:
            raise ControlError("chat must be a group that has not moved")
        action = body.text("action")
        if action == "add":
            chat = people.join(self._world, chat, self._user(body))
        elif action == "remove":
            chat = people.leave(self._world, chat, self._user(body))
        elif action == "migrate":
            chat = people.migrate(self._world, chat)
        else:
            raise ControlError("action must be add, remove or migrate")
        return self._done(views.chat_state(self._world, chat))

    def _user(self, body: Body) -> int:
        """Return the id of a person, or of a bot by its id or username."""
        key = body.raw("key")
        if key is None:
            return bot_of(self._world, body.raw("bot")).id
        ref = str(key).removeprefix("@")
        bots = [bot.id for bot in self._world.bots.values() if ref in (str(bot.id), bot.username)]
        return bots[0] if bots else person_of(self._world, key, "key").id

    async def fault(self, request: web.Request) -> web.Response:
        """Order a failure, and return what still waits to happen."""
        body = await read_body(request)
        self._world.faults.order(read_fault(self._world, body))
        waiting = [asdict(one) for one in self._world.faults.waiting()]
        return self._done({"faults": waiting})

    async def clock(self, request: web.Request) -> web.Response:
        """Move time forward, and return it."""
        body = await read_body(request)
        seconds = body.number("advance_s", low=0, high=_YEARS)
        if seconds is None:
            raise ControlError("advance_s must be given")
        self._world.clock.advance(seconds)
        return self._done({"now": self._world.clock.now()})

    async def reset(self, request: web.Request) -> web.Response:
        """Go back to the start, and return the state."""
        await read_body(request)
        self._world.reset()
        return self._done(views.state(self._world))


def _sse(event: Event) -> bytes:
    return f"id: {event.number}\nevent: {event.name}\ndata: {json.dumps(event.data)}\n\n".encode()


def _answer_json(answer: Answer) -> Json:
    body = answer._asdict()
    return body if answer.url else {name: value for name, value in body.items() if name != "url"}


def _outside(button: Json) -> Json:
    """Return what a button does that asks no bot."""
    seen = views.seen_button(button)
    return {name: seen[name] for name in ("url", "copy_text") if name in seen}
