"""When an adapter is called, and when not: the breaker."""
