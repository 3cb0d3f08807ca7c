"""An ontology in any of the forms that are read: what comes of it passes the checks and can be written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ccf_assets.ccf import ontology
from ccf_assets.ccf.ontologies import read as ontologies
from fuzz.ontology import OLD_ORDER
from fuzz.target import Target

GREY = {"id": 8, "acronym": "grey", "name": "Grey", "color_hex_triplet": "BFDAE3", "graph_order": 1}
ROOT = {"id": 997, "acronym": "root", "name": "root", "graph_order": 0, "parent_structure_id": None}
NESTED = {"success": True, "msg": [{**ROOT, "children": [{**GREY, "children": []}]}]}
FLAT = [
    {
        "id": 997,
        "acronym": "root",
        "name": "root",
        "structure_id_path": [997],
        "rgb_triplet": [255, 255, 255],
    },
    {"id": 8, "acronym": "grey", "name": "Grey", "structure_id_path": [997, 8], "rgb_triplet": [1, 2, 3]},
]
TEXTS = (
    '# ITK-SnAP\n0 0 0 0 0 0 0 "Clear Label"\n1 255 52 39 1 1 0 "tract"\n3 0 0 255 1 1 0 "Subthalamic"\n',
    "idx,name,r,g,b,a\n0,Clear Label,0,0,0,1.0\n997,root,255,255,255,1.0\n8,Grey,191,218,227,1.0\n",
    "index,label,color_hex_triplet\n1,Grey,19399\n2,,\n",
    "identifier,parent_identifier,annotation_value,name,abbreviation,color_hex_triplet,root_identifier_path\n"
    'S:1,,997,root,root,#FFFFFF,"[1]"\nS:2,S:1,8,Grey,grey,#BFDAE3,"[1, 2]"\nS:3,S:9,,,,,\n',
    "parcellation_index,parcellation_term_set_name,parcellation_term_name,parcellation_term_acronym,"
    "color_hex_triplet,term_set_order\n0,organ,unassigned,unassigned,#000000,0\n1,organ,brain,brain,#FFFFFF,0\n"
    "1,structure,Grey,grey,#BFDAE3,1\n2,organ,brain,brain,#FFFFFF,0\n2,structure,Grey,grey,#BFDAE3,1\n",
    OLD_ORDER,
)


def read(data: bytes, folder: Path) -> object:
    """Read an ontology, check it, and write it as the Allen Institute's CSV and read that."""
    path = folder / "structures"
    path.write_bytes(data)
    found = ontologies.read_ontology(path)
    again = folder / "structure_graph.csv"
    ontologies.write_structure_graph(found.graph, again)
    assert ontology.read_structure_graph(again).equals(found.graph)
    if found.form != ontologies.ALLEN_CSV:  # which is taken as it is
        assert not [one.name for one in ontology.check_structure_graph(found.graph) if one.blocking]
    return found


def seeds() -> Sequence[bytes]:
    """Each form, and others that are deep, long or hold what does not belong there."""
    nested, flat = json.dumps(NESTED), json.dumps(FLAT)
    return [
        *(text.encode() for text in (*TEXTS, nested, flat)),
        *(b"\xef\xbb\xbf" + text.encode() for text in (TEXTS[1], flat)),
        *(text.encode("utf-16") for text in (TEXTS[0], flat)),
        *(text.replace("Grey", 3_000 * "Grey").encode() for text in (*TEXTS, nested)),
        *(
            flat.replace("997", each).encode()
            for each in ("8", "1e9", "997.0", "NaN", 9_000 * "9", "2906756445")
        ),
        flat.replace("Grey", "\\ud800").encode(),
        flat.replace('"root"', 800 * "[" + 800 * "]").encode(),
        (300 * '{"id": 1, "children": [' + 300 * "]}").encode(),
        (9_000 * "[").encode(),
        b'{"success": false, "msg": "no such method"}',
        b"idx,name\n" + b"".join(b"%d,a\n" % i for i in range(1, 3_000)),
        30_000 * b",",
    ]


TARGET = Target(
    read,
    seeds,
    words=(
        *(word for text in TEXTS for word in text.partition("\n")[0].split(",")),
        *NESTED,
        *ROOT,
        *FLAT[0],
        *(
            "children",
            "997",
            "8",
            "4294967296",
            "1e9",
            "-1",
            "null",
            "true",
            "NaN",
            "<NA>",
            "#",
            '"',
            ",",
            "\n",
        ),
        *("{", "}", "[", "]", ": ", "\\u0000", "\\ud800", "\ufeff", "\t", "\u0662"),
    ),
)
