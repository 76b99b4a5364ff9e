"""The version of the library, where every floor can read it. pyproject.toml takes it from here."""

VERSION = "0.1.0"
