"""`seunet export`: the file answers as the network does, and what cannot be written is one line."""

from pathlib import Path

import pytest
import torch
from test_cli import call, network, trained_at

from seunet import load_model


@pytest.mark.slow
def test_an_exported_program_answers_as_the_network(tmp_path: Path) -> None:
    folder = network(tmp_path / "net", channels=3, **trained_at(16, 24))
    result = call(folder, tmp_path / "net.pt2", command="export")
    assert result.exit_code == 0, result.output
    assert "image (N, 3, H, W) in [0, 1] → logits (N, 3, H, W); any batch" in result.output
    program = torch.export.load(tmp_path / "net.pt2").module()
    x = torch.rand(2, 3, 32, 20)
    assert torch.allclose(program(x), load_model(folder)[0](x), atol=1e-4)
    again = call(folder, tmp_path / "net.pt2", command="export")
    assert again.exit_code == 1
    assert "--overwrite" in again.output


@pytest.mark.parametrize(
    ("file", "more", "said"),
    [
        ("net.pth", [], ".onnx or .pt2"),
        ("folder.onnx", [], "is a folder"),
        ("net.pt2", ["--size", "30", "32"], "--size: 30 is no multiple of 4"),
    ],
)
def test_what_cannot_be_exported_is_one_line(tmp_path: Path, file: str, more: list, said: str) -> None:
    (tmp_path / "folder.onnx").mkdir()
    result = call(network(tmp_path / "net"), tmp_path / file, *more, command="export")
    assert result.exit_code == 1
    assert said in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "net.pt2").exists()
