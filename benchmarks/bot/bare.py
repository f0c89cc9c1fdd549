"""What ours is measured against: python-telegram-bot as its documentation shows it, storing nothing.

Run by its path, so that it loads no more than such a bot would: `bare.py stock|layer TOKEN URL`. The word
`layer` gives it our request layer; all else stays as the library has it.
"""

from __future__ import annotations

import sys

from telegram import Update
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes


async def started(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
    """Greets."""
    if update.message is not None:
        await update.message.reply_text("Hello.")


async def tapped(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
    """Answers the tap and edits the card."""
    query = update.callback_query
    if query is not None:
        await query.answer("Approved.")
        await query.edit_message_text("Stamp it: approved.")


def main(kind: str, token: str, url: str) -> None:
    """Runs until TERM."""
    builder = Application.builder().token(token).base_url(f"{url}/bot")
    if kind == "layer":
        # Only now: the stock bot pays for nothing of ours.
        from bot.telegram.request import AiohttpRequest  # noqa: PLC0415

        builder = builder.request(AiohttpRequest()).get_updates_request(AiohttpRequest())
    application = builder.build()
    application.add_handler(CommandHandler("start", started))
    application.add_handler(CallbackQueryHandler(tapped))
    application.run_polling()


if __name__ == "__main__":
    main(*sys.argv[1:])
