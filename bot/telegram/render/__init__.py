"""What people see: records in, Telegram HTML and buttons out. No I/O, no clock; whatever is untrusted is
escaped and made visible here, and every text that people read stands in this room."""
