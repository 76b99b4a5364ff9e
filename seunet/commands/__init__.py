"""The commands, one per module, each a function whose signature and docstring are its help.

torch and the like are imported in the body: `seunet --help` and the completion of a shell must not wait for them.
A command raises UserError for a mistake of the user; `cli` prints it as one line.
"""
