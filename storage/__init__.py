"""Durable records: the schema, the group-commit writer, and one repository a file."""
