"""What an answer came from, in its mark: checksums of the network, of how it was asked, and of the image."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from seunet.commands.inputs import Input
from seunet.data.marks import ANSWER, mark_of
from seunet.runtime.files import sha256

if TYPE_CHECKING:
    from seunet.commands.network_options import NetworkOptions
    from seunet.commands.prediction_files import OutputFiles

SHORT = 16  # digits of a checksum


@dataclass(frozen=True)
class Origin:
    """Checksums of a network's files, and of the options that it is asked with."""

    network: str
    call: str

    @classmethod
    def of(cls, weights: Path, options: "NetworkOptions", asked: Iterable[object]) -> "Origin":
        """Return the origin of a call; asked: what else decides the answers, such as the scale."""
        parts = [sha256(path) for path in files_of(weights)]
        chosen = {entry.name: getattr(options, entry.name) for entry in fields(options)}
        chosen = {entry.name: chosen[entry.name] for entry in fields(options) if chosen[entry.name] != entry.default}
        return cls(digest(" ".join(parts)), digest(repr((chosen, *map(str, asked)))))

    def mark(self, image: Path) -> str:
        """Return the mark of the answers for an image."""
        return f"{ANSWER}; network {self.network}, call {self.call}, image {sha256(image)[:SHORT]}"


def files_of(weights: Path) -> list[Path]:
    """Return the files of a network: of a folder two; else the file, with those named after it (net.onnx.data)."""
    from seunet.models.external_loading import folder_of

    if folder := folder_of(weights):
        return [folder / "model.json", folder / "model.safetensors"]
    return sorted(path for path in weights.parent.iterdir() if path.name.startswith(weights.name) and path.is_file())


def digest(text: str) -> str:
    """Return a short checksum of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


def already_answered(images: Iterable[Input], answers: "OutputFiles", origin: Origin) -> tuple[set[Path], set[Path]]:
    """Return the images whose answers are all there, of the same origin; and the files of such, of any image.

    Files of an image of which only some are there are of an earlier call that was stopped.
    """
    whole, known = set(), set()
    for image in images:
        files = answers.files(image)
        there = [file for file in files if file.exists()]
        if there and {mark_of(file) for file in there} == {origin.mark(image.path)}:
            known |= set(there)
            whole |= {image.path} if len(there) == len(files) else set()
    return whole, known
