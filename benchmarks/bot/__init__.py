"""How fast the bot is, next to a bare python-telegram-bot that stores nothing: P6, P7 and P8."""

from benchmarks.bot.measure import measure

__all__ = ["measure"]
