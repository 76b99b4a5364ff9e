"""Tensor operators, each a reference in torch; beside most of them a compiled twin (native/)."""
