"""Other files for the same images: masks of further classes, the field of view, and what is not used."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from seunet.commands.guessing.appearance import inside, overlap, some
from seunet.commands.guessing.families import Family
from seunet.commands.guessing.folder_scan import split_word
from seunet.commands.guessing.pairing import MASK_WORDS, Candidate, has, less, rest_of, words_of

VALID_WORDS = ("fov", "roi", "valid", "mask")
COVERS, CONTAINS = 0.4, 0.5  # shares: of the image in its field of view, of the objects that lie in it
# Share of a mask's pixels in another one, at most, for masks of two classes: more where names differ in words alone, as
# _leaf and _stem do; two annotators' masks of one class share more.
APART, APART_IN_WORDS = 0.05, 0.5
# Shares of a part's pixels in the whole, at least, and of the whole's in a part, at most.
PART_OF, LARGER = 0.95, 0.7


def companions(best: Candidate, groups: Sequence[Family]) -> list[Candidate]:
    """Return the other families that have files for the same images, the likeliest first, no file twice."""
    guesses = []
    for family in groups:
        shared = frozenset(family.places) & frozenset(best.images.places)
        guess = Candidate(best.images, family, shared)
        if len(shared) >= max(2, 0.8 * len(family.places)) and all(guess.patterns) and family.single:
            guesses.append(guess)
    found, taken = [], set(best.images.files | best.masks.files)
    own = best.images.files - best.masks.files
    for guess in sorted(guesses, key=lambda guess: (-guess.worth, len(guess.masks.pattern))):
        inside_images = guess.masks.files <= own and guess.masks.files != own
        if not (guess.masks.files & (taken - own)) and (inside_images or not guess.masks.files & taken):
            found.append(guess)
            taken |= guess.masks.files
            own -= guess.masks.files
    return found


def sorted_out(
    best: Candidate, others: Sequence[Candidate], root: Path
) -> tuple[str | dict[str, str], str | None, list[Candidate]]:
    """Return the masks' pattern (or one for each class), that of the fields of view, and what is neither."""
    classes, valid, unused = [best], None, []
    for other in others:
        shares = lying(best, other, root)
        words = rest_of(other.masks.literal, best.masks.literal)
        inside_it = shares is not None and shares[0] >= CONTAINS and shares[2] >= COVERS
        if inside_it and valid is None and has(VALID_WORDS, words) and best.names <= other.names:
            valid = other
        elif are_alike(best, other) and all(are_apart(one, other, root) for one in classes):
            classes.append(other)
        else:
            unused.append(other)
    pattern: str | dict[str, str] = best.patterns[1]
    if len(classes) > 1:
        named = dict(zip(class_words(classes), classes, strict=True))
        areas = {name: -area(guess, root) if nested(classes, root) else 0.0 for name, guess in named.items()}
        pattern = {name: named[name].patterns[1] for name in sorted(named, key=lambda name: (areas[name], name))}
    elif best.masks.several and "/{name}" not in f"/{best.masks.pattern.rpartition('/')[0]}":
        pattern = {"object": best.patterns[1]}
    return pattern, valid.patterns[1] if valid else None, unused


def are_alike(one: Candidate, other: Candidate) -> bool:
    """Tell whether two kinds of masks are as sure, and of files of one kind."""
    first, second = one.masks.literal, other.masks.literal
    return (
        not less(rest_of(second, first))
        and split_word(first) == split_word(second)
        and PurePosixPath(one.masks.pattern).suffix == PurePosixPath(other.masks.pattern).suffix
    )


def are_apart(one: Candidate, other: Candidate, root: Path) -> bool:
    """Tell whether masks of two families lie apart, as those of two classes do."""
    first, second = one.masks.literal, other.masks.literal
    words = f"{rest_of(first, second)} {rest_of(second, first)}"
    in_words = re.fullmatch(r"[a-z]+ [a-z]+", words) is not None and not has(MASK_WORDS, words)
    shares = lying(one, other, root)
    if shares is None:
        return False
    is_part = max(shares[:2]) >= PART_OF and min(shares[:2]) <= LARGER  # the cup in the disc
    return max(shares[:2]) <= (APART_IN_WORDS if in_words else APART) or (in_words and is_part)


def nested(classes: Sequence[Candidate], root: Path) -> bool:
    """Tell whether masks of some classes lie on others, so that the largest have to come first."""
    pairs = [(one, other) for one in classes for other in classes if one is not other]
    return any((shares := lying(one, other, root)) is not None and max(shares[:2]) > APART for one, other in pairs)


def area(guess: Candidate, root: Path) -> float:
    """Return the mean number of pixels in a few masks of a class."""
    files = some([root / guess.masks.places[name][0] for name in sorted(guess.names)], 8)
    return sum(float(part.sum()) for file in files if (part := inside(file)) is not None) / len(files)


def lying(one: Candidate, other: Candidate, root: Path) -> tuple[float, float, float] | None:
    """Return how the masks of two guesses lie on each other, see `overlap`; None where they share no image."""
    names = sorted(one.names & other.names)
    if not names:
        return (0.0, 0.0, 0.0) if inside(root / next(iter(other.masks.files))) is not None else None
    names = [name for name in names if len(one.masks.places[name]) == 1]
    chosen_names = [str(path) for path in some([Path(name) for name in names], 8)] if names else []
    first = [root / one.masks.places[name][0] for name in chosen_names]
    return overlap(first, [root / other.masks.places[name][0] for name in chosen_names]) if names else None


def class_words(classes: Sequence[Candidate]) -> list[str]:
    """Return a name for each class: the longest word that its pattern alone has."""
    literals = [re.sub(r"[{}*]", " ", guess.masks.literal) for guess in classes]
    names = []
    for i, literal in enumerate(literals):
        others = " ".join(literals[:i] + literals[i + 1 :])
        words = [word for word in rest_of(literal, others).split() if not word.isdigit()]
        longest = max(words, key=len, default=f"class{i + 1}")
        parts = [words_of(part) for part in literal.split("/")]
        whole = next((part for part in parts if longest in part), [longest])  # nutrient_deficiency, not deficiency
        name = "_".join(word for word in whole if word in words or word == longest)
        names.append(name if name not in names else f"{name}{i + 1}")
    return names
