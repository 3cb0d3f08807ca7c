"""Tables of structures as text: label tables, ITK-SnAP's label descriptions, BrainGlobe's terminology.csv.

The ABC atlas's table of terms, in which a structure has several rows, is in abc_terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import polars as pl

from ccf_assets.ccf.ontologies import entries
from ccf_assets.ccf.ontologies.entries import Entry
from ccf_assets.ccf.ontologies.graph import made_id
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted, listed
from ccf_assets.text_columns import MISSING

ITK_SNAP = "ITK-SnAP labels"
LABEL_TABLE = "label table"
TERMINOLOGY = "BrainGlobe terminology.csv"

_ITK_FIELDS = 8
"""Index, red, green, blue, transparency, two of visibility, label."""

_ID_COLUMNS = ("idx", "index", "id", "label")

_OTHER_COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "acronym": ("acronym", "abbreviation"),
        "parent": ("parent_id", "parent"),
        "color": ("color_hex_triplet",),
        "red": ("r", "red"),
        "green": ("g", "green"),
        "blue": ("b", "blue"),
    }
)
"""What a label table may have beside id and name → names of its column."""

_TERMINOLOGY_COLUMNS = frozenset({"identifier", "parent_identifier", "annotation_value"})


def _outside_left_out(left_out: Sequence[str]) -> list[str]:
    """The note on the row of the outside."""
    return [f"The id 0 ({left_out[0]:.60}) is the outside of the brain: left out."] if left_out else []


# ---- ITK-SnAP
def is_itk_snap(text: str) -> bool:
    """Whether a text is ITK-SnAP's label description: by the first line that is no comment."""
    for line in text.split("\n"):
        if line.strip() and not line.startswith("#"):
            return _itk_fields(line) is not None
    return False


def _itk_fields(line: str) -> list[str] | None:
    """The fields of a line, the label without its quotation marks; None if it is no such line."""
    fields = line.strip().split(None, _ITK_FIELDS - 1)
    if len(fields) < _ITK_FIELDS or not fields[0].isdecimal():
        return None
    label = fields[-1]
    if len(label) < 2 or not label.startswith('"') or not label.endswith('"'):  # noqa: PLR2004
        return None
    return [*fields[:-1], label[1:-1].strip()]


def read_itk_snap(path: Path, text: str) -> tuple[list[Entry], list[str]]:
    """The labels of an ITK-SnAP label description, and a note if one is left out.

    Raises:
        CcfError: a line has other fields, or an id or colour is invalid.
    """
    found: list[Entry] = []
    left_out: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = _itk_fields(line)
        if fields is None:
            raise CcfError(
                f"{path}, line {number}: {line.strip()!r:.60} is no label as ITK-SnAP writes it: index, red, "
                'green, blue, transparency, two numbers of visibility, and "name".'
            )
        who = entries.row_name(f"line {number}", fields[-1])
        region_id = entries.region_id(path, fields[0], who, what="index", smallest=0)
        if region_id == 0:
            left_out.append(fields[-1] or "no name")
            continue
        found.append(Entry(region_id, name=fields[-1], color=entries.color_of_rgb(path, fields[1:4], who)))
    return found, _outside_left_out(left_out)


# ---- label tables
def label_columns(columns: Sequence[str]) -> dict[str, str] | None:
    """What a label table's columns are: ``id``, ``name`` … → column; None if it is no label table.

    Upper and lower case of a column's name do not matter. ``label`` is the id if there is no other, and the
    name if the id is elsewhere and no column is called ``name``.
    """
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    number = next((name for name in _ID_COLUMNS if name in by_name), None)
    name = "name" if "name" in by_name else "label" if number != "label" and "label" in by_name else None
    if number is None or name is None:
        return None
    found = {"id": by_name[number], "name": by_name[name]}
    for what, names in _OTHER_COLUMNS.items():
        column = next((by_name[each] for each in names if each in by_name), None)
        if column is not None:
            found[what] = column
    return found


