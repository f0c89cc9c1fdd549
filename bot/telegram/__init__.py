"""The Telegram front door: from updates to proposals and decisions, from records to cards."""

import os

# python-telegram-bot looks at this when it is imported: waits come as timedelta, with no warning at each 429.
os.environ.setdefault("PTB_TIMEDELTA", "true")
