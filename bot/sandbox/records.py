"""The frozen records that the sandbox's world is made of. Their fields are plain JSON, to be stored."""

from typing import Any

from msgspec import Struct, field

Json = dict[str, Any]


class Person(Struct, frozen=True, kw_only=True):
    """Somebody with a phone."""

    id: int
    key: str
    name: str
    username: str
    language_code: str = "en"
    blocked: list[int] = field(default_factory=list)
    """Ids of the bots that this person has blocked."""
    gone: bool = False
    """The account was deleted."""


class Bot(Struct, frozen=True, kw_only=True):
    """A program with a token."""

    id: int
    username: str
    name: str
    allowed: list[str]
    """The update types it asked for; kept until it asks for others."""
    commands: dict[str, Json] = field(default_factory=dict)
    """What setMyCommands registered: {scope, language_code, commands} by a key made of scope and language."""


class Chat(Struct, frozen=True, kw_only=True):
    """A private chat of one person and one bot, or a group."""

    key: str
    """How the chat is stored: `PERSON:BOT`, or the id of a group."""
    id: int
    title: str = ""
    person: int | None = None
    bot: int | None = None
    opened: bool = False
    """Whether the person ever wrote to the bot; only then may the bot write."""
    members: list[int] = field(default_factory=list)
    bots: list[int] = field(default_factory=list)
    kicked: list[int] = field(default_factory=list)
    owner: int | None = None
    topics: dict[str, str] = field(default_factory=dict)
    """Names of forum topics by message_thread_id."""
    migrated_to: int | None = None

    @property
    def private(self) -> bool:
        """Return whether this is a chat of one person with a bot."""
        return self.person is not None

    def has(self, user: int) -> bool:
        """Return whether a person or bot is in this chat."""
        return user in self.members or user in self.bots or user in (self.person, self.bot)


class Message(Struct, frozen=True, kw_only=True):
    """One message as it is now; an edit makes a new record under the same id."""

    chat: str
    """The key of its chat."""
    message_id: int
    sender: int
    date: int
    change: int = 0
    """The number of the change that made it what it is; grows over all chats."""
    edit_date: int | None = None
    text: str = ""
    """The text, or the caption where there is a file."""
    entities: list[Json] = field(default_factory=list)
    content: Json = field(default_factory=dict)
    """Telegram's further fields: document, photo, forward_origin, or those of a service message."""
    keyboard: list[list[Json]] = field(default_factory=list)
    prompt: Json = field(default_factory=dict)
    """A reply keyboard or ForceReply, which only people see."""
    reply_to: int | None = None
    thread: int | None = None
    reactions: dict[str, str] = field(default_factory=dict)
    """Emoji by the id of who reacted."""
    service: bool = False
    deleted: bool = False

    @property
    def has_file(self) -> bool:
        """Return whether the text is a caption."""
        return "document" in self.content or "photo" in self.content


class File(Struct, frozen=True, kw_only=True):
    """A file that somebody sent; its content lies in the store under its id."""

    id: str
    unique_id: str
    name: str
    mime: str
    size: int
    path: str
    """Where a bot downloads it, below `/file/bot<TOKEN>/`."""
    width: int = 0
    height: int = 0


class Callback(Struct, frozen=True, kw_only=True):
    """A tap on a button that the bot may answer once."""

    id: str
    bot: int
    at: float
    answered: bool = False
