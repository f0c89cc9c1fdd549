"""The numbers that Telegram keeps, changeable where true ones would make a test slow."""

from msgspec import Struct

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
ANSWER_LIMIT = 200
UPLOAD_LIMIT = 50 * 1024 * 1024
DOWNLOAD_LIMIT = 20 * 1024 * 1024
PHOTO_LIMIT = 10 * 1024 * 1024
DELETE_WINDOW = 48 * 3600


class Rules(Struct, frozen=True, kw_only=True):
    """Times in seconds. Those marked (clock) are measured on the movable clock, the others in real time."""

    same_offset_window: float = 3.0
    """A getUpdates with the same offset within this time waits at least this long."""
    burst_window: float = 0.5
    """A getUpdates with the same offset within this time gets one update."""
    conflict_delay: float = 3.0
    """After one 409 the next ones within this time are held back that long."""
    update_ttl: float = 24 * 3600.0
    """(clock) An update that nobody fetched is kept so long."""
    callback_ttl: float = 150.0
    """(clock) The same for a callback query."""
    answer_window: float = 15.0
    """(clock) A callback query can be answered so long; Telegram does not document its own number."""
    tap_wait: float = 15.0
    """How long a tap on the control interface waits for the bot's answer."""
    heartbeat: float = 15.0
    """How often a silent event stream shows that it lives."""
    bots_may_write_first: bool = False
    """Whether a bot may write to a person who never opened it. Telegram forbids it."""
