"""The ABC atlas's terms: parcellation_to_parcellation_term_membership.csv, a row per index and level.

Its volumes hold parcellation indices. Each index has a term in each term set (organ, category, division,
structure, substructure); the graph is made of these lines of terms:

- The deepest term of an index is the structure with that index as its id, so the volume stays as it is.
- A term that is only above others gets a made id. One that is the deepest of several indices gets one, too,
  and each index is a structure below it.
- Neighbouring levels with the same acronym and name are one structure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ccf_assets.ccf.ontologies import entries
from ccf_assets.ccf.ontologies.entries import Entry
from ccf_assets.ccf.ontologies.graph import made_id
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted, listed

TERMS = "ABC parcellation terms"

_COLUMNS = frozenset({"parcellation_index", "parcellation_term_set_name"})

_KNOWN_ORDER = ("organ", "category", "division", "structure", "substructure")

_RGB = ("red", "green", "blue")


@dataclass(frozen=True)
class _Term:
    acronym: str
    name: str
    color: str = field(compare=False)  # the same term, however it is painted


def is_terms(columns: Sequence[str]) -> bool:
    """Whether these are the columns of the table of terms."""
    return set(columns) >= _COLUMNS and bool(
        {"parcellation_term_acronym", "parcellation_term_name"} & set(columns)
    )


def read_terms(path: Path, rows: pl.DataFrame) -> tuple[list[Entry], list[str]]:
    """The structures of the table of terms, depth-first, and a sentence for each thing made or changed.

    Args:
        path: the file, for a sentence.
        rows: its columns as text.

    Raises:
        CcfError: a row has no index, term set or term; an index has two terms in a set; the order of the term
            sets is not known; a colour is invalid.
    """
    terms, outside = _terms(path, rows)
    order = _levels(path, rows)
    notes = ["The index 0 is the outside of the brain: left out."] if outside else []
    lines: dict[int, tuple[_Term, ...]] = {}
    same = 0
    for index, by_level in terms.items():
        every = [by_level[level] for level in order if level in by_level]
        line = [term for above, term in zip([None, *every], every, strict=False) if term != above]
        same += len(line) < len(every)
        lines[index] = tuple(line)
    if same:
        notes.append(
            f"The same term at neighbouring levels, in {counted(same, 'index', 'indices')}: one structure."
        )
    return _structures(lines, notes), notes


def _terms(path: Path, rows: pl.DataFrame) -> tuple[dict[int, dict[str, _Term]], bool]:
    """Index → term set → term, in the file's order, and whether there was an index 0."""
    found: dict[int, dict[str, _Term]] = {}
    outside = False
    for number, row in entries.numbered(rows):
        acronym = (row.get("parcellation_term_acronym") or "").strip()
        name = (row.get("parcellation_term_name") or "").strip()
        who = entries.row_name(f"row {number}", acronym or name)
        what = "parcellation_index"
        index = entries.region_id(path, row[what], who, what=what, smallest=0)
        if index == 0:
            outside = True
            continue
        level = (row["parcellation_term_set_name"] or "").strip()
        if not level or not (acronym or name):
            raise CcfError(f"{path}: {who} has no parcellation_{'term name' if level else 'term_set_name'}.")
        rgb = [row[each] for each in _RGB] if set(_RGB) <= row.keys() else []
        color = entries.color(path, row.get("color_hex_triplet"), rgb, who)
        term = _Term(acronym, name, color)
        one = found.setdefault(index, {}).setdefault(level, term)
        if one != term:
            raise CcfError(
                f"{path}: the index {index} has two terms in the term set {level:.40}: "
                f"{one.acronym or one.name:.60} and {acronym or name:.60}."
            )
    return found, outside


def _levels(path: Path, rows: pl.DataFrame) -> list[str]:
    """The term sets from the top down: by term_set_order, or as the ABC atlas has them."""
    pairs = rows.select(
        pl.col("parcellation_term_set_name").str.strip_chars(),
        pl.col("term_set_order")
        if "term_set_order" in rows.columns
        else pl.lit(None, pl.String).alias("order"),
    ).unique(maintain_order=True)
    levels: dict[str, int | None] = {}
    for name, order in pairs.iter_rows():
        if name is None or (name in levels and levels[name] == entries.whole_number(order)):
            continue
        if name in levels:
            raise CcfError(f"{path}: the term set {name:.40} has more than one term_set_order.")
        levels[name] = entries.whole_number(order)
    known = [order for order in levels.values() if order is not None]
    if len(known) == len(levels) and len(set(known)) == len(known):
        return sorted(levels, key=lambda name: levels[name] or 0)
    if not set(levels) <= set(_KNOWN_ORDER):
        raise CcfError(
            f"{path}: the order of the term sets {listed([f'{name:.40}' for name in levels])} is not known; "
            "give each a whole number in the column term_set_order, from the top down."
        )
    return [name for name in _KNOWN_ORDER if name in levels]


def _structures(lines: Mapping[int, tuple[_Term, ...]], notes: list[str]) -> list[Entry]:
    """Each different beginning of a line is a structure; its id is the index that ends there, if one does."""
    ends = Counter(lines.values())
    taken = set(lines)
    id_of: dict[tuple[_Term, ...], int] = {line: index for index, line in lines.items() if ends[line] == 1}
    found: list[Entry] = []
    made: list[str] = []
    several: list[str] = []
    seen: set[tuple[_Term, ...]] = set()
    for index, line in lines.items():
        for length in range(1, len(line) + 1):
            here, term = line[:length], line[length - 1]
            if here in seen:
                continue
            seen.add(here)
            is_made = here not in id_of
            if is_made:
                key = "/".join(f"{each.acronym}|{each.name}" for each in here)
                id_of[here] = made_id(key, taken)
                taken.add(id_of[here])
                made.append(f"{term.acronym or term.name:.40} ({id_of[here]})")
            found.append(
                Entry(
                    id_of[here],
                    parent_id=id_of[here[:-1]] if length > 1 else None,
                    acronym=term.acronym,
                    name=term.name,
                    color=term.color,
                    made=is_made,
                )
            )
        if ends[line] > 1:
            term = line[-1]
            several.append(str(index))
            acronym = f"{term.acronym or term.name} ({index})"
            name = f"{term.name or term.acronym} ({index})"
            found.append(Entry(index, parent_id=id_of[line], acronym=acronym, name=name, color=term.color))
    if made:
        whose = (
            "1 term above others gets an id"
            if len(made) == 1
            else f"{len(made):,} terms above others get ids"
        )
        notes.append(f"{whose} made here: {listed(made)}.")
    if several:
        notes.append(
            f"{counted(len(several), 'index', 'indices')} ({listed(several)}) share their deepest term with "
            "others: each is a structure of its own below it, named with the index."
        )
    return found
