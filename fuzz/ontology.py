"""The ontology: a CSV, its checks, and the tables made of it where they pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ccf_assets.ccf import ontology
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from fuzz.target import Target

OLD_ORDER = (
    "acronym,id,safe_name,parent_structure_id,depth,graph_order,structure_id_path,color_hex_triplet\n"
    "root,997,root,,0,0,/997/,FFFFFF\ngrey,8,Basic cell groups,997,1,1,/997/8/,BFDAE3\n"
)


def read(data: bytes, folder: Path) -> object:
    """Read a structure graph, check it, and make its rows."""
    path = folder / "structure_graph.csv"
    path.write_bytes(data)
    graph = ontology.read_structure_graph(path)
    findings = ontology.check_structure_graph(graph)
    if any(finding.blocking for finding in findings):
        return findings
    regions = ontology.brain_region_rows(graph, 1)
    parents = ontology.region_parent_rows(graph, 1)
    closure = ontology.region_ancestor_rows(parents)
    assert regions["region_id"].n_unique() == graph.height
    assert closure.height == int((graph["depth"] + 1).sum())
    return closure


def seeds() -> Sequence[bytes]:
    """The phantom's, parts of it, an older form, and what has come in its place."""
    whole = phantom_ontology.structure_graph_csv()
    lines = whole.splitlines(keepends=True)
    few = b"".join(lines[:5])
    return [
        few,
        b"".join(lines[:20]),
        OLD_ORDER.encode(),
        b"\xef\xbb\xbf" + OLD_ORDER.encode(),
        OLD_ORDER.replace(",", ";").encode(),
        OLD_ORDER.replace("\n", "\r\n").encode(),
        OLD_ORDER.replace("/997/8/", '"/997/8/"').replace("997,1,1", "8,1,1").encode(),
        OLD_ORDER.encode("utf-16"),
        b"<!DOCTYPE html><html><body>503 Service Unavailable</body></html>\n",
        lines[0],
        *(
            OLD_ORDER.replace(cell, 3_000 * cell).encode()
            for cell in ("997", "grey", "FFFFFF", "/997/8/", ",0,", "depth")
        ),
        OLD_ORDER.replace("8,Basic", "99999999999999999999,Basic").encode(),
    ]


TARGET = Target(
    read,
    seeds,
    words=(
        *ontology.REQUIRED_COLUMNS,
        *(
            "name",
            "_duplicated_0",
            "997",
            "/997/8/",
            "FFFFFF",
            "2147483648",
            "9223372036854775807",
            "-1",
            "1e9",
        ),
        *("\n", "\r\n", '"', '""', ",", "\r", "\u00e9", "\ufeff", "/", " ", "\t", "nan"),
    ),
)
