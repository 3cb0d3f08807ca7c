"""Regions that are meant by words that are none: everyday names, other spellings, letters that are wrong.

Exact forms are in region_words; nothing here is used to decide what a file reports.
"""

from __future__ import annotations

import csv
import functools
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

_Costs: TypeAlias = npt.NDArray[np.float64]

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "neuroconv": "the aliases of neuroconv's term set of the mouse brain (mouse_brain_atlas.yaml)",
        "Paxinos": "an abbreviation of Paxinos and Franklin, The Mouse Brain in Stereotaxic Coordinates",
        "ontology": "the ontology's own name in other words, such as cortex for areas",
        "usage": "common use in publications; the regions are those of the structure of this name",
    }
)
"""Where the rows of everyday_names.csv come from."""

_SPELLINGS = (("gray", "grey"), ("oe", "e"), ("ae", "e"), ("fibre", "fiber"))
"""British, American and Latin spellings that are made alike: gray and grey, coeruleus and ceruleus."""

_LONGEST = 120
"""Characters of a text that is looked for by likeness."""

_SHORTEST = 4
"""Letters of a word of a name in which one may be wrong."""

_NEAR_SHARE = 0.34
"""A text is near if at most this share of its letters is wrong; one letter may always be."""


class Everyday(NamedTuple):
    """An everyday name: the regions that it can mean, by acronym, and a key of `SOURCES`."""

    name: str
    acronyms: tuple[str, ...]
    source: str


@functools.cache
def _everyday_names() -> Mapping[str, Everyday]:
    with Path(__file__).with_name("everyday_names.csv").open(encoding="utf-8", newline="") as file:
        return {
            folded(row["name"]): Everyday(row["name"], _acronyms(row["regions"]), row["source"])
            for row in csv.DictReader(file)
        }


def _acronyms(text: str) -> tuple[str, ...]:
    return (text,) if text == "fiber tracts" else tuple(text.split())


def everyday(text: str) -> Everyday | None:
    """The everyday name that a text is, in any case and spelling; None if it is none."""
    return _everyday_names().get(folded(text))


def folded(text: str) -> str:
    """A text in lower case without accents and punctuation, in one spelling: ``locus ceruleus``."""
    plain = _plain(text)
    for one, other in _SPELLINGS:
        plain = plain.replace(one, other)
    return plain


@functools.lru_cache(maxsize=8192)
def _plain(text: str) -> str:
    """A text in lower case without accents and punctuation."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae"))
    kept = (" " if not c.isalnum() else c for c in letters if not unicodedata.combining(c))
    return " ".join("".join(kept).split())


def nearest(text: str, acronyms: Sequence[str], names: Sequence[str], most: int = 5) -> list[int]:
    """The regions whose acronym or name is nearest to a text, the nearest first.

    A region is as far as letters have to be replaced, inserted, left out or exchanged with the next, in its
    acronym, its name or, word by word, those words of its name that are nearest. Among equals, one in the
    same case, of the same length and with the same first letter comes first.

    Args:
        text: what was written.
        acronyms: of the regions, one each.
        names: full names, one each, in the order of the acronyms.
        most: how many regions are wanted.

    Returns:
        Indices of regions; none if none is near.
    """
    short, plain = text.strip()[:_LONGEST], _plain(text[:_LONGEST])
    if not plain or not acronyms:
        return []
    low = [acronym.lower() for acronym in acronyms]
    plain_names = [_plain(name) for name in names]
    by_acronym = distances(short.lower(), low)
    by_name = distances(plain, plain_names)
    by_words, words_left = _by_words(plain.split(), [name.split() for name in plain_names])
    cost = np.minimum(np.minimum(by_acronym, by_name), by_words)
    as_acronym, as_name = by_acronym == cost, by_name == cost
    form = [acronym if by else name for by, acronym, name in zip(as_acronym, low, plain_names, strict=True)]
    asked = [short.lower() if by else plain for by in as_acronym]
    keys = [  # the last one is the first to decide
        words_left,
        [each[:1] != text[:1] for each, text in zip(form, asked, strict=True)],
        [abs(len(each) - len(text)) for each, text in zip(form, asked, strict=True)],
        np.where(as_acronym, distances(short, acronyms), 0),
        ~(as_acronym | as_name),
        cost,
    ]
    order = np.lexsort([np.asarray(key, dtype=np.float64) for key in keys])
    near = cost <= max(1.0, _NEAR_SHARE * len(plain))
    return [int(i) for i in order if near[i]][:most]


def _by_words(asked: Sequence[str], names: Sequence[Sequence[str]]) -> tuple[_Costs, _Costs]:
    """The distance of each name's nearest words from those asked for, and how many words it has more."""
    known = sorted({word for name in names for word in name})
    index = {word: i for i, word in enumerate(known)}
    longest = max((len(name) for name in names), default=0) or 1
    of_name = np.full((len(names), longest), len(known))
    for row, name in enumerate(names):
        of_name[row, : len(name)] = [index[word] for word in name]
    total = np.zeros(len(names))
    for word in asked:
        away = np.append(distances(word, known), np.inf)
        if len(word) < _SHORTEST:  # one letter of few makes another word
            away[away > 0] = np.inf
        total += away[of_name].min(axis=1)
    return total, np.array([max(len(name) - len(asked), 0) for name in names], dtype=np.float64)


def distances(text: str, known: Sequence[str]) -> _Costs:
    """How many letters differ between a text and each of others (optimal string alignment).

    A letter replaced, inserted or left out counts 1, and so do two neighbours that are exchanged.

    Args:
        text: the text.
        known: the others.

    Returns:
        Shape (len(known),), float64.
    """
    longest = max(map(len, known), default=0)
    letters = np.zeros((len(known), longest), dtype=np.int32)
    for row, word in enumerate(known):
        letters[row, : len(word)] = [ord(letter) for letter in word]
    steps = np.arange(longest + 1, dtype=np.float64)
    before, row_of = np.full((len(known), longest + 1), np.inf), np.tile(steps, (len(known), 1))
    for i, letter in enumerate(map(ord, text)):
        following = np.empty_like(row_of)
        following[:, 0] = i + 1
        following[:, 1:] = np.minimum(row_of[:, 1:] + 1, row_of[:, :-1] + (letters != letter))
        if i:
            exchanged = (letters[:, 1:] == ord(text[i - 1])) & (letters[:, :-1] == letter)
            following[:, 2:] = np.where(
                exchanged, np.minimum(following[:, 2:], before[:, :-2] + 1), following[:, 2:]
            )
        # Letters inserted one after another: the least of all beginnings, each a step further away.
        following = np.minimum.accumulate(following - steps, axis=1) + steps
        before, row_of = row_of, following
    found: _Costs = row_of[np.arange(len(known)), [len(word) for word in known]]
    return found
