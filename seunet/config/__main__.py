"""Write the reference of the configuration and its JSON schema anew: `python -m seunet.config`."""

from seunet.config.reference import README, SCHEMA, write

write()
print(f"written: {SCHEMA} and the tables of {README}")
