"""Factories and files for tools of other people, a module or package each; nothing else of the library imports them."""
