"""Measurements of speed and memory: `make bench` runs them all."""

import os

# Several networks take turns here, each with some hundred kernels that oneDNN, below torch, compiles for its shapes. It
# keeps 1024; a process that trains one network needs no more, but here each would push out those of the others.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
