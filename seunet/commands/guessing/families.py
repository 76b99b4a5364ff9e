"""Families of image files: every pattern that takes a good part of a folder's files, and the names that it gives them.

Patterns are those of a configuration. Which of them are images and which masks is for `pairing` to say.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from seunet.commands.guessing.folder_scan import WORD, split_word
from seunet.commands.guessing.sampling import sampled
from seunet.data.patterns import expression, name_of

MOST_FAMILIES = 260
LEAST_SHARE = 0.02  # of the largest family's files, for a family to count
CODE = re.compile(r"(?:(?<=[_\-. ])|(?<=[_\-. ][A-Za-z]\d))[0-9a-f]{8}[0-9a-f-]*$", re.IGNORECASE)
LONGEST_START = 60  # of names, in letters
BOUNDARY = re.compile(r"[_\-. ]+|(?<=[a-z])(?=[A-Z])|(?<=\d)(?=[A-Za-z])|(?<=[A-Za-z])(?=\d)")


@dataclass
class Family:
    """Files of a pattern by name. `places`: those of the folder's files that are looked at, as texts."""

    pattern: str
    places: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def files(self) -> frozenset[str]:
        """All its files."""
        return frozenset(place for places in self.places.values() for place in places)

    @property
    def folders(self) -> int:
        """How many {folder} the pattern has: names begin with what they stand for."""
        return self.pattern.count("{folder}")

    @property
    def single(self) -> bool:
        """Whether each name has one file."""
        return len(self.files) == len(self.places)

    @property
    def several(self) -> bool:
        """Whether a name may have several files: all of a folder, or with numbers behind the name."""
        folders, _, file = self.pattern.rpartition("/")
        return "*" in PurePosixPath(file).stem and ("{name}" in folders or "*." in file)

    @property
    def simplicity(self) -> float:
        """How simple the pattern is: 0 for {name} alone, less for all that it has beside."""
        words = self.pattern.count("*") - self.pattern.endswith(".*")
        letters = len(re.sub(r"{\w+}|\.\w+$", "", self.pattern))
        return -(
            0.8 * self.folders
            + 0.2 * bool(self.folders)
            + 0.8 * words
            + 0.02 * letters
            + 0.6 * self.pattern.endswith(".*")
        )

    @property
    def literal(self) -> str:
        """The text of the pattern without its suffix."""
        return re.sub(r"\.\w+$|\.\*$", "", self.pattern)


def families(images: Sequence[PurePosixPath]) -> list[Family]:
    """Return the families of some files, the largest first; of those that hold the same, the simplest."""
    files = sampled(images)
    patterns: Counter = Counter()
    heads = folder_patterns(files)
    for (head, suffix), group in heads.items():
        ends = endings([file.stem for file in group])
        for file in group:
            for before, after in ends.get(file.stem, [("", "")]):
                if before or not head.endswith("{folder}/"):  # else {name} has the folder: see `pairing`
                    patterns[f"{head}{before}{{name}}{after}{suffix}"] += 1
    patterns.update(per_image(files))
    if len({file.suffix for file in files}) > 1:
        patterns.update({re.sub(r"\.\w+$", ".*", pattern): 1 for pattern in list(patterns)})
    texts = [file.as_posix() for file in files]
    found: dict[tuple, Family] = {}
    for pattern in patterns:
        family = family_of(pattern, texts)
        if len(family.places) < 2 or not (family.single or family.several):
            continue
        key = (family.folders, *sorted((name, *places) for name, places in family.places.items()))
        if key not in found or found[key].simplicity < family.simplicity:
            found[key] = family
    order = sorted(found.values(), key=lambda family: (-len(family.places), -family.simplicity))
    most = len(order[0].places) if order else 0
    return [family for family in order if len(family.places) >= LEAST_SHARE * most][:MOST_FAMILIES]


def family_of(pattern: str, texts: Iterable[str]) -> Family:
    """Return the family of the files that a pattern takes."""
    shape, family = expression(pattern), Family(pattern)
    for text in texts:
        if match := shape.fullmatch(text):
            family.places.setdefault(name_of(match), []).append(text)
    return family


def folder_patterns(files: Sequence[PurePosixPath]) -> dict[tuple[str, str], list[PurePosixPath]]:
    """Return the files by (pattern of folders that begins a pattern, suffix): all ways to write their folders."""
    children: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for file in files:
        for i in range(len(file.parts) - 1):
            children[file.parts[:i]].add(file.parts[i])
    splitters = {parent: affixes(names) for parent, names in children.items()}
    heads: dict[tuple[str, str], list[PurePosixPath]] = defaultdict(list)
    for file in files:
        for head in set(heads_of(file.parts[:-1], children, splitters)):
            heads[head, file.suffix].append(file)
    return heads


