"""The configuration: its schema and its checks."""
