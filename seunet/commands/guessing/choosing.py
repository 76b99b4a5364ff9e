"""The likeliest guess at images and masks whose files look like what they are taken for."""

import re
from collections.abc import Sequence
from pathlib import Path

from seunet.commands.guessing.appearance import are_masks, kind_of_masks, one_value, some
from seunet.commands.guessing.families import Family
from seunet.commands.guessing.folder_scan import FolderScan
from seunet.commands.guessing.no_pairs import nothing_found
from seunet.commands.guessing.pairing import IMAGE_WORDS, Candidate, has, less, marks, rest_of, sureness
from seunet.runtime.errors import UserError

WITHIN = 6.0  # of the worth of the likeliest guess, for another to be taken where its files look wrong
READ = 40  # masks of a guess, at most, to see that all of them are empty


def chosen(guesses: Sequence[Candidate], found: FolderScan, groups: Sequence[Family]) -> tuple[Candidate, str]:
    """Return the likeliest guess whose masks look like masks, and the kind of the masks; UserError if none does."""
    problem: UserError | None = None  # of files that are masks by their names
    doubt: UserError | None = None  # of others
    flat: tuple[Candidate, str] | None = None  # images of few colours: only where there are no others
    likely = [guess for guess in guesses if not has_markers(guess)]
    if guesses and has_markers(guesses[0]):
        doubt = UserError(
            f"{paths_of(guesses[0], found.root)[1][0]}: by its name it marks objects (tracking, centres) without their "
            "outlines; masks of all their pixels are needed"
        )
    for guess in likely:
        if guess.worth < likely[0].worth - WITHIN:
            break
        images, masks = paths_of(guess, found.root)
        own, others = guess.images.literal, guess.masks.literal
        words, mask_words = rest_of(own, others), rest_of(others, own)
        try:
            kind = kind_of_masks(masks)
            if kind and all(map(one_value, some(masks))) and all(map(one_value, some(masks, READ))):
                raise UserError(f"{masks[0].parent}: masks of one value alone; at least two classes are needed")
        except UserError as error:
            problem = problem or (error if sureness(mask_words) else None)
            doubt = doubt or error
            continue
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
        doubt = doubt or UserError(
            f"{found.root}: no images with masks found: {images[0].relative_to(found.root)} and "
            f"{masks[0].relative_to(found.root)}, which have like names, both look like masks; name a folder that has "
            "the images, too"
        )
    if flat:
        return flat
    raise problem or nothing_found(found, doubt)


def has_markers(guess: Candidate) -> bool:
    """Tell whether masks of a guess mark objects without their outlines, by their names."""
    return marks(rest_of(guess.masks.literal, guess.images.literal))


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
