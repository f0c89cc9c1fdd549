"""A local Telegram: it speaks the Bot API to bots, and lets people be driven over HTTP."""

from bot.sandbox.server import Clock, Limits, Rules, RunningSandbox, World, start_sandbox

__all__ = ["Clock", "Limits", "Rules", "RunningSandbox", "World", "start_sandbox"]
