"""Neurons of MouseLight: the space that the JSON states, the names of nodes; SWC, which states none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.recordings.formats.mouselight import NEURONS, SWC
from ccf_assets_tests.support.formats_lab import ccf_um, found_in, ids_at, read, refusal


def node(number: object = 1, x: object = 1.0, **other: object) -> dict[str, object]:
    place = {"sampleNumber": number, "structureIdentifier": 2, "x": x, "y": 2.0, "z": 3.0}
    return place | {"radius": 1, "parentNumber": -1, "allenId": 443} | other


def neuron(version: object = 3, name: object = "AA1", **other: object) -> dict[str, object]:
    soma = {"x": 7.0, "y": 8.0, "z": 9.0, "allenId": 1}
    trees = {"soma": soma, "axon": [node(1), node(4)], "dendrite": [node(1)]}
    return {"idString": name, "annotationSpace": {"version": version}, **trees} | other


def write(folder: Path, *neurons: object, **other: object) -> None:
    (folder / "n.json").write_text(json.dumps({"comment": "", "neurons": list(neurons)} | other))


def test_every_node_is_a_site_with_the_name_of_its_tree(tmp_path: Path):
    write(tmp_path, neuron())
    table = read(NEURONS, tmp_path)
    columns = table.columns
    assert table.frame == "ccf"
    assert columns["site_id"].to_list() == ["soma", "axon 1", "axon 4", "dendrite 1"]
    assert columns["recording_id"].to_list() == ["AA1"] * 4
    assert columns["reported_region"].to_list() == ["1", "443", "443", "443"]
    assert columns["parentNumber"].to_list() == [None, -1, -1, -1]


@pytest.mark.parametrize(
    ("version", "expected"), [(2.5, (9, 8, 7)), ("2.5", (9, 8, 7)), (3, (7, 8, 9)), (3.0, (7, 8, 9))]
)
def test_the_version_of_the_space_says_the_order_of_the_axes(
    tmp_path: Path, version: object, expected: tuple[float, ...]
):
    write(tmp_path, neuron(version))
    columns = read(NEURONS, tmp_path).columns
    assert tuple(columns[axis][0] for axis in ("ap", "dv", "ml")) == expected


@pytest.mark.parametrize("version", [None, 2, 3.1, "CCFv3", True, [3], 10**400])
def test_another_version_is_refused(tmp_path: Path, version: object):
    write(tmp_path, neuron(version))
    assert "and only 2.5 (x, y, z are ML, DV, AP) and 3 (AP, DV, ML) are known" in refusal(NEURONS, tmp_path)


def test_several_neurons_are_several_recordings(tmp_path: Path):
    write(tmp_path, neuron(), neuron(2.5, "AA2"))
    assert read(NEURONS, tmp_path).columns["recording_id"].unique().sort().to_list() == ["AA1", "AA2"]
    write(tmp_path, neuron(), neuron())
    assert read(NEURONS, tmp_path).columns["recording_id"].unique().sort().to_list() == [
        "n neuron 0",
        "n neuron 1",
    ]
    write(tmp_path, neuron(name=None))
    assert read(NEURONS, tmp_path).columns["recording_id"][0] == "n"


def test_one_neuron_need_not_be_in_a_list(tmp_path: Path):
    (tmp_path / "n.json").write_text(json.dumps({"neuron": neuron()}))
    assert read(NEURONS, tmp_path).height == 4


def test_nodes_with_the_same_number_have_that_of_their_row(tmp_path: Path):
    write(tmp_path, neuron(dendrite=[node(1), node(2), node(1)]))
    names = read(NEURONS, tmp_path).columns["site_id"].to_list()
    assert names[-3:] == ["dendrite row 0", "dendrite row 1", "dendrite row 2"]


def test_what_is_not_known_is_missing(tmp_path: Path):
    write(tmp_path, neuron(soma=None, axon=None, dendrite=[node(1, x=None, allenId=None, radius=None)]))
    columns = read(NEURONS, tmp_path).columns
    assert columns["ap"].to_list() == columns["reported_region"].to_list() == [None]
    assert columns["dv"].to_list() == [2]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"neurons": {}}, "has no list of neurons"),
        ({"neurons": []}, "has no list of neurons"),
        ({"neurons": [3]}, "has no list of neurons"),
        ({"neurons": [neuron(soma=None, axon=[], dendrite=None)]}, "has neurons without nodes"),
        ({"neurons": [neuron(axon={})]}, "n.json has neurons"),
        ({"neurons": [neuron(axon={"a": 1})]}, "axon is {'a': 1}, not a list of nodes."),
        ({"neurons": [neuron(axon=[3])]}, "axon, row 0 is 3, not a node with x, y, z."),
        ({"neurons": [neuron(axon=[node(x="1")])]}, "axon, row 0, x is '1', not a number."),
        ({"neurons": [neuron(axon=[node(1.5)])]}, "sampleNumber is 1.5, not a whole number"),
        ({"neurons": [neuron(soma=[])]}, "soma is [], not a node with x, y, z."),
    ],
)
def test_what_is_of_another_form_is_refused_in_words(tmp_path: Path, content: object, sentence: str):
    text = json.dumps(content)
    (tmp_path / "n.json").write_text('{"idString": 1,' + text[1:])
    if sentence == "n.json has neurons":  # an empty object is no tree
        assert read(NEURONS, tmp_path).height == 2
        return
    assert sentence in refusal(NEURONS, tmp_path)


def test_swc_needs_a_frame(tmp_path: Path):
    (tmp_path / "n.swc").write_text("# a neuron\n1 1 5483.1 2202.8 6450.4 1.0 -1\n\n 3\t3 1 2 3 1 1 # leaf\n")
    table = read(SWC, tmp_path)
    columns = table.columns
    assert table.frame is None
    assert columns["site_id"].to_list() == [1, 3]
    assert columns["x"].to_list() == [5483.1, 1]
    assert columns["z"].to_list() == [6450.4, 3]
    assert columns["recording_id"].to_list() == ["n", "n"]
    assert table.row_name(1) == "node 3"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no nodes."),
        ("# nothing\n \n", "has no nodes."),
        ("1 1 2 3\n", "is not readable as SWC"),
        ("1 1 2 3 4 5\n", "is not readable as SWC"),
        ("1 1 2 x 4 5 6\n", "is not readable as SWC"),
        ("1.5 1 2 3 4 5 6\n", "the id 1.5 is not a whole number."),
        ("nan 1 2 3 4 5 6\n", "the id nan is not a whole number."),
        ("1e300 1 2 3 4 5 6\n", "the id 1e+300 is not a whole number."),
    ],
)
def test_swc_of_another_form_is_refused_in_words(tmp_path: Path, text: str, sentence: str):
    (tmp_path / "n.swc").write_text(text)
    assert sentence in refusal(SWC, tmp_path)


def test_of_a_node_of_swc_only_the_coordinate_that_is_not_known_is_null(tmp_path: Path):
    (tmp_path / "n.swc").write_text("1 1 nan 2 3 1 -1\n2 1 nan nan nan 1 1\n")
    columns = read(SWC, tmp_path).columns
    assert (columns["x"].to_list(), columns["y"].to_list()) == ([None, None], [2, None])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**40),
            *([st.floats(allow_nan=False, allow_infinity=False)] * 3),
            st.integers(0, 9),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_number_of_swc_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, ...]]
):
    folder = tmp_path_factory.mktemp("swc")
    lines = (f"{i} 2 {x!r} {y!r} {z!r} {r} -1\n" for i, x, y, z, r in rows)
    (folder / "n.swc").write_text("".join(lines))
    columns = read(SWC, folder).columns
    assert columns["site_id"].to_list() == [row[0] for row in rows]
    assert columns["y"].to_list() == [row[2] for row in rows]


def test_a_real_neuron_lies_in_the_brain_and_its_soma_in_its_region(
    ccf_cases: Callable[[str], Path], ccf_data: Callable[[str], Path]
):
    folder = ccf_cases("formats/mouselight")
    table, swc = read(NEURONS, folder), read(SWC, folder)
    assert len(found_in(NEURONS, folder)) == len(found_in(SWC, folder)) == 1
    assert (table.height, swc.height) == (689, 1913)
    points = np.concatenate([ccf_um(table), ccf_um(swc, "map_ephys")])
    ids = ids_at(ccf_data("annotation/ccf_2017/annotation_25.nrrd"), points)
    assert 0 not in ids
    assert ids[0] == int(table.columns["reported_region"][0]) == 443
    equal = np.mean([int(a) == b for a, b in zip(table.columns["reported_region"], ids, strict=False)])
    assert 0.40 < equal < 0.42, "the ids are those of an older annotation"
