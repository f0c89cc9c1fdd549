"""Telling admins of adapters in safe mode. That one is down at all is an alarm, and told as one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bot.telegram.members import admins_chats
from bot.telegram.render import adapters as render
from bot.telegram.render.message import Shown
from bot.telegram.replies import reply
from core.engine.env import BreakerNews
from core.ids import TenantId
from core.model import BreakerState
from core.ports import Records

QUIET: Final = timedelta(minutes=10)
"""An adapter that comes and goes is told of once in this time."""


class Notices:
    """Tells the admins of the bot's own team when calls begin to queue, and when they run again."""

    def __init__(self, home: TenantId) -> None:
        self._home = home
        self._told_at: dict[str, datetime] = {}
        self._open: set[str] = set()

    def tell(self, records: Records, news: BreakerNews, now: datetime) -> None:
        """Queues what admins are to know of a change, to every admin's private chat."""
        shown = self._words(news)
        if shown is None:
            return
        for chat in admins_chats(records, self._home):
            reply(records, self._home, chat, shown, now=now)

    def _words(self, news: BreakerNews) -> Shown | None:
        name, at = news.after.adapter, news.after.changed_at
        was_safe = news.before is not None and news.before.safe_since is not None
        if news.after.state is BreakerState.CLOSED:
            told = was_safe and (name in self._open or name not in self._told_at)
            self._open.discard(name)
            return render.back(name) if told else None
        if news.after.safe_since is None or was_safe:
            return None
        quiet_until = self._told_at.get(name, at - QUIET) + QUIET
        if at < quiet_until:
            return None
        self._told_at[name] = at
        self._open.add(name)
        return render.safe_mode(news.after)
