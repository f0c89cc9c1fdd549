"""What runs by itself: the executor, the clockwork, the audit mirror."""
