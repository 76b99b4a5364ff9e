"""The configuration: read, checked, and turned into runs, files, and parameters of the rules; its reference page."""
