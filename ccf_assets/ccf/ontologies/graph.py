"""From the structures of a file to the one graph: one root, paths, and a sentence for whatever was made.

What a file leaves open is filled in here, the same for every form; nothing is filled in without a note.
"""

from __future__ import annotations

import colorsys
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from ccf_assets.ccf.ontologies.entries import LOST, Entry, shown
from ccf_assets.ccf.ontology import LONGEST_TEXT
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted, listed

MOST_STRUCTURES = 100_000
"""The largest ontologies have some thousands."""

DEEPEST = 200
"""Levels; the Allen Institute's has 11."""

SCHEMA = pl.Schema(
    {
        "region_id": pl.Int64(),
        "parent_id": pl.Int64(),
        "depth": pl.Int64(),
        "structure_order": pl.Int32(),
        "acronym": pl.String(),
        "region_name": pl.String(),
        "full_name": pl.String(),
        "color_hex": pl.String(),
        "path": pl.String(),
    }
)
"""As `ontology.read_structure_graph` returns."""

_LOWEST_MADE, _MADE = 1_000_000_000, 1_000_000_000


def made_id(key: str, taken: Collection[int]) -> int:
    """An id for a structure that has none: 1,000,000,000 to 1,999,999,999, drawn from ``key``.

    The same key always gives the same id, so that a later version of a file changes few of them. Not the next
    number after the file's: a voxel whose label the file lacks could have that one.
    """
    place = zlib.crc32(key.encode("utf-8", "replace")) % _MADE
    while place + _LOWEST_MADE in taken:
        place = (place + 1) % _MADE
    return place + _LOWEST_MADE


def graph_of(path: Path, given: Sequence[Entry]) -> tuple[pl.DataFrame, list[str]]:
    """The graph of a file's structures, which passes `ontology.check_structure_graph`.

    Args:
        path: the file, for a sentence.
        given: its structures, in its order.

    Returns:
        The rows (`SCHEMA`) in the file's order, a made root first; a sentence for each thing made or changed.

    Raises:
        CcfError: there are no structures, too many or too deep ones; an id stands for two structures; parents
            run in a circle; a text is too long or not printable.
    """
    if len(given) > MOST_STRUCTURES:
        raise CcfError(
            f"{path} has more than {MOST_STRUCTURES:,} structures, so it is no ontology of a brain."
        )
    if not given:
        raise CcfError(f"{path} names no structure.")
    notes: list[str] = []
    entries = _named(_once(path, given, notes), notes)
    _refuse_texts(path, entries)
    entries = _below_one_root(entries, notes)
    lines, place_of = _paths(path, entries)
    entries = _ordered(entries, place_of, notes)
    acronyms = _unique_acronyms(entries, notes)
    without = [each for each in entries if not each.color]
    if without:
        gets = "it gets one" if len(without) == 1 else "each gets one"
        has = "has" if len(without) == 1 else "have"
        notes.append(
            f"{counted(len(without), 'structure')} {has} no colour: {gets} that follows from its id."
        )
    rows = [
        (
            each.region_id,
            each.parent_id,
            len(line) - 1,
            each.order,
            acronym,
            each.safe_name or each.name,
            each.name,
            each.color or _color(each.region_id),
            f"/{'/'.join(map(str, line))}/",
        )
        for each, acronym, line in zip(entries, acronyms, lines, strict=True)
    ]
    graph = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    _refuse_long(path, graph)
    return graph, notes


def _once(path: Path, given: Sequence[Entry], notes: list[str]) -> list[Entry]:
    """Each structure once; a repeated one must be the same."""
    first: dict[int, Entry] = {}
    repeated: list[Entry] = []
    for each in given:
        one = first.setdefault(each.region_id, each)
        if one is each:
            continue
        if (one.name, one.acronym, one.parent_id) != (each.name, each.acronym, each.parent_id):
            if (one.name, one.acronym) == (each.name, each.acronym):
                differ = (
                    f"below {one.parent_id or 'no structure'} and below {each.parent_id or 'no structure'}"
                )
            else:
                names = (" ".join((e.name or e.acronym or "no name").split()) for e in (one, each))
                differ = " and ".join(f"{name:.60}" for name in names)
            raise CcfError(
                f"{path}: the id {each.region_id} occurs twice, for different structures: {differ}."
            )
        repeated.append(each)
    if repeated:
        notes.append(f"{_are(repeated, 'occurs', 'occur')} more than once: the first row is used.")
    return list(first.values())


