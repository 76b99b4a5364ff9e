"""Data sets: from archives (or a generator) to prepared arrays, and from arrays to training batches and test sizes."""
