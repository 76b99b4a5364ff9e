"""Tensor operators: each a reference in torch, on a CPU some of them with a compiled twin.

Where a new one goes:

1. the reference, a function of tensors in a module here: few operators of torch, since on a GPU each is a kernel that
   is started, and right under torch.compile and torch.export. `@Operator` (acceleration.py) stands before it;
2. the twin, only if it gains a tenth of a CPU training step: C++ in native/, added by `EXPORT` to the table of
   exports.h, and a function of the same arguments under `@reference.compiled`, which reaches it by `native.call`;
3. a test that both give the same: tests/unit/test_compiled.py;
4. a row of `make bench`: benchmarks/kernels.py for a twin, benchmarks/operators.py for the reference.

In training without twins all scales of a lifted map lie in one image: atlas.py, with its tables of places in
index_tables.py.
"""