def heads_of(parts: tuple[str, ...], children: dict, splitters: dict) -> Iterator[str]:
    """Yield the patterns that the folders of a file begin with; what they leave out becomes part of {name}."""
    for cut in range(len(parts) + 1):
        yield "".join(f"{part}/" for part in parts[:cut])
        for i in range(cut):
            ways = ["{folder}"] if len(children[parts[:i]]) > 1 or split_word(parts[i]) else []
            ways += [f"{a}{{folder}}{b}" for a, b in splitters[parts[:i]] if fits(parts[i], a, b)]
            for way in ways:
                own = [*parts[:i], way, *parts[i + 1 : cut]]
                value = parts[i] if way == "{folder}" else ""
                if value and any(value in part for part in parts[i + 1 : cut]):  # train/train-images
                    again = [part.replace(value, "*") for part in parts[i + 1 : cut]]
                    yield "".join(f"{part}/" for part in [*parts[:i], way, *again])
                yield "".join(f"{part}/" for part in own)
                if i + 1 < cut - 1 and len(children[parts[: i + 1]]) > 1:
                    yield "".join(f"{part}/" for part in [*parts[:i], way, "{folder}", *parts[i + 2 : cut]])


def fits(name: str, before: str, after: str) -> bool:
    """Tell whether a name begins and ends so, with something between."""
    return name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)


def affixes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return what stands around the parts that tell folders apart: of train_masks and test_masks, of 01_ST and 01."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    names = sorted(names)[:400]
    for name in names:
        for match in WORD.finditer(name):
            found[name[: match.start()], name[match.end() :]].add(match[0])
    if len(names) <= 60:
        for name in names:
            for other in names:
                if len(other) > len(name) and name in other:
                    before, _, after = other.partition(name)
                    found[before, after].add(name)
    return [ends for ends, words in found.items() if len(words) > 1 and any(ends)]


def endings(stems: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Return for each stem what may stand before and after its {name}: nothing, or what several stems have."""
    tails: Counter = Counter()
    starts: Counter = Counter()
    cuts = {stem: [m.start() for m in BOUNDARY.finditer(stem) if 0 < m.start() < code_start(stem)] for stem in stems}
    for stem, places in cuts.items():
        tails.update(generalised(stem[i:]) for i in places[-6:] if re.search("[A-Za-z]", stem[i:]))
        starts.update(stem[: m.end()] for m in BOUNDARY.finditer(stem) if re.search("[A-Za-z]", stem[: m.end()]))
    tails.update(stem[i:] for stem, places in cuts.items() for i in places[-1:] if stem[i:].strip("_-. ").isdigit())
    least = max(2, 0.04 * len(stems))
    tail_words = {
        tail
        for tail, count in tails.items()
        if count >= (least if re.search("[A-Za-z]", tail) else max(3, 0.9 * len(stems)))
    }
    start_words = {
        start for start, count in starts.items() if count >= max(2, 0.1 * len(stems)) and len(start) < LONGEST_START
    }
    found = {}
    for stem, places in cuts.items():
        after = [""] + [tail for i in places[-6:] if (tail := generalised(stem[i:])) in tail_words]
        numbered = re.sub(r"[_\-. ]*\d+$", "", stem)
        after += [tail + "*" for tail in tail_words if tail and numbered.endswith(tail) and "*" not in tail]
        before = [""] + [start for start in start_words if stem.startswith(start)]
        found[stem] = [(a, b) for a in before for b in after if len(stem) > len(a) + len(b.replace("*", ""))]
    return found


def generalised(tail: str) -> str:
    """Return an end of names with * for what differs: "_training" and "_test" are "_*", "_w1-9e84f49f" is "_w1-*"."""
    tail = tail[: code_start(tail)] + "*" if code_start(tail) < len(tail) else tail
    match = WORD.search(tail)
    return f"{tail[: match.start()]}*{tail[match.end() :]}" if match and split_word(tail) else tail


def code_start(stem: str) -> int:
    """Return where the code at the end of a name begins, digits and a to f, as each file has its own; or its end."""
    code = CODE.search(stem)
    is_code = code and re.search(r"\d", code[0]) and re.search("[a-fA-F]", code[0])
    return code.start() if code and is_code else len(stem)


def per_image(files: Sequence[PurePosixPath]) -> Counter:
    """Return patterns of folders that hold one image each: {name}/images/*.png."""
    names: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for file in files:
        for i in range(len(file.parts) - 1):
            names[file.parts[:i]].add(file.parts[i])
    alike = Counter((file.parent, re.sub(r"\d+", "0", file.name)) for file in files)
    found: Counter = Counter()
    for file in files:
        *folders, last = file.parts
        numbered = (
            alike[file.parent, re.sub(r"\d+", "0", last)] > 1
        )  # a0.png beside a1.png: several images, or channels
        for i, name in enumerate(folders):
            if len(names[file.parts[:i]]) < 3:
                continue
            inner = [part.replace(name, "*") for part in folders[i + 1 :]]
            stem = file.stem.replace(name, "*")
            ends = {last, f"{stem}{file.suffix}"} if not numbered else set()
            for end in ends | {f"*{file.suffix}"}:
                found["/".join([*folders[:i], "{name}", *inner, end])] += 1
    least = max(2, 0.01 * len(files))
    return Counter({pattern: count for pattern, count in found.items() if count >= least})