def read_label_table(path: Path, rows: pl.DataFrame) -> tuple[list[Entry], list[str]]:
    """The labels of a table (see `label_columns`), and a note if one is left out.

    Most are flat; one that a lab wrote may name parents by id.

    Args:
        path: the file, for a sentence.
        rows: its columns as text.

    Raises:
        CcfError: an id, parent or colour is invalid, or an id is missing.
    """
    columns = label_columns(rows.columns)
    if columns is None:
        raise ValueError(f"{path} is no label table")
    found: list[Entry] = []
    left_out: list[str] = []
    rgb = [columns[each] for each in ("red", "green", "blue") if each in columns]
    for number, row in entries.numbered(rows):
        name = entries.text(path, row[columns["name"]], f"row {number}", "name")
        who = entries.row_name(f"row {number}", name)
        region_id = entries.region_id(path, row[columns["id"]], who, what=columns["id"], smallest=0)
        if region_id == 0:
            left_out.append(name or "no name")
            continue
        in_hex = row[columns["color"]] if "color" in columns else None
        color = entries.color(path, in_hex, [row[each] for each in rgb], who)
        acronym = (row[columns["acronym"]] or "").strip() if "acronym" in columns else ""
        parent = None
        if "parent" in columns and not _is_missing(row[columns["parent"]]):
            what = columns["parent"]
            # 0: below the outside, so at the top.
            parent = entries.region_id(path, row[what], who, what=what, smallest=0) or None
        found.append(Entry(region_id, parent, acronym=acronym, name=name, color=color))
    return found, _outside_left_out(left_out)


# ---- BrainGlobe's terminology
def is_terminology(columns: Sequence[str]) -> bool:
    """Whether these are the columns of BrainGlobe's terminology.csv."""
    return set(columns) >= _TERMINOLOGY_COLUMNS


def read_terminology(path: Path, rows: pl.DataFrame) -> tuple[list[Entry], list[str]]:
    """The structures of BrainGlobe's terminology.csv, and a sentence for each thing that was changed.

    Its identifiers may be text (``MBA:997``); parents are named by them, voxels by annotation_value. The
    column root_identifier_path is not used: in some atlases it does not begin at the root.

    Args:
        path: the file, for a sentence.
        rows: its columns as text.

    Raises:
        CcfError: an identifier is missing or stands for two structures, or a value is invalid.
    """
    found: dict[str, tuple[Entry, str]] = {}
    left_out: list[str] = []
    for number, row in entries.numbered(rows):
        name = entries.text(path, row.get("name"), f"row {number}", "name")
        acronym = entries.text(path, row.get("abbreviation"), f"row {number}", "abbreviation")
        who = entries.row_name(f"row {number}", acronym or name)
        identifier, value = _identifier(row["identifier"]), row["annotation_value"]
        if not identifier:
            raise CcfError(f"{path}: {who} has no identifier.")
        made = _is_missing(value)
        region_id = 0 if made else entries.region_id(path, value, who, what="annotation_value", smallest=0)
        if region_id == 0 and not made:
            left_out.append(acronym or name or identifier)
            continue
        color = entries.color_of_hex(path, row.get("color_hex_triplet"), who)
        entry = Entry(region_id, acronym=acronym, name=name, color=color, made=made)
        one = found.setdefault(identifier, (entry, _identifier(row["parent_identifier"])))
        if one != (entry, _identifier(row["parent_identifier"])):
            raise CcfError(f"{path}: the identifier {identifier:.60} occurs twice, for different structures.")
    return _with_ids(found, _outside_left_out(left_out))


def _with_ids(found: dict[str, tuple[Entry, str]], notes: list[str]) -> tuple[list[Entry], list[str]]:
    """The structures with the ids of their parents, which the file names by identifier."""
    taken = {entry.region_id for entry, _ in found.values()}
    id_of: dict[str, int] = {}
    made: list[str] = []
    for identifier, (entry, _) in found.items():
        id_of[identifier] = entry.region_id
        if entry.made:
            id_of[identifier] = made_id(identifier, taken)
            taken.add(id_of[identifier])
            made.append(f"{identifier:.40} has {id_of[identifier]}")
    if made:
        notes.append(
            f"{counted(len(made), 'structure')} without an annotation_value, "
            f"with an id made here: {listed(made)}."
        )
    lost = {parent for _, parent in found.values() if parent and parent not in id_of}
    if lost:
        notes.append(
            f"Identifiers of parents that are not in the file: {listed([f'{i:.40}' for i in sorted(lost)])}."
        )
    structures = [
        replace(
            entry,
            region_id=id_of[identifier],
            parent_id=id_of.get(parent, entries.LOST) if parent else None,
        )
        for identifier, (entry, parent) in found.items()
    ]
    return structures, notes


def _identifier(value: str | None) -> str:
    """An identifier for comparison: ``997.0``, as pandas may write a parent, is 997. Empty if none."""
    if value is None or _is_missing(value):
        return ""
    number = entries.whole_number(value)
    return value.strip() if number is None else str(number)


def _is_missing(value: str | None) -> bool:
    return value is None or value.strip().lower() in MISSING or value.strip() == "<NA>"
