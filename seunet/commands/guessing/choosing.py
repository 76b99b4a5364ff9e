"""The likeliest guess at images and masks whose files look like what they are taken for."""

import re
from collections.abc import Sequence
from pathlib import Path

from seunet.commands.guessing.appearance import are_masks, kind_of_masks
from seunet.commands.guessing.families import Family
from seunet.commands.guessing.folder_scan import FolderScan
from seunet.commands.guessing.no_pairs import nothing_found
from seunet.commands.guessing.pairing import IMAGE_WORDS, Candidate, has, less, rest_of, sureness
from seunet.runtime.errors import UserError

WITHIN = 6.0  # of the worth of the likeliest guess, for another to be taken where its files look wrong


def chosen(guesses: Sequence[Candidate], found: FolderScan, groups: Sequence[Family]) -> tuple[Candidate, str]:
    """Return the likeliest guess whose masks look like masks, and the kind of the masks; UserError if none does."""
    problem: UserError | None = None
    flat: tuple[Candidate, str] | None = None  # images of few colours: only where there are no others
    for guess in guesses:
        if guess.worth < guesses[0].worth - WITHIN:
            break
        images, masks = paths_of(guess, found.root)
        try:
            kind = kind_of_masks(masks)
        except UserError as error:
            problem = problem or error
            continue
        own, others = guess.images.literal, guess.masks.literal
        words, mask_words = rest_of(own, others), rest_of(others, own)
        named = has(IMAGE_WORDS, words) or sureness(mask_words)
        suspect = sureness(words) or less(words) or not named
        if not kind and sureness(mask_words):
            problem = problem or UserError(
                f"{masks[0]}: by its name the mask of {images[0].name}, but it has too many values or colours for "
                "a mask; smoothed edges and JPEG add colours: save masks anew without"
            )
        if not kind or (flat and guess.masks is not flat[0].masks):
            continue
        if not are_masks(images):
            return widened(guess, groups), kind
        if not suspect:
            flat = flat or (guess, kind)
    if flat:
        return flat
    raise problem or nothing_found(found)


def widened(guess: Candidate, groups: Sequence[Family]) -> Candidate:
    """Return a guess with masks numbered on, a_mask.png and a_mask_1.png, where there are some."""
    head, _, suffix = guess.masks.pattern.rpartition(".")
    for family in groups:
        numbered = all(re.search(rf"{re.escape(head[-1])}[_\-. ]*\d*\.{suffix}$", file) for file in family.files)
        if family.pattern == f"{head}*.{suffix}" and family.files > guess.masks.files and numbered:
            return Candidate(guess.images, family, guess.names)
    return guess


def paths_of(guess: Candidate, root: Path) -> tuple[list[Path], list[Path]]:
    """Return the images of a guess, and the first mask of each."""
    names = sorted(guess.names)
    return [root / guess.images.places[n][0] for n in names], [root / guess.masks.places[n][0] for n in names]
