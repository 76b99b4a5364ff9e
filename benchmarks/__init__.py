"""Measurements of speed and memory: `make bench` runs them all."""

import os

from seunet.runtime.memory import keep_freed_memory

# Several networks take turns here, each with some hundred kernels that oneDNN, below torch, compiles for its shapes. It
# keeps 1024; a process that trains one network needs no more, but here each would push out those of the others.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")

keep_freed_memory()  # as trainings and predictions do