def _named(entries: list[Entry], notes: list[str]) -> list[Entry]:
    """Every structure with a name and an acronym."""
    nothing = [each for each in entries if not each.acronym and not each.name]
    no_name = [each for each in entries if each.acronym and not each.name]
    no_acronym = [each for each in entries if each.name and not each.acronym]
    for missing, what, stand in (
        (nothing, "neither acronym nor name", ("its id stands", "their ids stand")),
        (no_name, "no name", ("its acronym stands", "their acronyms stand")),
        (no_acronym, "no acronym", ("its name stands", "their names stand")),
    ):
        if missing:
            few = len(missing) == 1
            have = f"{counted(len(missing), 'structure')} {'has' if few else 'have'}"
            notes.append(f"{have} {what}: {stand[not few]} for {'it' if few else 'them'}.")
    return [
        replace(
            each,
            acronym=each.acronym or each.name or str(each.region_id),
            name=each.name or each.acronym or str(each.region_id),
        )
        for each in entries
    ]


def _refuse_texts(path: Path, entries: list[Entry]) -> None:
    for each in entries:
        for value in (each.acronym, each.name, each.safe_name):
            # Cs: halves of characters, which JSON can name and UTF-8 cannot hold.
            if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
                raise CcfError(
                    f"{path}: the acronym or name of {_of(each)} has a control character, or half of another."
                )


def _refuse_long(path: Path, graph: pl.DataFrame) -> None:
    for name in ("acronym", "region_name", "full_name"):
        long = graph.filter(pl.col(name).str.len_bytes() > LONGEST_TEXT)
        if not long.is_empty():
            who = [shown(acronym, i) for acronym, i in long.select("acronym", "region_id").iter_rows()]
            raise CcfError(f"{path}: an acronym or a name has more than {LONGEST_TEXT} bytes: {listed(who)}.")


def _below_one_root(entries: list[Entry], notes: list[str]) -> list[Entry]:
    """Every structure but one below another: those without a parent below the root, which may be made here.

    If all parents run in circles there is no root; `_paths` finds that.
    """
    ids = {each.region_id for each in entries}
    tops = [each for each in entries if each.parent_id is None]
    orphans = [each for each in entries if each.parent_id is not None and each.parent_id not in ids]
    ends = tops or orphans
    called = [each for each in ends if "root" in (each.acronym.lower(), each.name.lower())]
    root = ends[0] if len(ends) == 1 else called[0] if len(called) == 1 else None
    if len(tops) + len(orphans) <= 1 and not orphans:
        return entries
    flat = len(tops) == len(entries)
    if root is None:
        root_id = made_id("root", ids)
        taken = any(each.acronym == "root" for each in entries)
        acronym = f"root ({root_id})" if taken else "root"
        root = Entry(root_id, acronym=acronym, name="root", color=_color(root_id), made=True)
        where = f"one root, made here (id {root.region_id}, acronym {root.acronym})"
        entries = [root, *entries]
    else:
        where = f"the file's own structure {_of(root)}"
    below_root = {each.region_id for each in (*tops, *orphans)} - {root.region_id}
    if flat:
        others = f"{'all' if root.made else 'the other'} {counted(len(below_root), 'structure')}"
        are = "is" if len(below_root) == 1 else "are"
        notes.append(f"The file names no parents: {others} {are} below {where}.")
    elif len(tops) > 1:
        no_parent = [each for each in tops if each is not root]
        notes.append(f"{_are(no_parent, 'has', 'have')} no parent: put below {where}.")
    if orphans:
        put = "it is the root" if len(ends) == 1 and root in orphans else f"put below {where}"
        lost = sorted({each.parent_id for each in orphans if each.parent_id} - {LOST})
        which = f" ({listed([str(i) for i in lost])})" if lost else ""
        notes.append(f"{_are(orphans, 'names', 'name')} a parent that is not in the file{which}: {put}.")
    return [
        replace(each, parent_id=None)
        if each.region_id == root.region_id
        else replace(each, parent_id=root.region_id)
        if each.region_id in below_root
        else each
        for each in entries
    ]


