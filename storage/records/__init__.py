"""Repositories: one noun a file. Each runs inside the transaction of its `Session`."""
