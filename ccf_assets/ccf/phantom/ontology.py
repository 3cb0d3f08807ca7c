"""The ontology of the phantom: the real atlas's names, ids and colours for the few regions that it has."""

from __future__ import annotations

import csv
import io
import zlib
from pathlib import Path
from typing import NamedTuple


class _Structure(NamedTuple):
    """One line of ``structures.csv``: depth first, a parent before its children."""

    id: str
    parent_structure_id: str
    st_level: str
    atlas_id: str
    color_hex_triplet: str
    acronym: str
    name: str


def _read_structures(path: Path) -> tuple[_Structure, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_Structure(**row) for row in csv.DictReader(file))


STRUCTURES = _read_structures(Path(__file__).with_name("structures.csv"))


def _facet(text: str) -> str:
    """A number standing for a text, for the facet columns; nothing here reads them."""
    return str(zlib.crc32(text.encode()))


def structure_graph_csv() -> bytes:
    """The phantom's ontology in the form of the Allen Institute's structure graph query.

    Returns:
        UTF-8 CSV: the official 21 columns in their order, quoted only where needed, lines ended by a line
        feed, one line per structure, parents before children. Ids, names, acronyms and colours are real;
        where structures in between are left out, a parent is the nearest ancestor kept. Depth and order count
        what is here.
    """
    path_of = {"": "/"}
    rows: list[dict[str, str]] = []
    for order, structure in enumerate(STRUCTURES):
        path = f"{path_of[structure.parent_structure_id]}{structure.id}/"
        path_of[structure.id] = path
        # The keys stand in the order of the official header.
        rows.append(
            {
                "id": structure.id,
                "atlas_id": structure.atlas_id,
                "name": structure.name,
                "acronym": structure.acronym,
                "st_level": structure.st_level,
                "ontology_id": "1",
                "hemisphere_id": "3",
                "weight": "8690",
                "parent_structure_id": structure.parent_structure_id,
                "depth": str(path.count("/") - 2),
                "graph_id": "1",
                "graph_order": str(order),
                "structure_id_path": path,
                "color_hex_triplet": structure.color_hex_triplet,
                "neuro_name_structure_id": "",
                "neuro_name_structure_id_path": "",
                "failed": "f",
                "sphinx_id": str(order + 1),
                "structure_name_facet": _facet(structure.name),
                "failed_facet": _facet("false"),
                "safe_name": structure.name.replace(",", ""),
            }
        )
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
