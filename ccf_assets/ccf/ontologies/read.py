"""A file of structures, in whatever form a lab has it, as the one graph, and the graph as Allen's CSV.

What form a file has is seen in its content; its name may be anything.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ccf_assets.ccf.ontologies import abc_terms, json_trees, tables
from ccf_assets.ccf.ontologies.entries import Entry
from ccf_assets.ccf.ontologies.graph import graph_of
from ccf_assets.ccf.ontology import read_structure_graph
from ccf_assets.errors import CcfError, first_line, why
from ccf_assets.files import whole_file
from ccf_assets.text_columns import decoded

ALLEN_CSV = "Allen CSV"

FORMS = (
    "the Allen Institute's CSV or JSON of a structure graph, AllenSDK's or BrainGlobe's structures.json, "
    "BrainGlobe's terminology.csv, ITK-SnAP's label descriptions, a CSV with the columns idx, name, r, g, b, "
    "and the ABC atlas's parcellation_to_parcellation_term_membership.csv"
)
"""The forms that are read, for a sentence."""

_LARGEST_BYTES = 64_000_000

_MOST_LINES = 200_000
"""The ABC atlas's table has 3,440."""

_MOST_COLUMNS = 100

_ALLEN_COLUMNS = frozenset({"parent_structure_id", "structure_id_path"})
"""Who has one of them and an id means the Allen Institute's CSV; what else is missing is said as for that."""


@dataclass(frozen=True)
class Ontology:
    """The structures of a file.

    Attributes:
        form: the form that the file has, such as ``BrainGlobe structures.json``.
        graph: one row per structure, in the file's order and with a made root first: region_id, parent_id
            (null for the root), depth (Int64), structure_order (Int32), acronym, region_name, full_name,
            color_hex and path, as `ontology.read_structure_graph` returns them.
        notes: a sentence for each thing that was made or changed, such as a missing root or colour.
    """

    form: str
    graph: pl.DataFrame
    notes: tuple[str, ...]


def read_ontology(path: Path) -> Ontology:
    """Read an ontology in any of the `FORMS`.

    The graph of every form but the Allen Institute's CSV passes `ontology.check_structure_graph`; that CSV is
    taken as it is, and the checks say what is wrong with it.

    Raises:
        CcfError: the file cannot be read, is too large, or has another form; an id is missing, no whole
            number of 1 to 4,294,967,295, or stands for two structures; parents contradict or run in a circle;
            a colour is invalid, or a text is too long or not printable.
    """
    raw = _content(path)
    if raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        value = json_trees.read_json(path, raw)
        tree = json_trees.read_tree(path, value)
        if tree is None:
            raise _unknown(path, f"it is a JSON, {_shape(value)}")
        form, entries, notes = tree
        return _ontology(path, form, entries, notes)
    text = decoded(path, raw)
    if raw.count(b"\n") > _MOST_LINES:
        raise CcfError(f"{path} has more than {_MOST_LINES:,} lines, so it is no ontology of a brain.")
    if tables.is_itk_snap(text):
        return _ontology(path, tables.ITK_SNAP, *tables.read_itk_snap(path, text))
    return _of_csv(path, text)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise CcfError(f"{path} cannot be read: {why(error)}.") from None
    if len(raw) > _LARGEST_BYTES:
        raise CcfError(f"{path} has more than {_LARGEST_BYTES:,} bytes, so it is no ontology of a brain.")
    if not raw.strip():
        raise CcfError(f"{path} is empty.")
    return raw


def _of_csv(path: Path, text: str) -> Ontology:
    header = text.lstrip("\r\n").partition("\n")[0]
    if header.count(",") >= _MOST_COLUMNS:
        raise _unknown(path, f"its first line has {header.count(',') + 1:,} columns")
    try:
        rows = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise CcfError(f"{path} cannot be read as a table of structures: {first_line(error):.200}.") from None
    columns = rows.columns
    if "id" in columns and _ALLEN_COLUMNS & set(columns):
        return Ontology(ALLEN_CSV, read_structure_graph(path), ())
    twice = [name.removesuffix("_duplicated_0") for name in columns if name.endswith("_duplicated_0")]
    if twice:
        raise CcfError(
            f"{path} has more than one column {', '.join(twice):.200}; remove all but the right one."
        )
    if abc_terms.is_terms(columns):
        return _ontology(path, abc_terms.TERMS, *abc_terms.read_terms(path, rows))
    if tables.is_terminology(columns):
        return _ontology(path, tables.TERMINOLOGY, *tables.read_terminology(path, rows))
    if tables.label_columns(columns):
        return _ontology(path, tables.LABEL_TABLE, *tables.read_label_table(path, rows))
    raise _unknown(path, f"it is a table with the columns {_named(columns)}")


def _ontology(path: Path, form: str, entries: Sequence[Entry], notes: Sequence[str]) -> Ontology:
    graph, more = graph_of(path, entries)
    return Ontology(form, graph, (*notes, *more))


def _unknown(path: Path, found: str) -> CcfError:
    return CcfError(f"{path} is no ontology in a form that is read: {found}. The forms are {FORMS}.")


def _shape(value: object) -> str:
    """What a JSON is, for a sentence."""
    inside = value.get("msg", value) if isinstance(value, dict) else value
    first = inside[0] if isinstance(inside, list) and inside else inside
    of = "a list of objects" if first is not inside else "an object"
    if isinstance(first, dict) and first:
        return f"{of} with the keys {_named(list(first))}"
    return "an empty list or object" if not first else "a list of no objects"


def _named(names: Sequence[str]) -> str:
    return f"{', '.join(' '.join(name.split()) for name in names[:_MOST_COLUMNS]):.200}"


def write_structure_graph(graph: pl.DataFrame, path: Path) -> None:
    """Write a graph as a CSV in the Allen Institute's form, in one step.

    Args:
        graph: as in `Ontology`; `ontology.read_structure_graph` reads the same frame again.
        path: the file, which is replaced if there is one.

    Raises:
        OSError: it cannot be written.
    """
    with whole_file(path) as aside:
        graph.select(
            id="region_id",
            acronym="acronym",
            name="full_name",
            safe_name="region_name",
            parent_structure_id="parent_id",
            depth="depth",
            graph_order="structure_order",
            structure_id_path="path",
            color_hex_triplet="color_hex",
        ).write_csv(aside)
