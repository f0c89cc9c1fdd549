"""Who and what there is: people, bots, chats, messages, files. Read from memory, kept in the store."""

import re
from collections.abc import Callable

from msgspec.structs import asdict, replace

from bot.sandbox.clock import Clock
from bot.sandbox.errors import ApiError, bad_request, forbidden, upgraded
from bot.sandbox.events import Events
from bot.sandbox.faults import Faults
from bot.sandbox.limits import FloodGate, Limits
from bot.sandbox.records import Bot, Callback, Chat, File, Message, Person
from bot.sandbox.rules import Rules
from bot.sandbox.store import Store
from bot.sandbox.taps import Answers
from bot.sandbox.updates import DEFAULT_TYPES, UpdateQueues

PEOPLE = (
    Person(id=1001, key="member", name="Mia Member", username="mia_member"),
    Person(id=1002, key="approver", name="Paul Approver", username="paul_approver"),
    Person(id=1003, key="admin", name="Ada Admin", username="ada_admin"),
)
GROUP_ID = -1001000000001
TOPIC_ID = 2
# The group has a past: the message that made the topic, for one, has the topic's id.
_FIRST_IDS = 9
_TOKEN = re.compile(r"([0-9]{1,15}):[A-Za-z0-9_-]{10,}")


class World:
    """The sandbox's state. Whoever changes it saves the changed record, then commits before answering."""

    def __init__(self, store: Store, clock: Clock, *, limits: Limits, rules: Rules) -> None:
        self.store = store
        self.clock = clock
        self.rules = rules
        self.events = Events()
        self.gate = FloodGate(limits, clock)
        self.faults = Faults()
        self.updates = UpdateQueues(store, clock, rules)
        self.answers = Answers()
        self.people: dict[int, Person] = {}
        self.bots: dict[int, Bot] = {}
        self.chats: dict[str, Chat] = {}
        self.messages: dict[str, dict[int, Message]] = {}
        self.files: dict[str, File] = {}
        self.callbacks: dict[str, Callback] = {}
        self._counters: dict[str, int] = {}
        self._load()
        self._unlisten = clock.listen(self._clock_moved)

    # --- reading and writing ------------------------------------------------------------------

    def _load(self) -> None:
        self._counters = {key: record["value"] for key, record in self.store.load("counter")}
        self.people = {one["id"]: Person(**one) for _, one in self.store.load("person")}
        self.bots = {one["id"]: Bot(**one) for _, one in self.store.load("bot")}
        self.chats = {key: Chat(**one) for key, one in self.store.load("chat")}
        self.files = {key: File(**one) for key, one in self.store.load("file")}
        callbacks = sorted(
            (Callback(**one) for _, one in self.store.load("callback")), key=lambda one: one.at
        )
        self.callbacks = {one.id: one for one in callbacks}
        for _, one in self.store.load("message"):
            self.messages.setdefault(one["chat"], {})[one["message_id"]] = Message(**one)
        self.messages = {chat: dict(sorted(known.items())) for chat, known in self.messages.items()}
        self.updates.load(self.bots)
        if not self.people:
            self._seed()
            self.commit()

    def _seed(self) -> None:
        for person in PEOPLE:
            self.save_person(person)
        members = [person.id for person in PEOPLE]
        topics = {str(TOPIC_ID): "Approvals"}
        owner = PEOPLE[-1].id
        while self._counters.get(f"message:{GROUP_ID}", 0) < _FIRST_IDS:
            self.next(f"message:{GROUP_ID}")
        self.save_chat(
            Chat(key=str(GROUP_ID), id=GROUP_ID, title="Team", members=members, owner=owner, topics=topics)
        )

    def reset(self) -> None:
        """Empty chats, updates and faults, and put people and the group back as they were at the start.

        Numbers go on: a bot that still knows an old message or offset must not take a new one for it.
        """
        self.store.forget_all("person", "chat", "message", "file", "callback", "update")
        for known in (self.people, self.chats, self.messages, self.files, self.callbacks):
            known.clear()
        self.updates.forget()
        self.answers.forget()
        self.faults.forget()
        self.gate.forget()
        self._seed()
        for bot in self.bots.values():
            self._introduce(bot)
        self.events.publish("reset", self.next("change"), {})

    def _clock_moved(self, _seconds: float) -> None:
        self.events.publish("clock", self.change, {"now": self.clock.now()})

    def commit(self) -> None:
        """Make every change so far survive the death of this process."""
        self.store.commit()

    def close(self) -> None:
        """Answer every request that waits, and no longer follow the clock."""
        self._unlisten()
        self.events.close()
        self.updates.close()
        self.faults.close()
        self.answers.forget()

    def next(self, counter: str) -> int:
        """Return the next number of a counter; none is given twice, also after a reset."""
        value = self._counters.get(counter, 0) + 1
        self._counters[counter] = value
        self.store.put("counter", counter, {"value": value})
        return value

    @property
    def change(self) -> int:
        """Return the number of the last change."""
        return self._counters.get("change", 0)

    def date(self) -> int:
        """Return the time in whole seconds, as messages carry it."""
        return int(self.clock.now())

    def save_person(self, person: Person) -> Person:
        """Keep a person and tell the listeners."""
        self.people[person.id] = person
        self.store.put("person", str(person.id), asdict(person))
        self._changed("people")
        return person

    def save_chat(self, chat: Chat) -> Chat:
        """Keep a chat and tell the listeners."""
        self.chats[chat.key] = chat
        self.store.put("chat", chat.key, asdict(chat))
        self._changed("chats")
        return chat

    def save_bot(self, bot: Bot, *, quiet: bool = False) -> Bot:
        """Keep a bot and, if it shows, tell the listeners."""
        self.bots[bot.id] = bot
        self.store.put("bot", str(bot.id), asdict(bot))
        if not quiet:
            self._changed("bots")
        return bot

    def allow(self, bot_id: int, kinds: list[str]) -> None:
        """Keep which updates a bot wants from now on."""
        self.save_bot(replace(self.bots[bot_id], allowed=kinds), quiet=True)

    def save_file(self, file: File, content: bytes) -> File:
        """Keep a file and what is in it."""
        self.files[file.id] = file
        self.store.put("file", file.id, asdict(file))
        self.store.put_blob(file.id, content)
        return file

    def save_callback(self, callback: Callback) -> Callback:
        """Keep a callback query."""
        self.callbacks[callback.id] = callback
        self.store.put("callback", callback.id, asdict(callback))
        return callback

    def save_message(self, message: Message) -> Message:
        """Keep a message under a new change number; whoever shows it must publish it."""
        message = replace(message, change=self.next("change"))
        self.messages.setdefault(message.chat, {})[message.message_id] = message
        self.store.put("message", f"{message.chat}/{message.message_id}", asdict(message))
        return message

    def _changed(self, what: str) -> None:
        self.events.publish("state", self.change, {"what": what})

    # --- finding ------------------------------------------------------------------------------

    @property
    def group(self) -> Chat:
        """Return the group as it is now, also after it moved to a new id."""
        return next(c for c in self.chats.values() if not c.private and c.migrated_to is None)

    def person_by(self, matches: Callable[[Person], bool]) -> Person | None:
        """Return the first person with a living account that matches."""
        return next((one for one in self.people.values() if not one.gone and matches(one)), None)

    def bot_of(self, token: str) -> Bot:
        """Return the bot of a token, made at its first use; a malformed token is Telegram's 401."""
        match = _TOKEN.fullmatch(token)
        if match is None or int(match[1]) in self.people or int(match[1]) == 0:
            raise ApiError(401, "Unauthorized: invalid token specified")
        number = int(match[1])
        return self.bots.get(number) or self._new_bot(number)

    def _new_bot(self, number: int) -> Bot:
        first = not self.bots
        username = "countersign_bot" if first else f"countersign_{number}_bot"
        name = "Countersign" if first else f"Countersign {number}"
        bot = self.save_bot(Bot(id=number, username=username, name=name, allowed=list(DEFAULT_TYPES)))
        self._introduce(bot)
        self.commit()
        return bot

    def _introduce(self, bot: Bot) -> None:
        """Give a bot its private chats and its place in the group, without any update."""
        for person in self.people.values():
            self.private_chat(person, bot)
        group = self.group
        self.save_chat(replace(group, bots=[*group.bots, bot.id]))

    def private_chat(self, person: Person, bot: Bot) -> Chat:
        """Return the chat of a person with a bot, made where it is not there yet."""
        key = f"{person.id}:{bot.id}"
        found = self.chats.get(key)
        return found or self.save_chat(Chat(key=key, id=person.id, person=person.id, bot=bot.id))

    def chat_of(self, bot: Bot, chat_id: object) -> Chat:
        """Return the chat that a bot means by an id; where it may not look, raise what Telegram says."""
        if chat_id is None or chat_id == "":
            raise bad_request("chat_id is empty")
        try:
            number = int(chat_id) if isinstance(chat_id, int | str) else 0
        except ValueError:
            number = 0
        chat = self.chats.get(str(number) if number < 0 else f"{number}:{bot.id}")
        if chat is None:
            raise bad_request("chat not found")
        if chat.migrated_to is not None:
            raise upgraded(chat.migrated_to)
        if not chat.private and bot.id not in chat.bots:
            raise forbidden("bot was kicked from the supergroup chat")
        return chat

    def may_write(self, bot: Bot, chat: Chat) -> None:
        """Raise Telegram's 403 where a person does not want the bot, or never opened it."""
        if chat.person is None:
            return
        person = self.people[chat.person]
        if person.gone:
            raise forbidden("user is deactivated")
        if bot.id in person.blocked:
            raise forbidden("bot was blocked by the user")
        if not chat.opened and not self.rules.bots_may_write_first:
            raise forbidden("bot can't initiate conversation with a user")

    def message_in(self, chat: Chat, message_id: object) -> Message | None:
        """Return a message that is still there."""
        found = self.messages.get(chat.key, {}).get(message_id) if isinstance(message_id, int) else None
        return None if found is None or found.deleted else found

    def next_message_id(self, chat: Chat) -> int:
        """Return the id of the next message; private chats of a bot share one counter, as in Telegram."""
        return self.next(f"message:{chat.id if chat.bot is None else chat.bot}")
