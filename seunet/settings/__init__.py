"""What can be configured: one class per mapping of the configuration, with names, types, defaults, bounds and texts.

Nothing here imports torch: the workflow reads the configuration again in every job. `seunet.config` reads a whole
configuration, checks that its parts fit together, and writes the reference and the JSON schema from these classes.
"""
