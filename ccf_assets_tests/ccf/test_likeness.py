"""Words that are no region find the one that is meant: everyday names, spellings, wrong letters."""

from __future__ import annotations

import csv
import itertools
import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.ccf import likeness
from ccf_assets.ccf.likeness import SOURCES, distances, everyday, folded, nearest


@pytest.fixture(scope="module")
def structures(ccf_data: Callable[[str], Path]) -> list[dict[str, str]]:
    """Every structure of the real ontology."""
    with ccf_data("ontology/structure_graph.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def near(structures: list[dict[str, str]]) -> Callable[[str], list[str]]:
    """The acronyms of the regions nearest to a text, in the real ontology."""
    acronyms, names = ([row[key] for row in structures] for key in ("acronym", "name"))

    def near(text: str) -> list[str]:
        return [acronyms[i] for i in nearest(text, acronyms, names)]

    return near


def one_letter_wrong(word: str, dice: random.Random) -> str:
    place = dice.choice([i for i, letter in enumerate(word) if letter.isalpha()])
    other = dice.choice([c for c in string.ascii_lowercase if c != word[place].lower()])
    return word[:place] + (other.upper() if word[place].isupper() else other) + word[place + 1 :]


def textbook(one: str, other: str) -> int:
    """Optimal string alignment, letter by letter."""
    cost = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i, j in itertools.product(range(1, len(one) + 1), range(1, len(other) + 1)):
        cost[i, j] = min(
            cost[i - 1, j] + 1, cost[i, j - 1] + 1, cost[i - 1, j - 1] + (one[i - 1] != other[j - 1])
        )
        if i > 1 and j > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
            cost[i, j] = min(cost[i, j], cost[i - 2, j - 2] + 1)
    return cost[len(one), len(other)]


@given(st.text("abcé", max_size=7), st.lists(st.text("abcé", max_size=7), max_size=5))
def test_the_distance_is_the_textbooks(text: str, known: list[str]) -> None:
    assert distances(text, known).tolist() == [textbook(text, each) for each in known]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("form", ["name", "safe_name"])
def test_a_name_with_one_letter_wrong_finds_its_region_among_the_first_three(
    structures: list[dict[str, str]], near: Callable[[str], list[str]], form: str, seed: int
) -> None:
    dice = random.Random(seed)
    for row in dice.sample(structures, 20):
        assert row["acronym"] in near(one_letter_wrong(row[form], dice))[:3]


def test_an_acronym_with_one_letter_wrong_finds_its_region_unless_too_many_are_as_near(
    structures: list[dict[str, str]], near: Callable[[str], list[str]]
) -> None:
    dice = random.Random(1)
    long = [row["acronym"] for row in structures if len(row["acronym"]) > 3]
    found = [acronym in near(one_letter_wrong(acronym, dice))[:3] for acronym in dice.sample(long, 100)]
    assert sum(found) >= 95


def test_a_word_of_a_name_finds_regions_with_this_word(
    structures: list[dict[str, str]], near: Callable[[str], list[str]]
) -> None:
    named = {row["acronym"]: row["safe_name"].lower() for row in structures}
    for wrong, word in (("parabrachail", "parabrachial"), ("Moeor", "motor"), ("visaul", "visual")):
        found = near(wrong)[:3]
        assert found
        assert all(word in named[acronym] for acronym in found)


@pytest.mark.parametrize("text", ["", " ", "zzzz", "?!", "x" * 5000, "电极"])
def test_what_is_near_to_nothing_finds_nothing(near: Callable[[str], list[str]], text: str) -> None:
    assert near(text) == []


@pytest.mark.parametrize(
    ("text", "acronyms"),
    [
        ("V1", ("VISp",)),
        ("v1", ("VISp",)),
        ("hippocampus", ("HIP", "HPF")),
        ("Visual  Cortex", ("VIS",)),
        ("locus coeruleus", ("LC",)),
        ("locus cœruleus", ("LC",)),
        ("NAc", ("ACB",)),
        ("periaqueductal gray", ("PAG",)),
    ],
)
def test_an_everyday_name_is_known_in_any_case_and_spelling(text: str, acronyms: tuple[str, ...]) -> None:
    found = everyday(text)
    assert found is not None
    assert found.acronyms == acronyms


def test_every_everyday_name_is_of_regions_that_there_are_and_has_a_source(
    structures: list[dict[str, str]],
) -> None:
    acronyms = {row["acronym"] for row in structures}
    with Path(likeness.__file__).with_name("everyday_names.csv").open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert len(names) > 200
    for name in names:
        found = everyday(name)
        assert found is not None
        assert set(found.acronyms) <= acronyms
        assert found.source in SOURCES


def test_spellings_are_made_alike() -> None:
    assert folded("Periaqueductal gray") == folded("periaqueductal GREY")
    assert folded("Field CA1, stratum  oriens") == "field ca1 stratum oriens"
