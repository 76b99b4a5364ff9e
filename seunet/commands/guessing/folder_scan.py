"""What lies below a folder: images, files that our commands wrote, and all others, with the words that splits have."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from seunet.data.file_matching import SUFFIXES, is_visible
from seunet.data.marks import mark_of
from seunet.runtime.errors import UserError
from seunet.runtime.files import folders_below

SPLITS = {
    "train": ("trainval", "training", "train"),
    "val": ("validation", "valid", "val", "dev"),
    "test": ("testing", "test"),
}
SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
WORD = re.compile("|".join(sorted(SPLIT_OF, key=len, reverse=True)), re.IGNORECASE)


@dataclass
class FolderScan:
    """Files below `root`, sorted: images, other files, and how many images our commands wrote (passed over)."""

    root: Path
    images: list[PurePosixPath] = field(default_factory=list)
    others: list[PurePosixPath] = field(default_factory=list)
    ours: int = 0

    def suffixes(self) -> Counter:
        """Return how many of the other files have which suffix, in lower case."""
        return Counter(
            "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffix).lower() for path in self.others
        )


def scan_folder(root: Path) -> FolderScan:
    """Return what lies below a folder, without hidden files; UserError where it is none."""
    if not root.is_dir():
        raise UserError(f"{root}: {'is a file' if root.exists() else 'no such folder'}; name a folder of images")
    found = FolderScan(root)
    for parent, folders, names in folders_below(root):
        folders[:] = sorted(filter(is_visible, folders))
        for name in sorted(filter(is_visible, names)):
            path = PurePosixPath(Path(parent, name).relative_to(root).as_posix())
            if path.suffix.lower() not in SUFFIXES:
                found.others.append(path)
            elif set(str(path)) & set("{}"):
                raise UserError(
                    f"{root / path}: patterns and Snakemake take braces in a name for a wildcard; rename it"
                )
            elif mark_of(root / path):
                found.ours += 1
            else:
                found.images.append(path)
    return found


def split_word(text: str) -> str | None:
    """Return train, val or test for a name with one such word, apart from others: "a. Training Set", "testA"; or None.

    The words are told from parts of longer ones ("contest", "trainer"). "train_val" is train, train with test is None.
    """
    found = set()
    for match in WORD.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        begins = not before[-1:].isalpha() or (before[-1:].islower() and match[0][0].isupper())  # imagesTrain
        if begins and not after[:1].islower():
            found.add(SPLIT_OF[match[0].lower()])
    found -= {"val"} if "train" in found else set()
    return found.pop() if len(found) == 1 else None
