"""The Telegram front door: from updates to proposals and decisions, from records to cards."""