def _paths(path: Path, entries: list[Entry]) -> tuple[list[tuple[int, ...]], dict[int, int]]:
    """The ids from the root down to each structure, and each one's place depth-first."""
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for each in entries:
        children[each.parent_id].append(each.region_id)
    line_of: dict[int, tuple[int, ...]] = {}
    left: list[tuple[int, tuple[int, ...]]] = [(i, ()) for i in children[None]]
    place_of: dict[int, int] = {}
    while left:
        i, above = left.pop()
        line_of[i] = line = (*above, i)
        place_of[i] = len(place_of)
        if len(line) > DEEPEST:
            raise CcfError(f"{path} is nested deeper than {DEEPEST} levels, so it is no ontology of a brain.")
        left.extend((child, line) for child in reversed(children[i]))
    circling = [_of(each) for each in entries if each.region_id not in line_of]
    if circling:
        reach = "reaches" if len(circling) == 1 else "reach"
        raise CcfError(
            f"{path}: {counted(len(circling), 'structure')} never {reach} a root, "
            f"as parents run in a circle: {listed(circling)}."
        )
    return [line_of[each.region_id] for each in entries], place_of


def _ordered(entries: list[Entry], place_of: dict[int, int], notes: list[str]) -> list[Entry]:
    """Every structure with a place in the order."""
    given = [each.order for each in entries if each.order is not None]
    without = [each for each in entries if each.order is None]
    if not without:
        return entries
    if given and all(each.made for each in without):  # only a root that was made
        higher = 1 - min(given)
        if higher:
            notes.append(f"The root made here is the first in the order: every place is {higher:+,}.")
        return [replace(each, order=0 if each.order is None else each.order + higher) for each in entries]
    whose = f"{_are(without, 'has', 'have')} no order" if given else "The file gives no order of structures"
    notes.append(f"{whose}: all are ordered depth-first, and below one parent as in the file.")
    return [replace(each, order=place_of[each.region_id]) for each in entries]


def _unique_acronyms(entries: list[Entry], notes: list[str]) -> list[str]:
    """The acronym of each structure: the first that has one keeps it, and made structures come last."""
    times = Counter(each.acronym for each in entries)
    taken = set(times)
    acronym_of: dict[int, str] = {}
    kept: set[str] = set()
    changed: list[str] = []
    for each in sorted(entries, key=lambda each: each.made):
        acronym = each.acronym
        if acronym in kept:
            while acronym in taken:
                acronym = f"{acronym} ({each.region_id})"
            changed.append(acronym)
            taken.add(acronym)
        kept.add(acronym)
        acronym_of[each.region_id] = acronym
    if changed:
        repeated = sum(number > 1 for number in times.values())
        occur = "acronym occurs" if repeated == 1 else "acronyms occur"
        notes.append(
            f"{repeated:,} {occur} more than once: all but the first have their id appended: "
            f"{listed([f'{acronym:.60}' for acronym in changed])}."
        )
    return [acronym_of[each.region_id] for each in entries]


def _color(region_id: int) -> str:
    """A colour that follows from an id; never near white, grey or black."""
    mixed = region_id * 0x9E3779B1 % 2**32
    red, green, blue = colorsys.hsv_to_rgb(
        (mixed >> 16) / 2**16, 0.5 + (mixed >> 8 & 0xFF) / 640, 0.65 + (mixed & 0xFF) / 1024
    )
    return f"{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}"


def _of(each: Entry) -> str:
    return shown(each.acronym or each.name, each.region_id)


def _are(entries: Sequence[Entry], one: str, many: str) -> str:
    """Structures at the beginning of a sentence: ``2 structures (A (1), B (2)) have``."""
    verb = one if len(entries) == 1 else many
    return f"{counted(len(entries), 'structure')} ({listed([_of(each) for each in entries])}) {verb}"
