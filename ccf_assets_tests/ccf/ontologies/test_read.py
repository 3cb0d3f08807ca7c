"""Ontologies in the forms that labs have: the same tree comes back, and what was made or changed is said."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccf_assets.ccf import ontology
from ccf_assets.ccf.ontologies.read import Ontology, read_ontology, write_structure_graph
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.errors import CcfError

unhurried = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

NO_ORDER = (
    "The file gives no order of structures: all are ordered depth-first, and below one parent as in the file."
)
OUTSIDE = "The id 0 (Clear Label) is the outside of the brain: left out."
ROOT_ID = 1_385_153_371
"""Of every root that is made, unless a file has this id."""

Node = dict[str, Any]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "anything.you_like"


def read(file: Path, content: object) -> Ontology:
    """What comes of a text, or of a value as JSON; it must be sound."""
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_text(text, "utf-8")
    return sound(read_ontology(file), file.parent)


def sound(found: Ontology, folder: Path) -> Ontology:
    """It passes the checks, is read again from the CSV that is written of it, and its notes are sentences."""
    assert [each.sentence for each in ontology.check_structure_graph(found.graph) if each.blocking] == []
    write_structure_graph(found.graph, folder / "graph.csv")
    assert ontology.read_structure_graph(folder / "graph.csv").equals(found.graph)
    assert all(note.endswith(".") and "\n" not in note for note in found.notes)
    return found


def refusal(file: Path, content: object) -> str:
    """The sentence with which a file is refused, without the path it begins with."""
    raw = content if isinstance(content, bytes) else None
    text = content if isinstance(content, str) else None if raw is not None else json.dumps(content)
    file.write_bytes(raw if raw is not None else (text or "").encode())
    with pytest.raises(CcfError) as refused:
        read_ontology(file)
    sentence = str(refused.value)
    assert sentence.startswith(str(file))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.removeprefix(str(file)).removeprefix(":").strip()


def acronyms(found: Ontology) -> dict[int, str]:
    return dict(found.graph.select("region_id", "acronym").iter_rows())


def parents(found: Ontology) -> dict[int, int | None]:
    return dict(found.graph.select("region_id", "parent_id").iter_rows())


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# --- Real files --------------------------------------------------------------------------------------------


def test_the_official_csv_is_what_read_structure_graph_reads(ccf_data, tmp_path: Path) -> None:
    path = ccf_data("ontology/structure_graph.csv")
    found = sound(read_ontology(path), tmp_path)
    assert (found.form, found.notes) == ("Allen CSV", ())
    assert found.graph.equals(ontology.read_structure_graph(path))


def test_brainglobes_list_has_the_hierarchy_of_the_allen_institute(
    ccf_cases, ccf_data, tmp_path: Path
) -> None:
    found = sound(
        read_ontology(ccf_cases("formats/atlas_brainglobe_v2/coarse_mouse_200um_v1.0/structures.json")),
        tmp_path,
    )
    assert (found.form, found.notes) == ("BrainGlobe structures.json", (NO_ORDER,))
    columns = ["region_id", "parent_id", "acronym", "full_name", "color_hex", "depth", "path"]
    official = ontology.read_structure_graph(ccf_data("ontology/structure_graph.csv")).select(columns)
    assert found.graph.height == 809
    same = found.graph.select(columns).join(official, on=columns, how="semi", nulls_equal=True)
    assert same.height == 809


def test_ids_beyond_int32_are_read_unchanged(ccf_cases, tmp_path: Path) -> None:
    found = sound(read_ontology(ccf_cases("formats/atlas_ids_beyond_int32/hierarchy.json")), tmp_path)
    assert (found.form, found.notes) == ("structure graph JSON", ())
    beyond = {i: acronym for i, acronym in acronyms(found).items() if i >= 2**31}
    assert beyond == {2906756445: "VISp1", 3314370483: "VISp4"}


def test_nodes_without_colours_get_them_and_a_parent_that_is_cut_off_is_passed_over(
    ccf_cases, tmp_path
) -> None:
    found = sound(read_ontology(ccf_cases("formats/atlas_label_tables/bbp_hierarchy_2.json")), tmp_path)
    assert found.graph.height == 11
    assert parents(found)[329] == 315
    assert found.notes == (
        "1 structure (SSp-bfd (329)) names two parents, one of which is not in the file: the other is used.",
        "1 structure (Isocortex (315)) has no order: all are ordered depth-first, and below one parent as in "
        "the file.",
        "10 structures have no colour: each gets one that follows from its id.",
    )


@pytest.mark.parametrize(
    ("name", "form", "labels"),
    [
        ("itksnap_allen_2015_labels.txt", "ITK-SnAP labels", 1287),
        ("pynutil_allen2017_colours.csv", "label table", 1327),
    ],
)
def test_label_tables_are_flat_below_the_root_that_they_have(
    ccf_cases, tmp_path: Path, name: str, form: str, labels: int
) -> None:
    found = sound(read_ontology(ccf_cases(f"formats/atlas_label_tables/{name}")), tmp_path)
    assert found.form == form
    assert found.graph.height == labels
    assert set(parents(found).values()) == {None, 997}
    assert acronyms(found)[315] == "Isocortex"
    assert found.notes == (
        OUTSIDE,
        f"{labels:,} structures have no acronym: their names stand for them.",
        f"The file names no parents: the other {labels - 1:,} structures are below the file's own structure "
        "root (997).",
        NO_ORDER,
    )


def test_the_labels_of_the_waxholm_rat_are_below_a_root_that_is_made(ccf_cases, tmp_path: Path) -> None:
    found = sound(read_ontology(ccf_cases("atlases/whs_rat_v4/labels.txt")), tmp_path)
    painted = json.loads(ccf_cases("atlases/whs_rat_v4/right_answers.json").read_text("utf-8"))["counts"]
    assert set(found.graph["region_id"]) == {ROOT_ID, *map(int, painted)} - {0}
    assert found.graph.row(1, named=True) == {
        "region_id": 1,
        "parent_id": ROOT_ID,
        "depth": 1,
        "structure_order": 1,
        "acronym": "corticofugal tract and corona radiata",
        "region_name": "corticofugal tract and corona radiata",
        "full_name": "corticofugal tract and corona radiata",
        "color_hex": "FF3427",
        "path": f"/{ROOT_ID}/1/",
    }
    assert found.notes == (
        OUTSIDE,
        "222 structures have no acronym: their names stand for them.",
        f"The file names no parents: all 222 structures are below one root, "
        f"made here (id {ROOT_ID}, acronym root).",
        NO_ORDER,
    )


def test_every_index_of_the_abc_atlas_is_its_substructure(ccf_cases, tmp_path: Path) -> None:
    path = ccf_cases("formats/atlas_nifti_parcellation/parcellation_to_parcellation_term_membership.csv")
    found = sound(read_ontology(path), tmp_path)
    assert found.form == "ABC parcellation terms"
    with path.open(encoding="utf-8", newline="") as lines:
        deepest = {
            int(row["parcellation_index"]): row["parcellation_term_acronym"]
            for row in csv.DictReader(lines)
            if row["parcellation_term_set_name"] == "substructure"
        }
    assert {i: acronym for i, acronym in acronyms(found).items() if i in deepest} == deepest
    assert all(1_000_000_000 <= i < 2_000_000_000 for i in set(acronyms(found)) - set(deepest))
    assert found.notes[:2] == (
        "The same term at neighbouring levels, in 1 index: one structure.",
        "168 terms above others get ids made here: TM (1485980616), SSp-m (1752622746), cst (1795607388), "
        "P-sen (1248925896), SSp-tr (1746051613), SCm (1865627379), RAmb (1557388830), MTN (1720297706) "
        "and 160 more.",
    )


# --- Any tree, in any form ---------------------------------------------------------------------------------

ids = st.integers(1, 2**32 - 1) | st.integers(1, 40)
words = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
    .map(str.strip)
    .filter(bool)
)


@st.composite
def trees(draw: st.DrawFn) -> list[Node]:
    """Structures depth-first, the root first; acronyms differ and are not called root."""
    count = draw(st.integers(1, 12))
    numbers = draw(st.lists(ids, min_size=count, max_size=count, unique=True))
    called = draw(
        st.lists(
            words.filter(lambda word: word.lower() != "root"), min_size=count, max_size=count, unique=True
        )
    )
    above = [None, *(draw(st.integers(0, i - 1)) for i in range(1, count))]
    nodes: list[Node] = []
    for place in depth_first(above):
        parent = above[place]
        nodes.append(
            {
                "id": numbers[place],
                "parent": None if parent is None else numbers[parent],
                "acronym": called[place],
                "name": draw(words.filter(lambda word: word.lower() != "root")),
                "color": draw(st.from_regex("[0-9A-F]{6}", fullmatch=True)),
            }
        )
    paths: dict[int | None, list[int]] = {None: []}
    for node in nodes:
        node["path"] = paths[node["id"]] = [*paths[node["parent"]], node["id"]]
    return nodes


def depth_first(above: Sequence[int | None], top: int = 0) -> list[int]:
    return [top, *(i for child, over in enumerate(above) if over == top for i in depth_first(above, child))]


def rgb(node: Node) -> list[int]:
    return list(bytes.fromhex(node["color"]))


def expected(nodes: Sequence[Node]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                node["id"],
                node["parent"],
                len(node["path"]) - 1,
                order,
                node["acronym"],
                node["name"],
                node["name"],
                node["color"],
                f"/{'/'.join(map(str, node['path']))}/",
            )
            for order, node in enumerate(nodes)
        ],
        schema=SCHEMA,
        orient="row",
    )


SCHEMA = pl.Schema(
    {
        "region_id": pl.Int64,
        "parent_id": pl.Int64,
        "depth": pl.Int64,
        "structure_order": pl.Int32,
        "acronym": pl.String,
        "region_name": pl.String,
        "full_name": pl.String,
        "color_hex": pl.String,
        "path": pl.String,
    }
)


def nested(nodes: Sequence[Node]) -> Node:
    of = {
        node["id"]: {
            "id": node["id"],
            "acronym": node["acronym"],
            "name": node["name"],
            "color_hex_triplet": node["color"],
            "graph_order": order,
            "parent_structure_id": node["parent"],
            "children": [],
        }
        for order, node in enumerate(nodes)
    }
    for node in nodes[1:]:
        of[node["parent"]]["children"].append(of[node["id"]])
    return of[nodes[0]["id"]]


def wrapped(nodes: Sequence[Node]) -> Node:
    return {"success": True, "id": 0, "num_rows": 1, "msg": [nested(nodes)]}


def of_allensdk(nodes: Sequence[Node]) -> list[Node]:
    return [
        {
            **{key: node[key] for key in ("id", "acronym", "name")},
            "rgb_triplet": rgb(node),
            "structure_id_path": node["path"],
            "graph_order": order,
            "graph_id": 1,
            "structure_set_ids": [2, 112905828],
        }
        for order, node in enumerate(nodes)
    ]


def of_api(nodes: Sequence[Node]) -> Node:
    """As the API answers a query for structures: no nesting."""
    return {
        "success": True,
        "msg": [
            {
                **{key: node[key] for key in ("id", "acronym", "name")},
                "safe_name": node["name"],
                "color_hex_triplet": node["color"],
                "graph_order": order,
                "parent_structure_id": node["parent"],
                "structure_id_path": f"/{'/'.join(map(str, node['path']))}/",
            }
            for order, node in enumerate(nodes)
        ],
    }


def of_brainglobe(nodes: Sequence[Node]) -> list[Node]:
    return [
        {
            **{key: node[key] for key in ("id", "acronym", "name")},
            "structure_id_path": node["path"],
            "rgb_triplet": rgb(node),
        }
        for node in nodes
    ]


def terminology(nodes: Sequence[Node], identifier: Callable[[int], object] = int) -> str:
    return as_csv(
        [
            {
                "identifier": identifier(node["id"]),
                "parent_identifier": "" if node["parent"] is None else identifier(node["parent"]),
                "annotation_value": node["id"],
                "name": node["name"],
                "abbreviation": node["acronym"],
                "color_hex_triplet": f"#{node['color']}",
                "root_identifier_path": node["path"],
            }
            for node in nodes
        ]
    )


def allen_csv(nodes: Sequence[Node]) -> str:
    return as_csv(
        [
            {
                "id": node["id"],
                "name": node["name"],
                "acronym": node["acronym"],
                "parent_structure_id": node["parent"],
                "depth": len(node["path"]) - 1,
                "graph_order": order,
                "structure_id_path": f"/{'/'.join(map(str, node['path']))}/",
                "color_hex_triplet": node["color"],
                "safe_name": node["name"],
            }
            for order, node in enumerate(nodes)
        ]
    )


@pytest.mark.parametrize(
    ("form", "written", "notes"),
    [
        ("Allen CSV", allen_csv, ()),
        ("structure graph JSON", nested, ()),
        ("structure graph JSON", wrapped, ()),
        ("AllenSDK structures JSON", of_allensdk, ()),
        ("AllenSDK structures JSON", of_api, ()),
        ("BrainGlobe structures.json", of_brainglobe, (NO_ORDER,)),
        ("BrainGlobe terminology.csv", terminology, (NO_ORDER,)),
        (
            "BrainGlobe terminology.csv",
            lambda nodes: terminology(nodes, "MBA:{}".format),
            (NO_ORDER,),
        ),
        ("BrainGlobe terminology.csv", lambda nodes: terminology(nodes, "{}.0".format), (NO_ORDER,)),
    ],
)
@unhurried
@given(nodes=trees())
def test_any_tree_comes_back_the_same(
    file: Path,
    form: str,
    written: Callable[[Sequence[Node]], object],
    notes: tuple[str, ...],
    nodes: list[Node],
) -> None:
    found = read(file, written(nodes))
    assert (found.form, found.notes) == (form, notes)
    assert found.graph.schema == SCHEMA
    assert found.graph.equals(expected(nodes))


@unhurried
@given(nodes=trees())
def test_any_labels_come_back_below_one_root(file: Path, nodes: list[Node]) -> None:
    labels = [{"idx": n["id"], "name": n["acronym"], **dict(zip("rgb", rgb(n), strict=True))} for n in nodes]
    of_table = read(file, as_csv(labels))
    of_itk = read(
        file,
        "# ITK-SnAP Label Description File\n"
        + "".join(f'{n["id"]:>5} {" ".join(map(str, rgb(n)))} 1 1 0 "{n["acronym"]}"\n' for n in nodes),
    )
    assert (of_table.form, of_itk.form) == ("label table", "ITK-SnAP labels")
    assert of_table.graph.equals(of_itk.graph)
    rows = of_table.graph.filter(pl.col("region_id").is_in([n["id"] for n in nodes]))
    assert rows.select("region_id", "acronym", "color_hex").rows() == [
        (n["id"], n["acronym"], n["color"]) for n in nodes
    ]
    assert of_table.graph.height == len(nodes) + (len(nodes) > 1)


@unhurried
@given(nodes=trees())
def test_any_terms_come_back_with_the_indices_as_their_ids(file: Path, nodes: list[Node]) -> None:
    of = {node["id"]: node for node in nodes}
    rows = [
        {
            "parcellation_index": node["id"],
            "parcellation_term_set_name": f"level {level}",
            "parcellation_term_name": of[i]["name"],
            "parcellation_term_acronym": of[i]["acronym"],
            "color_hex_triplet": f"#{of[i]['color']}",
            "term_set_order": level,
        }
        for node in nodes
        for level, i in enumerate(node["path"])
    ]
    found = read(file, as_csv(rows))
    assert (found.form, found.notes) == ("ABC parcellation terms", (NO_ORDER,))
    assert found.graph.equals(expected(nodes))


@unhurried
@given(nodes=trees(), data=st.data())
def test_whatever_is_left_out_of_a_list_the_graph_passes_the_checks(
    file: Path, nodes: list[Node], data: st.DataObject
) -> None:
    kept = data.draw(
        st.lists(st.sampled_from(of_allensdk(nodes)), min_size=1, unique_by=lambda node: node["id"])
    )
    keys = st.sampled_from(["acronym", "name", "rgb_triplet", "graph_order"])
    for node in kept:
        for key in data.draw(st.sets(keys)):
            del node[key]
    found = read(file, kept)
    assert {node["id"] for node in kept} <= set(acronyms(found))


# --- What a file leaves open -------------------------------------------------------------------------------


def test_structures_below_a_missing_parent_are_below_the_root(file: Path) -> None:
    found = read(
        file,
        [
            {"id": 1, "acronym": "brain", "name": "Brain", "parent_structure_id": None},
            {"id": 2, "acronym": "A", "name": "A", "parent_structure_id": 7},
        ],
    )
    assert parents(found) == {1: None, 2: 1}
    assert found.notes[0] == (
        "1 structure (A (2)) names a parent that is not in the file (7): put below the file's own "
        "structure brain (1)."
    )


def test_a_part_of_a_hierarchy_begins_with_its_own_top(file: Path) -> None:
    found = read(file, {"id": 8, "acronym": "grey", "parent_structure_id": 997, "children": [{"id": 9}]})
    assert parents(found) == {8: None, 9: 8}
    assert (
        "1 structure (grey (8)) names a parent that is not in the file (997): it is the root." in found.notes
    )


def test_several_tops_are_below_a_root_that_is_made(file: Path) -> None:
    top = {"name": "x", "color_hex_triplet": "00FF00"}
    found = read(
        file,
        [
            {"id": 5, "acronym": "A", "graph_order": 0, **top, "children": []},
            {"id": 6, "acronym": "B", "graph_order": 2, **top, "children": [
                {"id": ROOT_ID, "acronym": "root", "graph_order": 3, **top}
            ]},
        ],
    )  # fmt: skip
    made = ROOT_ID + 1
    assert parents(found) == {made: None, 5: made, 6: made, ROOT_ID: 6}
    assert acronyms(found)[made] == f"root ({made})"
    assert found.graph["structure_order"].to_list() == [0, 1, 3, 4]
    assert found.notes == (
        "2 structures (A (5), B (6)) have no parent: put below one root, made here "
        f"(id {made}, acronym root ({made})).",
        "The root made here is the first in the order: every place is +1.",
    )


def test_a_repeated_acronym_gets_its_id_but_the_first(file: Path) -> None:
    found = read(file, "index,name\n1,A\n2,A\n3,A (2)\n")
    assert acronyms(found) == {ROOT_ID: "root", 1: "A", 2: "A (2) (2)", 3: "A (2)"}
    assert (
        "1 acronym occurs more than once: all but the first have their id appended: A (2) (2)." in found.notes
    )
    assert found.graph["full_name"].to_list() == ["root", "A", "A", "A (2)"]


def test_names_and_acronyms_stand_for_each_other_and_the_id_for_both(file: Path) -> None:
    found = read(file, "id,name,acronym\n1,Name,\n2,,ACR\n3,,\n")
    assert found.graph.select("acronym", "full_name").rows()[1:] == [
        ("Name", "Name"),
        ("ACR", "ACR"),
        ("3", "3"),
    ]
    assert found.notes[:3] == (
        "1 structure has neither acronym nor name: its id stands for it.",
        "1 structure has no name: its acronym stands for it.",
        "1 structure has no acronym: its name stands for it.",
    )


@given(st.integers(1, 2**32 - 1))
def test_a_colour_that_is_made_follows_from_the_id_and_is_a_colour(region_id: int) -> None:
    from ccf_assets.ccf.ontologies.graph import _color

    assert _color(region_id) == _color(region_id)
    parts = bytes.fromhex(_color(region_id))
    assert max(parts) >= 160  # not black
    assert max(parts) - min(parts) >= 80  # neither grey nor white


def test_given_colours_are_kept_whatever_they_are(file: Path) -> None:
    found = read(file, "idx,name,r,g,b\n1,A,255,255,255\n2,B,,,\n3,C,0,0,0\n")
    assert [found.graph["color_hex"][i] for i in (1, 3)] == ["FFFFFF", "000000"]
    assert found.notes[-1] == "1 structure has no colour: it gets one that follows from its id."


def test_the_same_row_twice_is_one_structure(file: Path) -> None:
    found = read(file, "idx,name,r,g,b\n1,A,1,2,3\n1,A,1,2,3\n")
    assert acronyms(found) == {1: "A"}
    assert found.notes[0] == "1 structure (A (1)) occurs more than once: the first row is used."


def test_only_the_end_of_a_path_is_used_and_that_is_said(file: Path) -> None:
    found = read(
        file,
        [
            {"id": 1, "name": "a", "structure_id_path": [1]},
            {"id": 2, "name": "b", "structure_id_path": [1, 2]},
            {"id": 3, "name": "c", "structure_id_path": [2, 3]},
        ],
    )
    assert found.graph["path"].to_list() == ["/1/", "/1/2/", "/1/2/3/"]
    assert found.notes[0] == (
        "1 structure has a structure_id_path that is not that of the parent and its own id: "
        "only the last two ids of a path are used."
    )


def test_whole_numbers_with_a_point_are_ids_and_never_become_floats(file: Path) -> None:
    found = read(file, '[{"id": 4294967295.0, "name": "a", "parent_structure_id": null}]')
    assert acronyms(found) == {4294967295: "a"}


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_do_not_matter(file: Path) -> None:
    text = "idx,name\r\n\r\n1,A\r\n2,B\r\n"
    assert acronyms(read(file, "\ufeff" + text)) == {ROOT_ID: "root", 1: "A", 2: "B"}
    itk = '#\r\n\r\n1 0 0 0 0 0 0 "A"\r\n  2 0 0 0 0.5 0 0 "B, "quoted""\r\n'
    assert acronyms(read(file, "\ufeff" + itk)) == {ROOT_ID: "root", 1: "A", 2: 'B, "quoted"'}
    assert acronyms(read(file, '\ufeff [{"id": 1, "name": "A", "children": null}]')) == {1: "A"}


@pytest.mark.parametrize("header", ["IDX,Name", "index,label", "label,name", "id,name", "\xe9,id,name"])
def test_a_label_table_may_call_its_columns_differently(file: Path, header: str) -> None:
    blank = "," * (header.count(",") - 1)
    assert acronyms(read(file, f"{header}\n{blank}7,A\n{blank}8,B\n")) == {ROOT_ID: "root", 7: "A", 8: "B"}


@pytest.mark.parametrize("column", ["Parent_ID", "parent"])
def test_a_label_table_may_name_parents(file: Path, column: str) -> None:
    rows = f"id,acronym,name,{column}\n7,R,all,\n8,A,a,7.0\n9,B,b,8\n10,C,c,0\n"
    found = read(file, rows)
    assert parents(found) == {ROOT_ID: None, 7: ROOT_ID, 8: 7, 9: 8, 10: ROOT_ID}
    assert parents(read(file, rows.replace(",c,0", ",c,7"))) == {7: None, 8: 7, 9: 8, 10: 7}
    with pytest.raises(CcfError, match=r"the parent[a-z_]* of .* is 'A'"):
        read(file, rows.replace(",b,8", ",b,A").lower().replace(",b,a", ",b,A"))


# --- Terms: BrainGlobe's and the ABC atlas's ---------------------------------------------------------------

TERMS = (
    "identifier,parent_identifier,annotation_value,name,abbreviation,color_hex_triplet,root_identifier_path\n"
)


def test_a_term_without_a_value_gets_an_id_that_stays_the_same(file: Path) -> None:
    found = read(file, TERMS + "R,,,Root,root,#FFFFFF,\nA,R,5,a,A,#000001,\nB,X,6,b,B,#000002,\n")
    (root,) = set(acronyms(found)) - {5, 6}
    assert parents(found) == {root: None, 5: root, 6: root}
    assert found.notes == (
        f"1 structure without an annotation_value, with an id made here: R has {root}.",
        "Identifiers of parents that are not in the file: X.",
        "1 structure (B (6)) names a parent that is not in the file: put below the file's own structure "
        f"root ({root}).",
        NO_ORDER,
    )
    more = read(file, TERMS + "N,R,1,n,N,#000003,\nR,,,Root,root,#FFFFFF,\n")
    assert set(acronyms(more)) == {root, 1}


def test_a_term_of_the_outside_is_left_out(file: Path) -> None:
    found = read(file, TERMS + "MBA:997,,3,r,root,#FFFFFF,\nMBA:0,,0,unassigned,unassigned,#000000,\n")
    assert acronyms(found) == {3: "root"}
    assert found.notes[0] == "The id 0 (unassigned) is the outside of the brain: left out."


def terms_csv(*rows: tuple[int, str, str], order: bool = False) -> str:
    """Rows of index, term set and acronym."""
    levels = ["organ", "category", "division", "structure", "substructure"]
    return as_csv(
        [
            {
                "parcellation_label": f"AllenCCF-Annotation-2020-{index}",
                "parcellation_index": index,
                "parcellation_term_acronym": acronym,
                "parcellation_term_name": acronym.upper(),
                "parcellation_term_set_name": level,
                "term_set_order": levels.index(level) if order else "",
                "color_hex_triplet": "#00FF00",
            }
            for index, level, acronym in rows
        ]
    )


@pytest.mark.parametrize("order", [True, False])
def test_terms_above_indices_are_inner_structures_and_the_outside_is_left_out(
    file: Path, order: bool
) -> None:
    rows = [
        (0, "organ", "unassigned"),
        (0, "substructure", "unassigned"),
        (7, "substructure", "VISp1"),
        (7, "structure", "VISp"),
        (7, "organ", "brain"),
        (8, "organ", "brain"),
        (8, "structure", "VISp"),
        (8, "substructure", "VISp-unassigned"),
        (9, "organ", "brain"),
        (9, "structure", "MOB"),
        (9, "substructure", "MOB"),
    ]
    found = read(file, terms_csv(*rows, order=order))
    id_of = {acronym: i for i, acronym in acronyms(found).items()}
    assert list(id_of) == ["brain", "VISp", "VISp1", "VISp-unassigned", "MOB"]
    assert [id_of[each] for each in ("VISp1", "VISp-unassigned", "MOB")] == [7, 8, 9]
    assert parents(found) == {
        id_of["brain"]: None,
        id_of["VISp"]: id_of["brain"],
        7: id_of["VISp"],
        8: id_of["VISp"],
        9: id_of["brain"],
    }
    assert found.notes == (
        "The index 0 is the outside of the brain: left out.",
        "The same term at neighbouring levels, in 1 index: one structure.",
        f"2 terms above others get ids made here: brain ({id_of['brain']}), VISp ({id_of['VISp']}).",
        NO_ORDER,
    )


def test_a_term_that_is_painted_and_above_others_has_its_index(file: Path) -> None:
    rows = [
        (1, "structure", "MOB"),
        (1, "substructure", "MOB"),
        (2, "structure", "MOB"),
        (2, "substructure", "gl"),
    ]
    assert parents(read(file, terms_csv(*rows))) == {1: None, 2: 1}


def test_indices_with_the_same_deepest_term_are_structures_below_it(file: Path) -> None:
    found = read(file, terms_csv((1, "organ", "brain"), (2, "organ", "brain"), (2, "structure", "A"),
                                 (3, "organ", "brain"), (3, "structure", "A")))  # fmt: skip
    term = next(i for i, acronym in acronyms(found).items() if acronym == "A")
    assert parents(found) == {1: None, term: 1, 2: term, 3: term}
    assert [acronyms(found)[i] for i in (2, 3)] == ["A (2)", "A (3)"]
    assert found.notes[1] == (
        "2 indices (2, 3) share their deepest term with others: each is a structure of its own below it, "
        "named with the index."
    )


def test_the_painted_one_of_two_terms_keeps_the_acronym(file: Path) -> None:
    found = read(file, terms_csv((1, "structure", "PAG"), (1, "substructure", "Su3"),
                                 (2, "structure", "MB"), (2, "substructure", "PAG")))  # fmt: skip
    assert acronyms(found)[2] == "PAG"
    inner = parents(found)[1]
    assert inner is not None
    assert acronyms(found)[inner] == f"PAG ({inner})"


# --- What is refused ---------------------------------------------------------------------------------------

WHOLE = "not a whole number of 1 to 4,294,967,295."


def itk(line: str) -> str:
    return f'# ITK-SnAP\n1 0 0 0 0 0 0 "A"\n{line}\n'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([{"name": "a", "children": [], "id": None}], "structure 1 (a) has no id."),
        ([{"name": "a", "children": [{"name": "b"}], "id": 1}], "structure 2 (b) has no id."),
        ([{"id": 0, "children": []}], f"the id of structure 1 is 0, {WHOLE}"),
        ([{"id": -1, "children": []}], f"the id of structure 1 is -1, {WHOLE}"),
        ([{"id": 2**32, "children": []}], f"the id of structure 1 is 4294967296, {WHOLE}"),
        ([{"id": True, "children": []}], f"the id of structure 1 is True, {WHOLE}"),
        ([{"id": [1], "children": []}], f"the id of structure 1 is a list, {WHOLE}"),
        ('[{"id": 997.5, "children": []}]', f"the id of structure 1 is 997.5, {WHOLE}"),
        ('[{"id": 1e3, "children": []}]', f"the id of structure 1 is 1e3, {WHOLE}"),
        ('[{"id": NaN, "children": []}]', "is no valid JSON: it has the value NaN"),
        ('[{"id": 1, "id": 2}]', "is no valid JSON: the key 'id' occurs twice in one object."),
        ('[{"id": 1', "is no valid JSON: Expecting ',' delimiter: line 1 column 10 (char 9)."),
        (f'[{{"id": {9_999 * "9"}}}]', f"is no valid JSON: the number {20 * '9'}… has 9,999 digits."),
        (b'[{"id": 1, "name": "\xe9"}]', "is no JSON in UTF-8: byte 21 is 0xE9; save it as UTF-8."),
        ([{"id": 1, "name": 5, "children": []}], "the name of structure 1 is 5, not a text."),
        ([{"id": 1, "children": {"id": 2}}], "the children of structure 1 are an object, not a list."),
        ([{"id": 1, "children": [2]}], "a child of 1 is 2, not an object with an id."),
        (
            [{"id": 1, "children": [], "color_hex_triplet": "red"}],
            "the colour of structure 1 is 'red', not six hexadecimal digits.",
        ),
        (
            [{"id": 1, "structure_id_path": [1], "rgb_triplet": [1, 2, 256]}],
            "the colour of structure 1 is 1, 2, 256, not three whole numbers of 0 to 255.",
        ),
        (
            [{"id": 1, "structure_id_path": [1], "rgb_triplet": [1, 2]}],
            "the colour of structure 1 is 1, 2, not three whole numbers of 0 to 255.",
        ),
        (
            [{"id": 1, "structure_id_path": [2]}],
            "the structure_id_path of structure 1 ends with 2, not with its id.",
        ),
        (
            [{"id": 1, "structure_id_path": [1], "graph_order": 2**31}],
            "the graph_order of structure 1 is 2147483648, not a whole number of 0 to 2,147,483,647.",
        ),
        (
            {"id": 1, "children": [{"id": 2}, {"id": 3, "name": "c", "parent_structure_id": 2}]},
            "c (3) has more than one parent: 1 by nesting and 2 by parent_structure_id; keep the right one.",
        ),
        (
            [{"id": 1, "name": name, "parent_structure_id": None} for name in "ab"],
            "the id 1 occurs twice, for different structures: a and b.",
        ),
        (
            {"id": 1, "children": [{"id": 2, "children": [{"id": 3}]}, {"id": 3}]},
            "the id 3 occurs twice, for different structures: below 2 and below 1.",
        ),
        (
            [{"id": i, "name": "x", "parent_structure_id": 3 - i} for i in (1, 2)],
            "2 structures never reach a root, as parents run in a circle: x (1), x (2).",
        ),
        (
            [{"id": 1, "parent_structure_id": None}, {"id": 2, "name": "x", "parent_structure_id": 2}],
            "1 structure never reaches a root, as parents run in a circle: x (2).",
        ),
        (
            [{"id": 1, "name": "a\0b", "children": []}],
            "the acronym or name of a\\x00b (1) has a control character, or half of another.",
        ),
        (
            '[{"id": 1, "name": "\\ud800", "children": []}]',
            "the acronym or name of \\ud800 (1) has a control character, or half of another.",
        ),
        (
            [{"id": 1, "acronym": "a", "name": 251 * "é", "children": []}],
            "an acronym or a name has more than 500 bytes: a (1).",
        ),
        (
            '{"success": false, "msg": "no such model"}',
            "holds an error of the Allen Institute's server, no structures: 'no such model'.",
        ),
        (itk('0x5 0 0 0 0 0 0 "B"'), "is no label as ITK-SnAP writes it"),
        (itk('5 0 0 "B"'), "is no label as ITK-SnAP writes it"),
        (itk("5 0 0 0 1 1 1 B"), "is no label as ITK-SnAP writes it"),
        (itk('5 0 0 300 1 1 1 "B"'), "the colour of line 3 (B) is '0', '0', '300', not three whole"),
        (itk('99999999999 0 0 0 1 1 1 "B"'), "the index of line 3 (B) is '99999999999', not a whole"),
        ('0 0 0 0 0 0 0 "Clear Label"\n', "names no structure."),
        ("idx,name\n1,A\n,B\n", "row 3 (B) has no idx."),
        ("idx,name\n1.5,A\n", "the idx of row 2 (A) is '1.5', not a whole number of 0 to 4,294,967,295."),
        ("idx,name\n-3,A\n", "the idx of row 2 (A) is '-3', not a whole number of 0 to 4,294,967,295."),
        ("idx,name\nnan,A\n", "the idx of row 2 (A) is 'nan', not a whole number of 0 to 4,294,967,295."),
        ("idx,name\n1,A\n1,B\n", "the id 1 occurs twice, for different structures: A and B."),
        ("idx,name,r,g,b\n1,A,1,,3\n", "the colour of row 2 (A) is '1', None, '3', not three whole numbers"),
        ("idx,name,name\n1,A,B\n", "has more than one column name; remove all but the right one."),
        ("idx,name\n1,A,B\n", "cannot be read as a table of structures:"),
        ("idx,name\n", "names no structure."),
        (TERMS + ",,1,a,A,,\n", "row 2 (A) has no identifier."),
        (TERMS + "A,,1,a,A,,\nA,,2,b,B,,\n", "the identifier A occurs twice, for different structures."),
        (TERMS + "A,,1,a,A,,\nB,A,1,b,B,,\n", "the id 1 occurs twice, for different structures: a and b."),
        (TERMS + 'A,,"[1, 2]",a,A,,\n', "the annotation_value of row 2 (A) is '[1, 2]', not a whole"),
        (TERMS + "A,B,1,a,A,,\nB,A,2,b,B,,\n", "2 structures never reach a root"),
        (
            terms_csv((1, "organ", "a"), (1, "organ", "b")),
            "the index 1 has two terms in the term set organ: a and b.",
        ),
        (terms_csv((1, "organ", "")), "row 2 has no parcellation_term name."),
        (
            terms_csv((1, "organ", "a")).replace("organ", "tissue"),
            "the order of the term sets tissue is not known; give each a whole number in the column "
            "term_set_order, from the top down.",
        ),
        (
            "parcellation_index,parcellation_term_set_name,parcellation_term_name,term_set_order\n1,a,x,0\n2,a,x,1\n",
            "the term set a has more than one term_set_order.",
        ),
        ("", "is empty."),
        (b"\xff\xfei\0d\0", "is not UTF-8 text (UTF-16, or no CSV at all); save it as CSV in UTF-8."),
        (b"idx,name\n1,\xe9\n", "line 2: byte 0xE9 is not UTF-8; is the file Latin-1 or Windows-1252?"),
        ("id,acronym,parent_structure_id\n1,a,\n", "is not a structure graph: it has no column safe_name"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_in_a_sentence(file: Path, content: object, sentence: str) -> None:
    assert sentence in refusal(file, content)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("idx;name;r;g;b\n1;A;0;0;0\n", "it is a table with the columns idx;name;r;g;b."),
        ("parcellation_index,organ\n1,brain\n", "it is a table with the columns parcellation_index, organ."),
        ({"resolution": [1], "name": "x"}, "it is a JSON, an object with the keys resolution, name."),
        ([{"x": 1, "y": 2}], "it is a JSON, a list of objects with the keys x, y."),
        ([[1, 2]], "it is a JSON, a list of no objects."),
        ("[]", "it is a JSON, an empty list or object."),
        ('{"success": true, "msg": []}', "it is a JSON, an empty list or object."),
        (",".join("abc" for _ in range(30_000)), "its first line has 30,000 columns."),
        ("x" * 100_000, f"it is a table with the columns {200 * 'x'}."),
    ],
)
def test_what_has_another_form_is_told_what_it_has_and_which_forms_there_are(
    file: Path, content: object, found: str
) -> None:
    sentence = refusal(file, content)
    assert sentence.startswith(
        f"is no ontology in a form that is read: {found} The forms are the Allen Institute's"
    )
    assert len(sentence) < 1_000


def test_levels_are_bounded_in_every_form(file: Path) -> None:
    deep = nested(chain(200))
    assert read(file, deep).graph.height == 200
    assert read(file, of_brainglobe(chain(200))).graph.height == 200
    for content in (nested(chain(201)), of_brainglobe(chain(201)), terminology(chain(201))):
        assert "nested deeper than 200 levels" in refusal(file, content)
    for brackets in (100_000 * "[", 100_000 * '{"children":['):
        assert refusal(file, brackets) == "is nested too deeply; an ontology has at most 200 levels."


def chain(count: int) -> list[Node]:
    return [
        {
            "id": i,
            "parent": i - 1 or None,
            "acronym": f"a{i}",
            "name": f"n{i}",
            "color": "00FF00",
            "path": list(range(1, i + 1)),
        }
        for i in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b" " * 64_000_001, "has more than 64,000,000 bytes, so it is no ontology of a brain."),
        (
            b"[" + 2_000_001 * b"1," + b"1]",
            "has more than 2,000,000 values, so it is no ontology of a brain.",
        ),
        (b"idx,name\n" + 200_000 * b"1,a\n", "has more than 200,000 lines, so it is no ontology of a brain."),
        (
            b"idx,name\n" + b"".join(b"%d,a\n" % i for i in range(1, 100_002)),
            "has more than 100,000 structures, so it is no ontology of a brain.",
        ),
    ],
    ids=["bytes", "values", "lines", "structures"],
)
def test_what_is_too_large_is_refused(file: Path, content: bytes, sentence: str) -> None:
    assert refusal(file, content) == sentence


def test_a_folder_or_nothing_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(CcfError, match="cannot be read: "):
            read_ontology(path)


def test_the_csv_is_replaced_in_one_step(tmp_path: Path) -> None:
    source, written = tmp_path / "source.csv", tmp_path / "written.csv"
    source.write_bytes(phantom_ontology.structure_graph_csv())
    graph = read_ontology(source).graph
    written.write_text("older", "utf-8")
    write_structure_graph(graph, written)
    assert read_ontology(written).graph.equals(graph)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.csv", "written.csv"]
