"""The ontology: the official file is read exactly, and what would poison the tables is named."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccf_assets.ccf import ontology
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.errors import CcfError
from ccf_assets.finding import Finding

unhurried = settings(deadline=None)
"""The machine may have other things to do."""

OFFICIAL = "ontology/structure_graph.csv"
OLDER = "ontology/structure_graph_1305.csv"

Row = dict[str, str]


def row(region_id: int, parent_id: int | None, path: str, **changed: str) -> Row:
    """A sound line of the file; a field in ``changed`` replaces the sound value."""
    return {
        "id": str(region_id),
        "name": f"Region {region_id}, named",
        "acronym": f"R{region_id}",
        "parent_structure_id": "" if parent_id is None else str(parent_id),
        "depth": str(path.count("/") - 2),
        "graph_order": str(region_id),
        "structure_id_path": path,
        "color_hex_triplet": "00FF99",
        "safe_name": f"Region {region_id} named",
        **changed,
    }


SOUND = (
    row(1, None, "/1/"),
    row(2, 1, "/1/2/"),
    row(3, 1, "/1/3/"),
    row(4, 2, "/1/2/4/"),
    row(5, 4, "/1/2/4/5/"),
)


def as_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "structure_graph.csv"


def graph_of(file: Path, rows: Sequence[Row]) -> pl.DataFrame:
    file.write_text(as_csv(rows), "utf-8")
    return ontology.read_structure_graph(file)


def changed(place: int, **fields: str) -> list[Row]:
    """The sound rows, one of them with other fields."""
    return [{**each, **(fields if i == place else {})} for i, each in enumerate(SOUND)]


def findings(file: Path, rows: Sequence[Row]) -> dict[str, Finding]:
    found = ontology.check_structure_graph(graph_of(file, rows))
    assert [each.name for each in found] == list(ontology.CHECKS)
    assert all(each.blocking == (not each.passed) for each in found)
    return {each.name: each for each in found}


def failing(file: Path, rows: Sequence[Row]) -> dict[str, str]:
    """name → sentence of what did not pass."""
    return {name: each.sentence for name, each in findings(file, rows).items() if not each.passed}


def refusal(file: Path, content: str | bytes) -> str:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(CcfError) as refused:
        ontology.read_structure_graph(file)
    sentence = str(refused.value)
    assert str(file) in sentence
    assert "\n" not in sentence
    return sentence


# --- The official files ----------------------------------------------------------------------------------


def test_the_official_file_is_read_cell_by_cell(ccf_data) -> None:
    graph = ontology.read_structure_graph(ccf_data(OFFICIAL))
    with ccf_data(OFFICIAL).open(encoding="utf-8", newline="") as lines:
        raw = list(csv.DictReader(lines))
    assert graph.height == len(raw) == 1327
    for found, line in zip(graph.iter_rows(named=True), raw, strict=True):
        assert found == {
            "region_id": int(line["id"]),
            "parent_id": int(line["parent_structure_id"]) if line["parent_structure_id"] else None,
            "depth": int(line["depth"]),
            "structure_order": int(line["graph_order"]),
            "acronym": line["acronym"],
            "region_name": line["safe_name"],
            "full_name": line["name"],
            "color_hex": line["color_hex_triplet"],
            "path": line["structure_id_path"],
        }


def test_the_official_file_has_the_published_shape(ccf_data) -> None:
    graph = ontology.read_structure_graph(ccf_data(OFFICIAL))
    depths = Counter(graph["depth"].to_list())
    assert [depths[d] for d in range(11)] == [1, 5, 18, 61, 109, 130, 262, 324, 272, 139, 6]
    assert graph.filter(pl.col("region_id") < 100).height == 94
    assert graph["region_id"].max() == 614_454_277
    assert sorted(graph["structure_order"]) == list(range(1327))
    assert ontology.region_ancestor_rows(ontology.region_parent_rows(graph, 1)).height == 9964


def test_the_official_file_keeps_what_careless_reading_loses(ccf_data) -> None:
    graph = ontology.read_structure_graph(ccf_data(OFFICIAL))
    assert {"CUL4, 5", "fiber tracts", "CM", "cm", "IPF", "ipf"} <= set(graph["acronym"])
    colours = Counter(graph["color_hex"].to_list())
    assert sum(n for colour, n in colours.items() if colour.startswith("0")) == 139
    assert colours["019399"] == 36
    assert graph.filter(pl.col("full_name").str.contains(",")).height == 746
    assert graph.filter(pl.col("region_name").str.contains(",")).is_empty()


@pytest.mark.parametrize("path", [OFFICIAL, OLDER])
def test_the_official_files_pass_and_their_case_twins_are_told(ccf_data, path: str) -> None:
    found = ontology.check_structure_graph(ontology.read_structure_graph(ccf_data(path)))
    assert [each.name for each in found if not each.passed] == []
    twins = found[-1]
    assert twins.sentence == "2 groups of acronyms differ by case only: CM/cm, IPF/ipf."


def test_the_older_file_without_names_is_read_by_column_name(ccf_data) -> None:
    older = ontology.read_structure_graph(ccf_data(OLDER))
    assert older.height == 1305
    assert older["full_name"].to_list() == older["region_name"].to_list()
    newer = ontology.read_structure_graph(ccf_data(OFFICIAL))
    both = older.join(newer, on="region_id", suffix="_newer")
    assert both.height == 1305
    # A spreadsheet took the zeros off its colours; they are given back.
    assert (both["color_hex"] == both["color_hex_newer"]).all()
    assert (both["parent_id"].eq_missing(both["parent_id_newer"])).all()


def test_the_phantoms_ontology_passes(file: Path) -> None:
    file.write_bytes(phantom_ontology.structure_graph_csv())
    found = ontology.check_structure_graph(ontology.read_structure_graph(file))
    assert all(each.passed for each in found)


# --- Reading ---------------------------------------------------------------------------------------------


def test_sound_rows_pass_every_check(file: Path) -> None:
    found = findings(file, SOUND)
    assert all(each.passed for each in found.values())
    assert found["case_twins"].sentence == "No two acronyms differ by case only."


def test_columns_are_found_by_name_in_any_order_among_others(file: Path) -> None:
    expected = graph_of(file, SOUND)
    turned = [{"unnamed": "0", **dict(reversed(each.items())), "weight": "8690"} for each in SOUND]
    assert graph_of(file, turned).equals(expected)


def test_a_byte_order_mark_and_dos_line_ends_do_no_harm(file: Path) -> None:
    expected = graph_of(file, SOUND)
    file.write_bytes(b"\xef\xbb\xbf" + as_csv(SOUND).replace("\n", "\r\n").encode())
    assert ontology.read_structure_graph(file).equals(expected)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).filter(str.strip)


@given(acronym=names, safe_name=names, name=names, colour=st.integers(0, 0xFFFFFF))
@unhurried
def test_any_text_comes_through_unchanged(
    tmp_path_factory: pytest.TempPathFactory, acronym: str, safe_name: str, name: str, colour: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "structure_graph.csv"
    text = {"acronym": acronym, "safe_name": safe_name, "name": name, "color_hex_triplet": f"{colour:06x}"}
    last = graph_of(file, changed(4, **text)).row(4, named=True)
    assert last["acronym"] == acronym
    assert last["region_name"] == safe_name
    assert last["full_name"] == name
    assert last["color_hex"] == f"{colour:06x}"


def test_a_colour_that_lost_its_zeros_gets_them_back(file: Path) -> None:
    assert graph_of(file, changed(1, color_hex_triplet="19399"))["color_hex"][1] == "019399"
    assert graph_of(file, changed(1, color_hex_triplet="0"))["color_hex"][1] == "000000"


def test_without_a_name_column_the_safe_name_is_the_name(file: Path) -> None:
    rows = [{k: v for k, v in each.items() if k != "name"} for each in SOUND]
    assert graph_of(file, rows)["full_name"][1] == "Region 2 named"


# --- What is no structure graph --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "cannot be read as a CSV of structures: empty"),
        (as_csv(SOUND).partition("\n")[0] + "\n", "it has a header and no row"),
        ("<html><body>503</body></html>\n", "it has no column id, acronym, safe_name"),
        ('{"success": false, "msg": "no"}\n', "it has no column id, acronym, safe_name"),
        (as_csv(SOUND).replace(",", ";"), "it must be a CSV with commas"),
        (bytes(range(256)) * 8, "is not UTF-8 text (UTF-16, or no CSV at all); save it as CSV in UTF-8"),
        (b"\x1f\x8b\x08\x00" + bytes(64), "is not UTF-8 text"),
        (as_csv(SOUND).encode("utf-16"), "is not UTF-8 text"),
        (as_csv(SOUND).encode("utf-16-be"), "is not UTF-8 text"),
        (
            as_csv(changed(2, safe_name="Noyau géant")).encode("latin-1"),
            "line 4: byte 0xE9 is not UTF-8; is the file Latin-1 or Windows-1252? Save it as CSV in UTF-8.",
        ),
        (as_csv(SOUND) + "9,x,y,z,1,1,9,/1/9/,FFFFFF,one,more\n", "more fields"),
        (as_csv(SOUND) + "9,x\n", "acronym is missing for None (9)"),
        (as_csv(SOUND) + '9,"never closed', "cannot be read as a CSV of structures: "),
        (as_csv(SOUND)[:-4], "ends within a line, so it may be cut short; get it again"),
        (as_csv(SOUND).replace(",name,", ",id,"), "has more than one column id; remove all but the right"),
    ],
    ids=[
        "empty",
        "no row",
        "web page",
        "json",
        "semicolons",
        "binary",
        "bad gzip",
        "utf-16",
        "utf-16 without mark",
        "latin-1",
        "too many fields",
        "too few fields",
        "open quote",
        "cut in a name",
        "column twice",
    ],
)
def test_what_is_no_structure_graph_is_refused_in_a_sentence(
    file: Path, content: str | bytes, told: str
) -> None:
    assert told in refusal(file, content)


@pytest.mark.parametrize("column", ontology.REQUIRED_COLUMNS)
def test_a_missing_column_is_named(file: Path, column: str) -> None:
    rows = [{k: v for k, v in each.items() if k != column} for each in SOUND]
    assert f"it has no column {column} (columns found: " in refusal(file, as_csv(rows))


@pytest.mark.parametrize(
    "column", [*(c for c in ontology.REQUIRED_COLUMNS if c not in ("id", "parent_structure_id")), "name"]
)
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_cell_is_told_with_its_structure(file: Path, column: str, blank: str) -> None:
    sentence = refusal(file, as_csv(changed(2, **{column: blank})))
    assert f"{column} is missing for " in sentence
    assert "(3)" in sentence


@pytest.mark.parametrize("column", ["acronym", "safe_name", "name"])
@pytest.mark.parametrize("text", ["a\x01b", "two\nlines", "R" * 501])
def test_what_is_no_line_of_text_is_told_with_its_structure(file: Path, column: str, text: str) -> None:
    sentence = refusal(file, as_csv(changed(2, **{column: text})))
    assert f"{column} is longer than 500 bytes, or has a control character, for " in sentence


def test_blank_lines_do_no_harm(file: Path) -> None:
    expected = graph_of(file, SOUND)
    file.write_text(as_csv(SOUND).replace("\n3,", "\n\n3,") + "\n\n")
    assert ontology.read_structure_graph(file).equals(expected)


def test_a_quoted_blank_is_blank(file: Path) -> None:
    text = as_csv(changed(2, safe_name="nothing")).replace("nothing", '""')
    assert "safe_name is missing for R3 (3)" in refusal(file, text)


def test_a_blank_id_is_told(file: Path) -> None:
    assert "id is missing for R3" in refusal(file, as_csv(changed(2, id="")))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("id", "3.0"),
        ("id", "three"),
        ("id", "99999999999999999999999"),
        ("parent_structure_id", "1e0"),
        ("depth", "deep"),
        ("graph_order", "3000000000"),
    ],
)
def test_what_is_not_a_whole_number_is_told_with_its_structure(file: Path, column: str, text: str) -> None:
    sentence = refusal(file, as_csv(changed(2, **{column: text})))
    assert f"{column} is not a whole number for R3 (" in sentence


@pytest.mark.parametrize("colour", ["GGGGGG", "#00FF99", "00FF9900", "0x1234", "-12345"])
def test_what_is_no_colour_is_told_with_its_structure(file: Path, colour: str) -> None:
    sentence = refusal(file, as_csv(changed(2, color_hex_triplet=colour)))
    assert "color_hex_triplet is not six hexadecimal digits for R3 (3)" in sentence


# --- What would poison the tables ------------------------------------------------------------------------


def test_an_orphan_is_named(file: Path) -> None:
    told = failing(file, changed(2, parent_structure_id="77"))
    assert told == {"no_orphan": "1 structures name a parent that is not in the file: R3 (3)."}


def test_a_circle_is_named_with_what_hangs_on_it(file: Path) -> None:
    told = failing(file, changed(1, parent_structure_id="4"))
    assert list(told) == ["no_cycle"]
    assert "R2 (2), R4 (4), R5 (5)" in told["no_cycle"]


def test_a_structure_that_is_its_own_parent_is_a_circle(file: Path) -> None:
    told = failing(file, changed(4, parent_structure_id="5"))
    assert list(told) == ["no_cycle"]
    assert told["no_cycle"].endswith(": R5 (5).")


def test_a_circle_is_found_beside_an_orphan(file: Path) -> None:
    rows = changed(1, parent_structure_id="4")
    rows[2]["parent_structure_id"] = "77"
    assert list(failing(file, rows)) == ["no_orphan", "no_cycle"]


def test_two_roots_are_named(file: Path) -> None:
    told = failing(file, changed(2, parent_structure_id="", structure_id_path="/3/", depth="0"))
    assert told == {"one_root": "The number of roots is 2: R1 (1), R3 (3)."}


def test_a_file_without_a_root_says_so(file: Path) -> None:
    told = failing(file, changed(0, parent_structure_id="2"))
    assert told["one_root"] == "There is no root: every structure names a parent."
    assert set(told) == {"one_root", "no_cycle"}


def test_a_repeated_id_is_named(file: Path) -> None:
    told = failing(file, [*SOUND, row(3, 1, "/1/3/", acronym="other")])
    assert told == {"unique_ids": "1 ids or acronyms occur more than once: 3."}


def test_a_repeated_acronym_is_named(file: Path) -> None:
    told = failing(file, changed(2, acronym="R2"))
    assert told == {"unique_ids": "1 ids or acronyms occur more than once: R2."}


@pytest.mark.parametrize("region_id", [2**32, 0, -5])
def test_an_id_beyond_32_bits_is_named(file: Path, region_id: int) -> None:
    told = failing(file, [*SOUND, row(region_id, 1, f"/1/{region_id}/", graph_order="9")])
    assert told == {
        "unique_ids": f"1 ids are not whole numbers of 1 to 4,294,967,295: R{region_id} ({region_id})."
    }


def test_the_largest_id_of_32_bits_passes(file: Path) -> None:
    assert failing(file, [*SOUND, row(2**32 - 1, 1, f"/1/{2**32 - 1}/", graph_order="9")]) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"depth": "3"},
        {"depth": "-1"},
        {"structure_id_path": "/1/4/"},
        {"structure_id_path": "/1/3/2/4/"},
        {"structure_id_path": "/3/2/4/"},
        {"structure_id_path": "4"},
        {"structure_id_path": "///"},
    ],
)
def test_a_wrong_depth_or_path_is_named(file: Path, wrong: dict[str, str]) -> None:
    told = failing(file, changed(3, **wrong))
    assert told == {"depth_equals_path": "Depth, path and parents disagree for 1 structures: R4 (4)."}


def test_a_path_that_is_wrong_only_in_the_middle_is_seen(file: Path) -> None:
    told = failing(file, changed(4, structure_id_path="/1/3/4/5/"))
    assert told == {"depth_equals_path": "Depth, path and parents disagree for 1 structures: R5 (5)."}


def test_a_wrong_parent_is_seen_by_the_path(file: Path) -> None:
    assert "R4 (4), R5 (5)" in failing(file, changed(3, parent_structure_id="3"))["depth_equals_path"]


def test_acronyms_that_differ_by_case_are_told_and_pass(file: Path) -> None:
    found = findings(file, changed(2, acronym="r2"))["case_twins"]
    assert (found.passed, found.blocking) == (True, False)
    assert found.sentence == "1 groups of acronyms differ by case only: R2/r2."
    assert found.numbers == {"groups": 1}


def test_a_long_list_is_cut_short_with_its_number(file: Path) -> None:
    told = failing(file, [SOUND[0], *(row(i, 99, "/99/") for i in range(2, 22))])
    assert told["no_orphan"].startswith("20 structures")
    assert told["no_orphan"].endswith("R9 (9) and 12 more.")


# --- 100,000 structures ----------------------------------------------------------------------------------

MANY = 100_000


def test_an_ontology_of_100_000_structures_is_read_checked_and_closed(file: Path) -> None:
    paths = ["", "/1/"]
    for i in range(2, MANY + 1):
        paths.append(f"{paths[i // 2]}{i}/")
    graph = pl.DataFrame({"id": range(1, MANY + 1), "structure_id_path": paths[1:]}).with_columns(
        acronym=pl.format("R{}", "id"),
        safe_name=pl.format("Region {}", "id"),
        parent_structure_id=pl.when(pl.col("id") > 1).then(pl.col("id") // 2),
        depth=pl.col("structure_id_path").str.count_matches("/") - 2,
        graph_order="id",
        color_hex_triplet=pl.lit("00FF99"),
    )
    graph.write_csv(file)
    read = ontology.read_structure_graph(file)
    assert all(each.passed for each in ontology.check_structure_graph(read))
    closure = ontology.region_ancestor_rows(ontology.region_parent_rows(read, 1))
    assert closure.height == MANY + graph["depth"].sum()


@pytest.mark.parametrize(
    ("top", "wrong"),
    [(None, {"depth_equals_path"}), (MANY, {"one_root", "no_cycle"}), (MANY + 1, {"one_root", "no_orphan"})],
    ids=["chain", "circle", "orphans"],
)
def test_100_000_structures_that_hang_on_one_another_are_refused(top: int | None, wrong: set[str]) -> None:
    """In time and memory that grow with their number, not with its square."""
    graph = pl.DataFrame({"region_id": range(1, MANY + 1)}).with_columns(
        parent_id=pl.col("region_id").shift(1, fill_value=top),
        depth=pl.lit(1),
        acronym=pl.format("R{}", "region_id"),
        path=pl.format("/1/{}/", "region_id"),
    )
    assert {each.name for each in ontology.check_structure_graph(graph) if not each.passed} == wrong


ids = st.integers(-3, 9)


@given(
    st.lists(
        st.tuples(
            ids,
            st.none() | ids,
            st.integers(-2, 4),
            st.sampled_from(["A", "a", "B", "C, D"]),
            st.lists(ids).map(lambda path: "/" + "".join(f"{i}/" for i in path)),
        ),
        min_size=1,
    )
)
@unhurried
def test_no_defect_makes_another_check_fail_to_answer(
    rows: list[tuple[int, int | None, int, str, str]],
) -> None:
    schema = {
        "region_id": pl.Int64,
        "parent_id": pl.Int64,
        "depth": pl.Int64,
        "acronym": pl.String,
        "path": pl.String,
    }
    found = ontology.check_structure_graph(pl.DataFrame(rows, schema, orient="row"))
    assert [each.name for each in found] == list(ontology.CHECKS)
    assert all(each.sentence.endswith(".") for each in found)
    blocked = {each.name for each in found if each.blocking}
    parents = {region_id: parent for region_id, parent, *_ in rows}
    assert ("no_orphan" in blocked) == any(p is not None and p not in parents for p in parents.values())
    assert ("one_root" in blocked) == (sum(p is None for p in parents.values()) != 1)
    assert ("no_cycle" in blocked) == any(_climbs_for_ever(i, parents) for i in parents)


def _climbs_for_ever(region_id: int, parents: dict[int, int | None]) -> bool:
    here: int | None = region_id
    for _ in range(len(parents) + 1):
        if here is None or here not in parents:
            return False
        here = parents[here]
    return True


# --- Rows ------------------------------------------------------------------------------------------------


@st.composite
def trees(draw: st.DrawFn) -> list[Row]:
    """Rows of a random tree with random ids, a parent anywhere in the file."""
    region_ids = draw(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=25, unique=True))
    paths = {region_ids[0]: f"/{region_ids[0]}/"}
    rows = [row(region_ids[0], None, paths[region_ids[0]], graph_order="0")]
    for order, region_id in enumerate(region_ids[1:], 1):
        parent = draw(st.sampled_from(region_ids[:order]))
        paths[region_id] = f"{paths[parent]}{region_id}/"
        rows.append(row(region_id, parent, paths[region_id], graph_order=str(order)))
    return draw(st.permutations(rows))


@given(trees())
@unhurried
def test_a_random_tree_passes_and_its_rows_say_what_its_paths_say(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    file = tmp_path_factory.getbasetemp() / "structure_graph.csv"
    graph = graph_of(file, rows)
    assert all(each.passed for each in ontology.check_structure_graph(graph))

    steps = {int(each["id"]): [int(i) for i in each["structure_id_path"].split("/") if i] for each in rows}
    parents = ontology.region_parent_rows(graph, 7)
    assert {(r, p, d) for _, r, p, d in parents.iter_rows()} == {
        (path[-1], path[max(len(path) - 2, 0)], len(path) - 1) for path in steps.values()
    }
    closure = ontology.region_ancestor_rows(parents)
    expected = {
        (7, region_id, ancestor, distance)
        for region_id, path in steps.items()
        for distance, ancestor in enumerate(reversed(path))
    }
    assert closure.height == len(expected)
    assert set(closure.iter_rows()) == expected


def test_rows_have_the_types_of_their_tables(file: Path) -> None:
    graph = graph_of(file, SOUND)
    parents = ontology.region_parent_rows(graph, 7)
    assert ontology.brain_region_rows(graph, 7).schema == {
        "ccf_id": pl.Int32,
        "region_id": pl.Int32,
        "acronym": pl.String,
        "region_name": pl.String,
        "full_name": pl.String,
        "color_hex": pl.String,
        "structure_order": pl.Int32,
    }
    assert parents.schema == {
        "ccf_id": pl.Int32,
        "region_id": pl.Int32,
        "parent_id": pl.Int32,
        "depth": pl.Int16,
    }
    assert ontology.region_ancestor_rows(parents).schema == {
        "ccf_id": pl.Int32,
        "region_id": pl.Int32,
        "ancestor_id": pl.Int32,
        "distance": pl.Int16,
    }
    assert parents.row(0) == (7, 1, 1, 0)


def test_painted_ids_that_the_ontology_lacks_are_listed_in_order(file: Path) -> None:
    assert ontology.missing_regions(graph_of(file, SOUND), {1, 5, 99, 7, 614_454_277}) == [7, 99, 614_454_277]
