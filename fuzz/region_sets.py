"""A lab's own region sets: TOML behind a first byte ``t``, else CSV; then they are put on an ontology."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ccf_assets.ccf import ontology, region_sets
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from fuzz.target import HOSTILE_TOML, TOML_WORDS, Target

TOML = (
    '[motor]\ndescription = "Motor areas"\n[motor.regions]\nVISp = "primary"\n"VISp2/3" = "b"\n993 = "c"\nVISp.a = "d"\n',
    '[a.regions]\nroot = "all"\n[b.regions]\nCA1 = "x"\n382 = "y"\n',
    "[a]\nregions = {}\n",
    '[beryl.regions]\nroot = "all"\n[depth_3.regions]\nroot = "all"\n',
)
CSV = (
    "set,region,group\na,VISp,visual\na,997,all\nb,CA1,hippocampus\n",
    'set,region,group,more\r\na,"VISp",visual,\r\na,,x,y\r\n',
    "set;region;group\na;VISp;visual\n",
    "\ufeffset,region,group\ncosmos,VISp,visual\n",
)


@functools.cache
def of_phantom() -> region_sets.Ontology:
    """The phantom's ontology."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "structure_graph.csv")
        path.write_bytes(phantom_ontology.structure_graph_csv())
        graph = ontology.read_structure_graph(path)
    ancestors = ontology.region_ancestor_rows(ontology.region_parent_rows(graph, 1))
    rows = ontology.brain_region_rows(graph, 1)
    return region_sets.Ontology.of_tables(rows, ancestors, "There is no region {!r:.200}.".format)


def read(data: bytes, _folder: Path) -> object:
    """Read maps, and give every region its group."""
    name = "sets.toml" if data[:1] == b"t" else "sets.csv"
    maps = region_sets.read_maps(region_sets.MapFile(name, data[1:]))
    return [region_sets.members(one, of_phantom()) for one in maps]


def seeds() -> Sequence[bytes]:
    """Both forms, some of them refused."""
    toml = (*TOML, *HOSTILE_TOML, *(f"[a.regions]\n{text[:9_000]}" for text in HOSTILE_TOML))
    rows = (
        *CSV,
        *(CSV[0].replace(cell, 3_000 * cell) for cell in ("997", "VISp", "a,", "set,", "all", "1,")),
    )
    return [*(b"t" + text.encode() for text in toml), *(b"c" + text.encode() for text in rows)]


TARGET = Target(
    read,
    seeds,
    words=(
        *(
            "set",
            "region",
            "group",
            "regions",
            "description",
            "beryl",
            "depth_1",
            "VISp",
            "997",
            "root",
            "\u0662",
        ),
        *("\n", "\r\n", '"', ",", ";", "\ufeff"),
        *TOML_WORDS,
    ),
)
