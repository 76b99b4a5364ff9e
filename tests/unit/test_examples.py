"""The examples in the docstrings say what happens."""

import doctest
import importlib

import pytest
import torch

import seunet
from seunet import layers
from seunet.models.windows import Windows

PUBLIC = {getattr(seunet, name) for name in seunet.__all__} - {seunet.UserError, seunet.load_model}
PUBLIC |= {getattr(layers, name) for name in layers.__all__} - {layers.clip_coefficients} | {Windows}


@pytest.mark.parametrize("thing", sorted(PUBLIC, key=lambda thing: thing.__name__), ids=lambda thing: thing.__name__)
def test_public_names_have_an_example_that_holds(thing):
    torch.manual_seed(0)
    names = vars(importlib.import_module(thing.__module__)) | {"torch": torch}
    (test,) = doctest.DocTestFinder(recurse=False).find(thing, thing.__name__, globs=dict(names))
    assert test.examples
    result = doctest.DocTestRunner().run(test)
    assert result.failed == 0, f"{result.failed} of {result.attempted} lines"
