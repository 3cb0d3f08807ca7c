"""Files of recording sites: every row arrives, nothing is guessed, every refusal says what to write."""

from __future__ import annotations

import csv
import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files import csv_table, table
from ccf_assets.recordings.files.settings import read_settings
from ccf_assets.recordings.files.table import SITES_SCHEMA
from ccf_assets.recordings.scan import stamps
from ccf_assets.recordings.scan.folder import FolderChange, scan_folder, site_file, what_is_new
from ccf_assets.recordings.scan.keys import partition_key_of, path_of
from ccf_assets.recordings.scan.read import read_sites


@dataclass(frozen=True)
class Order:
    xyz: tuple[str, str, str]


FEW = {"ccf": Order(("ap", "dv", "ml")), "ibl": Order(("ml", "ap", "dv"))}
SITES = "recording_id,site_id,ap,dv,ml\nm1,0,1,2,3\nm1,1,4,5,6\n"


IN, FRAME_LINE, TABLE = 'frame = "ccf"', 'frame = "NAME"', "[columns]"

RECORDING_LINE = 'recording_id = "the column\'s name"'

XYZ_LINES = [f'{axis} = "the column\'s name"' for axis in "xyz"]


def write(folder: Path, text: str | bytes, toml: str | None = 'frame = "ccf"', name: str = "m.csv") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    if toml is not None:
        path.with_suffix(".toml").write_text(toml, "utf-8")
    return partition_key_of(name)


def read(folder: Path, text: str | bytes, toml: str | None = 'frame = "ccf"', name: str = "m.csv"):
    return read_sites(folder, write(folder, text, toml, name), FEW)


def refusal(folder: Path, text: str | bytes, toml: str | None = 'frame = "ccf"', name: str = "m.csv") -> str:
    with pytest.raises(CcfError) as caught:
        read(folder, text, toml, name)
    return str(caught.value)


def test_a_file_without_a_line_of_names_is_told_to_get_one(tmp_path: Path):
    for text in ("m1,0,1,2,3\nm1,1,4,5,6\n", "1,0,1,1,-1.5e3\n1,1,4,5,6\n"):
        said = refusal(tmp_path, text)
        assert "Are these values? Then write a line of names above them, such as recording_id,site_id" in said


def test_one_lacking_coordinate_is_named_with_the_line_to_write(tmp_path: Path):
    said = refusal(tmp_path, "recording_id,site_id,ap,dv\nm,0,1,2\n")
    assert "m.csv has ap and dv, and no ml. Its columns are: recording_id, site_id, ap, dv." in said
    assert '    [columns]\n    ml = "the column\'s name"\nx, y, z' in said


FIELD = st.text(st.sampled_from('ab1.5,;" \t\r\nµ\u2028|#-'), max_size=6)


@given(
    st.lists(st.lists(FIELD, min_size=5, max_size=5), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@example([["", "", "", "", ""]], "\n", False)
@example([["1", "2", " a ", "", "null"], ["", "", "NA", "#", "-"]], "\r\n", True)
def test_polars_reads_of_a_plain_file_what_python_reads(rows: list[list[str]], end: str, plain: bool):
    if plain:  # else most have a quote somewhere
        rows = [[re.sub(r'[",\r\n]', "", field) for field in row] for row in rows]
    names = ["a", "", "b", "c", "d"]
    text = end.join(",".join(row) for row in [names, *rows])
    for raw in (text.encode(), (text + end).encode()):
        found = csv_table._plain_rows(raw, names, [0, 2, 3, 4], ",")
        try:
            read = [record for _, record in csv_table._csv_records(Path("m.csv"), raw, ",")][1:]
        except CcfError:
            read = None
        if found is None:
            assert not plain or not rows
        else:
            assert found.columns == ["a", "b", "c", "d"]
            assert [list(row) for row in found.iter_rows()] == [[r[0], *r[2:]] for r in read or ()]


@pytest.mark.parametrize("name", ["x^2", "x\x01", "x^"])
def test_a_name_that_looks_like_compressed_data_is_a_name(tmp_path: Path, name: str):
    sites = read(tmp_path, f"{name},recording_id,ap,dv,ml\n9,a,1,2,3\n")
    assert sites.row(0)[:5] == ("a", 0, 1.0, 2.0, 3.0)


# Partition keys

PART = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)) | st.sampled_from(".% ,"), min_size=1
)
NAMES = st.builds(
    lambda parts, end: "/".join(parts) + end, st.lists(PART, min_size=1, max_size=3), st.just(".csv")
)


@given(NAMES, NAMES)
@example("a...csv", "a..%2Ecsv")
@example("a%2Eb.csv", "a.b.csv")
@example(" a.csv", "a.csv")
def test_two_file_names_never_share_a_key(one: str, other: str):
    assert (partition_key_of(one) == partition_key_of(other)) == (one == other)


@given(NAMES)
@example("été 1/souris...2\n.csv")
@example("a,b[1]|\t.CSV")
def test_a_key_is_safe_and_leads_back_to_its_file(name: str):
    parts = name.split("/")
    assume(not any(part in (".", "..") for part in parts))
    key = partition_key_of(name)
    assert "..." not in key
    assert key.isprintable()
    assert not set(key) & set(',[]"*|')
    assert path_of(Path("/data"), key) == Path("/data") / name


def test_dagster_takes_the_keys():
    import dagster as dg

    names = [
        "a...b.csv",
        "a\tb.csv",
        "a\nb.csv",
        "a\0b.csv",
        "été.csv",
        "a\x07\x08\x0b\x0c\r.csv",
        ". . ..csv",
    ]
    dg.StaticPartitionsDefinition([partition_key_of(name) for name in names])


def test_everyday_names_stay_readable():
    assert partition_key_of("mouse 1/2024-05-01_probe.csv") == "mouse 1/2024-05-01_probe.csv"
    assert partition_key_of("Mäuse/小鼠.parquet") == "Mäuse/小鼠.parquet"


def test_a_name_that_is_no_text_has_a_key_that_is():
    name = os.fsdecode(b"mouse\xe9.csv")
    assert partition_key_of(name) == "mouse%E9.csv"
    assert path_of(Path("/data"), "mouse%E9.csv").name == name


@pytest.mark.parametrize(
    "key",
    ["", "a", "a.doc", "../a.csv", "/etc/a.csv", "x/../a.csv", "%41.csv", "a%00.csv", "./a.csv", "a//b.csv"],
)
def test_what_is_no_key_of_a_file_is_refused(key: str):
    with pytest.raises(CcfError, match="not the partition key"):
        path_of(Path("/data"), key)


# Settings


def test_the_example_of_the_readme_is_read(tmp_path: Path):
    toml = """
        frame = "ibl"
        [columns]                 # ours = the file's
        x = "x_m"
        y = "y_m"
        z = "z_m"
        reported_region = "atlas_id"
    """
    sites = read(tmp_path, "recording_id,site_id,x_m,y_m,z_m,atlas_id,acronym\np,7,1,2,3,385,VISp\n", toml)
    assert sites.rows(named=True) == [
        {
            "recording_id": "p",
            "site_id": 7,
            "ap": 2.0,
            "dv": 3.0,
            "ml": 1.0,
            "frame": "ibl",
            "reported_region": "385",
            **dict.fromkeys(("site_name", "probe", "shank", "channel", "axial_um", "lateral_um", "details")),
            "kind": "site",
            "source": "m.csv",
        }
    ]
    assert sites.schema == SITES_SCHEMA


def test_a_files_own_settings_win_key_by_key_over_those_of_its_folders(tmp_path: Path):
    path = tmp_path / "lab" / "m.csv"
    path.parent.mkdir()
    (tmp_path / "recordings.toml").write_text('frame = "ccf"\n[columns]\nap = "a"\ndv = "d"')
    (path.parent / "recordings.toml").write_text('[columns]\ndv = "depth"\nml = "m"')
    path.with_suffix(".toml").write_text('frame = "ibl"\n[columns]\nml = "lateral"')
    said = read_settings(tmp_path, path)
    assert said.frame == "ibl"
    assert said.columns == {"ap": "a", "dv": "depth", "ml": "lateral"}


def test_a_folders_settings_serve_all_its_files(tmp_path: Path):
    (tmp_path / "recordings.toml").write_text('frame = "ibl"')
    assert read(tmp_path, SITES, None, "sub/m.csv")["frame"].to_list() == ["ibl", "ibl"]


def test_settings_with_a_byte_order_mark_are_read(tmp_path: Path):
    assert read(tmp_path, SITES, '\ufeffframe = "ccf"').height == 2


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (
            'fraem = "ccf"',
            "'fraem' is not a known key. The keys are frame, ",
        ),
        ('frame = "ccf"\n[columns]\nrecordingid = "r"', "did you mean recording_id?"),
        ("frame = 3", 'frame must be the name of a frame in quotes, for example frame = "ccf"'),
        ('frame = "ccf"\ncolumns = 1', "columns must be a table"),
        ('frame = "ccf"\n[columns]\nap = 1', "ap must be the name of a column in quotes"),
        ('frame = "ccf"\n[columns]\nap = "a"\nml = "a"', 'ap and ml are both read from the column "a"'),
        ("frame = ", "is not valid TOML"),
        ("frame = ccf", 'Text needs quotation marks, as in frame = "ccf".'),
        ("frame = " + 5000 * "[", "is not valid TOML: it is nested too deeply."),
        ("frame = " + 5000 * "1", "is not valid TOML: Exceeds the limit"),
        ('frame = "ccf"\n[columns]\nap = "AP_um"', 'says ap = "AP_um", but m.csv has no such column'),
        ('[columns]\nframe = "ccf"', "If it is the frame's name, write the line above [columns]."),
        ('frame = "CCF"', "did you mean ccf?"),
        ('frame = "cfc"', "which is no frame (did you mean ccf?). The frames are: ccf, ibl."),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, toml: str, says: str):
    sentence = refusal(tmp_path, SITES, toml)
    assert says in sentence
    assert str(tmp_path / "m.toml") in sentence


def test_an_empty_column_name_says_that_the_file_has_none(tmp_path: Path):
    (tmp_path / "recordings.toml").write_text('frame = "ccf"\n[columns]\nreported_region = "region"')
    assert read(tmp_path, SITES, '[columns]\nreported_region = ""')["reported_region"].to_list() == [
        None,
        None,
    ]


# Frames


def test_a_file_without_a_frame_is_told_which_line_to_write_where(tmp_path: Path):
    sentence = refusal(tmp_path, SITES, None)
    assert f"Write this line at the top of {tmp_path / 'm.toml'}" in sentence
    assert '\n    frame = "NAME"\n' in sentence
    assert "The frames are: ccf, ibl." in sentence


def test_a_file_with_neither_frame_nor_known_columns_is_told_all_lines_at_once(tmp_path: Path):
    sentence = refusal(tmp_path, "recording_id,x_m,y_m,z_m\np,1,2,3\n", None)
    assert f"Write into {tmp_path / 'm.toml'}" in sentence
    for line in (
        '    frame = "NAME"\n',
        "    [columns]\n",
        "    x = ",
        "NAME is one of: ccf, ibl.",
        "x_m, y_m, z_m",
    ):
        assert line in sentence


def test_x_y_z_are_read_in_the_order_of_each_rows_own_frame(tmp_path: Path):
    sites = read(tmp_path, "recording_id,site_id,x,y,z,frame\na,0,1,2,3,ccf\na,1,1,2,3,ibl\na,2,1,2,3,\n")
    assert sites.select("ap", "dv", "ml", "frame").rows() == [
        (1.0, 2.0, 3.0, "ccf"),
        (2.0, 3.0, 1.0, "ibl"),
        (1.0, 2.0, 3.0, "ccf"),
    ]


def test_a_row_with_an_unknown_frame_or_none_is_named(tmp_path: Path):
    header = "recording_id,site_id,ap,dv,ml,frame\n"
    assert "m.csv, line 3: 'cff' is no frame" in refusal(tmp_path, header + "a,0,1,2,3,ccf\na,1,1,2,3,cff\n")
    assert "m.csv, line 3, does not say" in refusal(tmp_path, header + "a,0,1,2,3,ccf\na,1,1,2,3,\n", "")


def test_the_built_in_frames_serve_as_they_are(tmp_path: Path):
    sites = read_sites(tmp_path, write(tmp_path, "recording_id,x,y,z\na,1,2,3\n", 'frame = "ibl"'), FRAMES)
    assert sites.select("ap", "dv", "ml").row(0) == (2.0, 3.0, 1.0)


# Columns


def test_both_triples_are_refused_until_the_settings_choose(tmp_path: Path):
    text = "recording_id,ap,dv,ml,x,y,z\na,1,2,3,4,5,6\n"
    assert "has ap, dv, ml and also x, y, z" in refusal(tmp_path, text)
    chosen = read(tmp_path, text, 'frame = "ccf"\n[columns]\nx = "x"')
    assert chosen.select("ap", "dv", "ml").row(0) == (4.0, 5.0, 6.0)
    chosen = read(tmp_path, text, 'frame = "ccf"\n[columns]\nml = "z"')
    assert chosen.select("ap", "dv", "ml").row(0) == (1.0, 2.0, 6.0)


def test_an_incomplete_triple_does_not_count(tmp_path: Path):
    sites = read(tmp_path, "recording_id,ap,dv,ml,x\na,1,2,3,4\n")
    assert sites.select("ap", "dv", "ml").row(0) == (1.0, 2.0, 3.0)
    assert "neither all of ap, dv, ml nor all of x, y, z" in refusal(
        tmp_path, "recording_id,ap,dv,x\na,1,2,3\n"
    )


def test_names_are_found_in_capitals_and_the_exact_one_goes_first(tmp_path: Path):
    sites = read(tmp_path, "Recording_ID, AP,DV,ML,ml\na,1,2,9,3\n")
    assert sites.select("ap", "dv", "ml").row(0) == (1.0, 2.0, 3.0)


def test_columns_are_not_taken_twice(tmp_path: Path):
    toml = 'frame = "ibl"\n[columns]\nap = "x"\ndv = "y"\nml = "z"'
    sites = read(tmp_path, "recording_id,x,y,z\na,1,2,3\n", toml)
    assert sites.select("ap", "dv", "ml").row(0) == (1.0, 2.0, 3.0)


def test_a_file_without_recording_id_is_refused(tmp_path: Path):
    sentence = refusal(tmp_path, "session,ap,dv,ml\na,1,2,3\n")
    assert "has no column recording_id. Its columns are: session, ap, dv, ml." in sentence
    assert str(tmp_path / "m.toml") in sentence


@pytest.mark.parametrize(
    ("header", "toml", "lines"),
    [
        ("recording_id,Channel,a,b,c", None, [FRAME_LINE, TABLE, 'site_id = "Channel"', *XYZ_LINES]),
        ("probe,electrode,a,b,c", IN, [TABLE, RECORDING_LINE, 'site_id = "electrode"', *XYZ_LINES]),
        ("probe,channel_id,ap,dv,ml", None, [FRAME_LINE, TABLE, RECORDING_LINE, 'site_id = "channel_id"']),
        ("recording_id,channel,ap,dv,ml", None, [FRAME_LINE, TABLE, 'site_id = "channel"']),
        ("probe,site_id,channel,ap,dv,ml", IN, [TABLE, RECORDING_LINE]),
        ("probe,channel,ap,dv,ml", IN + '\n[columns]\nsite_id = ""', [TABLE, RECORDING_LINE]),
    ],
)
def test_all_that_a_file_lacks_is_said_at_once_with_the_column_of_the_sites_number(
    tmp_path: Path, header: str, toml: str | None, lines: list[str]
):
    row = ",".join("123456"[: header.count(",") + 1])
    sentence = refusal(tmp_path, f"{header}\n{row}\n", toml)
    assert [line.strip() for line in sentence.splitlines() if line.startswith("    ")] == lines


def test_a_column_twice_is_refused(tmp_path: Path):
    assert "more than one column called ap" in refusal(tmp_path, "recording_id,ap,ap,dv,ml\na,1,2,3,4\n")


# Identifiers


def test_text_and_whole_numbers_serve_as_recording_id(tmp_path: Path):
    assert read(tmp_path, "recording_id,ap,dv,ml\n007,1,2,3\n8,1,2,3\nm 9,1,2,3\n")[
        "recording_id"
    ].to_list() == [
        "007",
        "8",
        "m 9",
    ]


def test_a_file_without_site_id_has_one_site_per_recording(tmp_path: Path):
    sites = read(tmp_path, "recording_id,ap,dv,ml\na,1,2,3\nb,1,2,3\na,1,2,3\n")
    assert sites["site_id"].to_list() == [0, 0, 0]
    assert sites["site_id"].dtype == pl.Int64


@pytest.mark.parametrize("wrong", ["1.5", "9223372036854775808", "-99999999999999999999", "1e3"])
def test_a_site_id_that_is_a_number_and_not_whole_names_its_row(tmp_path: Path, wrong: str):
    sentence = refusal(tmp_path, f"recording_id,site_id,ap,dv,ml\na,0,1,2,3\na,{wrong},1,2,3\n")
    assert "m.csv, line 3: site_id is " in sentence
    assert "where the site_id must be a whole number of 64 bits, or a name" in sentence


@pytest.mark.parametrize("wrong", ["", "nan"])
def test_an_empty_site_id_names_its_row(tmp_path: Path, wrong: str):
    sentence = refusal(tmp_path, f"recording_id,site_id,ap,dv,ml\na,0,1,2,3\na,{wrong},1,2,3\n")
    assert "m.csv, line 3: site_id is empty" in sentence


def test_a_site_id_has_up_to_64_bits(tmp_path: Path):
    ids = [-(2**63), 2**31, 2**63 - 1]
    rows = "".join(f"a,{number},1,2,3\n" for number in ids)
    assert read(tmp_path, f"recording_id,site_id,ap,dv,ml\n{rows}")["site_id"].to_list() == ids


def test_a_site_id_as_pandas_writes_it_is_a_whole_number(tmp_path: Path):
    assert read(tmp_path, "recording_id,site_id,ap,dv,ml\na,12.0,1,2,3\n")["site_id"].to_list() == [12]


@pytest.mark.parametrize("empty", ["", "  ", "nan"])
def test_an_empty_recording_id_names_its_row(tmp_path: Path, empty: str):
    assert "m.csv, line 2: recording_id is empty" in refusal(
        tmp_path, f"recording_id,ap,dv,ml\n{empty},1,2,3\n"
    )


def test_a_reported_region_is_kept_as_text(tmp_path: Path):
    sites = read(
        tmp_path, 'recording_id,ap,dv,ml,reported_region\na,1,2,3,385\nb,1,2,3,"CUL4, 5"\nc,1,2,3,\n'
    )
    assert sites["reported_region"].to_list() == ["385", "CUL4, 5", None]


# Coordinates


def test_no_row_is_dropped_for_a_missing_or_infinite_coordinate(tmp_path: Path):
    values = ["", " ", "nan", "NaN", "NA", "null", "inf", "-inf", "1e3", " 2 ", "+3", "-0.5"]
    rows = "".join(f"a,{i},{value},0,0\n" for i, value in enumerate(values))
    ap = read(tmp_path, "recording_id,site_id,ap,dv,ml\n" + rows)["ap"]
    assert ap.null_count() == 0
    assert [str(value) for value in ap] == ["nan"] * 6 + ["inf", "-inf", "1000.0", "2.0", "3.0", "-0.5"]


def test_text_in_a_coordinate_names_column_row_and_value(tmp_path: Path):
    text = "recording_id,site_id,ap,dv,ml\na,0,1,2,3\na,1,1,deep,3\na,2,1,deeper,3\n"
    assert refusal(tmp_path, text) == "m.csv, line 3: dv is 'deep', not a number (2 such rows)."


def test_a_decimal_comma_is_named_as_such(tmp_path: Path):
    assert "Write decimals with a point." in refusal(tmp_path, 'recording_id,ap,dv,ml\na,"1,5",2,3\n')


# CSV as it comes


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_another_separator_than_the_comma_is_read(tmp_path: Path, separator: str):
    text = SITES.replace(",", separator)
    assert read(tmp_path, text).equals(read(tmp_path, SITES))
    assert "decimals with a point" in refusal(tmp_path, text.replace("4", "4,5"))


def test_a_file_with_nothing_in_it_is_refused(tmp_path: Path):
    assert "is empty" in refusal(tmp_path, "")
    assert "is empty" in refusal(tmp_path, "\n\n")
    assert "has a header and no rows" in refusal(tmp_path, "recording_id,ap,dv,ml\n")


def test_a_byte_order_mark_crlf_blank_lines_and_quoted_commas_do_no_harm(tmp_path: Path):
    text = (
        '\ufeffrecording_id,site_id,ap,dv,ml,note\r\n"m,1",0,1,2,3,"two\r\nlines"\r\n\r\nm2,0,4,5,6,\r\n\r\n'
    )
    sites = read(tmp_path, text)
    assert sites["recording_id"].to_list() == ["m,1", "m2"]
    assert sites["ml"].to_list() == [3.0, 6.0]


def test_a_line_is_named_by_its_place_in_the_file(tmp_path: Path):
    text = 'recording_id,ap,dv,ml,note\na,1,2,3,"two\nlines"\n\nb,x,2,3,\n'
    assert "line 5: ap is 'x'" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("recording_id,ap,dv,ml\nsouris_été,1,2,3\n".encode("latin-1"), "line 2: byte 0xE9 is not UTF-8"),
        (SITES.encode("utf-16"), "is not UTF-8 text"),
        (b"PK\x03\x04\0\0", "is not UTF-8 text"),
        (SITES.encode() + b"m1,2,7", "line 4: 3 fields where the header has 5"),
        (SITES.encode() + b"m1,2,7,8,9,10\n", "line 4: 6 fields where the header has 5"),
        (SITES.encode() + b'm1,2,7,8,"9\n', "is a quote left open?"),
    ],
)
def test_a_file_that_is_cut_short_or_no_csv_is_refused_in_one_sentence(tmp_path: Path, raw: bytes, says: str):
    assert says in refusal(tmp_path, raw)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sep=;\n" + SITES.replace(",", ";"), "line 2: 5 fields where the header has 2"),
        ("recording_id,site_id,ap,dv,ml\nm1,0,1,5,2,5,3,5\n", "line 2: 8 fields where the header has 5"),
        ('[\n{"recording_id": "m1"}\n]\n', "has no column recording_id. Its columns are: [."),
        ("<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n", "has no column recording_id"),
        (f"{SITES}m1,2,1,2,{'9' * 200_000}\n", "line 4: field larger than field limit"),
        (f"{','.join('c' * 5000)}\n1\n", "more than one column called c"),
        (
            f"{','.join(map(str, range(500_000)))}\n1\n",
            "line 1 has more than 1,048,576 characters; is it a CSV?",
        ),
        (f"{','.join(f'column {i}' for i in range(5000))}\n{',' * 4999}\n", "has no column recording_id"),
    ],
    ids=["sep=", "decimal commas", "json", "web page", "long field", "one name", "one line", "many columns"],
)
def test_what_is_something_else_is_refused_briefly(tmp_path: Path, text: str, says: str):
    sentence = refusal(tmp_path, text)
    assert says in sentence
    assert len(sentence) < 1500


@pytest.mark.parametrize(
    "number", ["1e308", "-1e308", "1.7976931348623157e308", "5e-324", "1e400", "inf", "-0"]
)
def test_any_float_is_read_as_python_reads_it(tmp_path: Path, number: str):
    assert read(tmp_path, f"recording_id,ap,dv,ml\na,{number},2,3\n")["ap"].to_list() == [float(number)]


@pytest.mark.parametrize(
    "number", ["1_000", "0x10", "1,5", "1.234,5", "12 µm", "--1", "1e", "٣", "1 000", "=A1", "#REF!"]
)
def test_what_a_spreadsheet_takes_for_a_number_is_refused_by_its_line(tmp_path: Path, number: str):
    sentence = refusal(tmp_path, f'recording_id,ap,dv,ml\na,1,2,3\na,1,"{number}",3\n')
    assert sentence.startswith(f"m.csv, line 3: dv is {number!r}, not a number.")


@pytest.mark.parametrize("column", ["recording_id", "site_id", "ap", "frame"])
def test_a_cell_that_holds_a_book_does_not_fill_the_sentence(tmp_path: Path, column: str):
    row = {"recording_id": "m", "site_id": "0", "ap": "1", "dv": "2", "ml": "3", "frame": "ccf"}
    row[column] = "x" * 100_000
    sentence = refusal(tmp_path, f"{','.join(row)}\n{','.join(row.values())}\n")
    assert f"m.csv, line 2: {column} " in sentence
    assert len(sentence) < 300


def test_rows_in_many_batches_stay_in_order_and_keep_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(csv_table, "_BATCH", 7)
    rows = [f'm{i // 5},{i},{i}.5,"{i}\n",3\n' for i in range(100)]
    sites = read(tmp_path, "recording_id,site_id,ap,dv,ml\n" + "".join(rows))
    assert sites["site_id"].to_list() == list(range(100))
    assert sites["dv"].to_list() == [float(i) for i in range(100)]
    rows[60] = "m,60,x,1,1\n"
    assert "m.csv, line 122: ap is 'x'" in refusal(
        tmp_path, "recording_id,site_id,ap,dv,ml\n" + "".join(rows)
    )


def test_a_file_of_too_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table, "MOST_ROWS", 1)
    assert "m.csv has more than 1 rows; divide it into several files." in refusal(tmp_path, SITES)
    with pytest.raises(CcfError, match=r"m\.parquet has more than 1 rows"):
        parquet(tmp_path, {"recording_id": ["a", "b"], "ap": [1, 2], "dv": [1, 2], "ml": [1, 2]})


def memory(field: str) -> int:
    """Bytes of this process: VmRSS, or VmHWM, the most since the mark was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peak memory is read from /proc")
def test_a_long_file_takes_a_few_times_its_size_in_memory(tmp_path: Path):
    rows = "".join(
        f"mouse {i // 1000},{i % 1000},{i * 0.5},{i * 0.25},1,{'words' * 9}\n" for i in range(200_000)
    )
    key = write(tmp_path, "recording_id,site_id,ap,dv,ml,note\n" + rows)
    size = len(rows)
    del rows
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = memory("VmRSS")
    assert read_sites(tmp_path, key, FEW).height == 200_000
    assert memory("VmHWM") - before < 9 * size


def test_a_file_that_went_away_is_refused_in_one_sentence(tmp_path: Path):
    with pytest.raises(CcfError, match=r"gone\.csv no longer exists"):
        read_sites(tmp_path, "gone.csv", FEW)


TEXT_ID = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=8).filter(
    lambda text: text.lower() != "nan" and text.strip() == text
)
NUMBER = st.floats() | st.integers(-(10**6), 10**6).map(float)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT_ID, st.integers(-(2**31), 2**31 - 1), NUMBER, NUMBER, NUMBER), min_size=1))
def test_what_is_written_is_what_is_read(tmp_path: Path, rows: list[tuple[str, int, float, float, float]]):
    write(tmp_path, "")
    with (tmp_path / "m.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["recording_id", "site_id", "ap", "dv", "ml"])
        writer.writerows(rows)
    sites = read_sites(tmp_path, "m.csv", FEW)
    got = sites.select("recording_id", "site_id", "ap", "dv", "ml").rows()
    assert len(got) == len(rows)
    for one, other in zip(got, rows, strict=True):
        assert one[:2] == other[:2]
        assert all(
            a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(one[2:], other[2:], strict=True)
        )


# Parquet


def parquet(folder: Path, columns: dict[str, object]) -> pl.DataFrame:
    pl.DataFrame(columns).write_parquet(folder / "m.parquet")
    (folder / "m.toml").write_text('frame = "ccf"')
    return read_sites(folder, "m.parquet", FEW)


def test_parquet_gives_the_same_table(tmp_path: Path):
    sites = parquet(
        tmp_path,
        {
            "recording_id": [1, 2],
            "site_id": pl.Series([5.0, 6.0]),
            "ap": [1, None],
            "dv": pl.Series([0.5, float("nan")], dtype=pl.Float32),
            "ml": ["3", ""],
            "reported_region": [385.0, None],
        },
    )
    assert sites.schema == SITES_SCHEMA
    assert sites["recording_id"].to_list() == ["1", "2"]
    assert sites["site_id"].to_list() == [5, 6]
    assert [str(v) for v in sites.row(1)[2:5]] == ["nan", "nan", "nan"]
    assert sites["reported_region"].to_list() == ["385", None]
    assert sites["source"].to_list() == ["m.parquet", "m.parquet"]


def test_parquet_columns_of_another_kind_are_refused(tmp_path: Path):
    good = {"recording_id": ["a"], "ap": [1.0], "dv": [1.0], "ml": [1.0]}
    for name, says in (("ap", "not numbers"), ("recording_id", "not names or numbers")):
        with pytest.raises(CcfError, match=says):
            parquet(tmp_path, good | {name: [[1.0]]})
    with pytest.raises(CcfError, match="has a header and no rows"):
        parquet(tmp_path, {name: pl.Series([], dtype=pl.Float64) for name in good})
    with pytest.raises(CcfError, match=r"row 2: ap is 'x', not a number"):
        parquet(tmp_path, {name: values * 2 for name, values in good.items()} | {"ap": ["1", "x"]})
    (tmp_path / "m.parquet").write_text("recording_id")
    with pytest.raises(CcfError, match="is not a readable Parquet file"):
        read_sites(tmp_path, "m.parquet", FEW)


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_small_parquet_file_whose_texts_would_fill_the_memory_is_refused(
    tmp_path: Path, store_schema: bool
):
    rows = 60_000
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["x" * 20_000]))
    number = pa.array(np.zeros(rows))
    table = pa.table({"recording_id": same, "x": number, "y": number, "z": number})
    pq.write_table(table, tmp_path / "m.parquet", store_schema=store_schema)
    (tmp_path / "m.toml").write_text('frame = "ccf"')
    assert (tmp_path / "m.parquet").stat().st_size < 100_000
    with pytest.raises(CcfError, match=r"m\.parquet has texts of more than 1,000,000,000 bytes; divide it"):
        read_sites(tmp_path, "m.parquet", FEW)


@pytest.mark.parametrize("said", [b"\x16\x0a", b"\x16\x04", b"\x16\x00", b"\x16\x05"])
def test_a_parquet_file_that_contradicts_itself_on_its_rows_is_refused(tmp_path: Path, said: bytes):
    good = {"recording_id": ["a", "b", "c"], "x": [1.0, 2.0, 3.0], "y": [1.0] * 3, "z": [1.0] * 3}
    parquet(tmp_path, good)
    raw = (tmp_path / "m.parquet").read_bytes()
    # Thrift: a field of 64 bits behind the one before it, and 3; said are 5, 2, 0 and -3.
    places = [found.start() for found in re.finditer(rb"\x16\x06", raw)]
    sentences = []
    for place in places:
        (tmp_path / "m.parquet").write_bytes(raw[:place] + said + raw[place + 2 :])
        try:
            assert read_sites(tmp_path, "m.parquet", FEW).height == 3
        except CcfError as error:
            sentences.append(str(error))
    assert any("is not a readable Parquet file" in one for one in sentences)


def test_the_rows_that_a_row_group_claims_to_have_are_not_believed(tmp_path: Path):
    parquet(tmp_path, {"recording_id": ["a", "b", "c"], "x": [1.0] * 3, "y": [1.0] * 3, "z": [1.0] * 3})
    raw = (tmp_path / "m.parquet").read_bytes()
    place = raw.rindex(b"\x16\x06")  # of its last field: 3 rows
    claimed, varint = 2**30, b"\x16\x80\x80\x80\x80\x08"
    footer = int.from_bytes(raw[-8:-4], "little") + len(varint) - 2
    end = footer.to_bytes(4, "little") + b"PAR1"
    (tmp_path / "m.parquet").write_bytes(raw[:place] + varint + raw[place + 2 : -8] + end)
    assert pq.read_metadata(tmp_path / "m.parquet").row_group(0).num_rows == claimed
    with pytest.raises(CcfError, match="it claims 3 rows, and its row groups 1,073,741,824"):
        read_sites(tmp_path, "m.parquet", FEW)


def test_a_parquet_file_with_any_byte_changed_is_read_or_refused_and_ends_no_process(tmp_path: Path):
    good = {
        "recording_id": ["a", "b"] * 20,
        "site_id": range(40),
        "ap": [1.5] * 40,
        "dv": [1.0] * 40,
        "ml": [2.0] * 40,
    }
    parquet(tmp_path, good)
    raw = (tmp_path / "m.parquet").read_bytes()
    refused = 0
    for place in range(0, len(raw), 3):
        (tmp_path / "m.parquet").write_bytes(raw[:place] + bytes([raw[place] ^ 0xA5]) + raw[place + 1 :])
        with suppress(CcfError):
            read_sites(tmp_path, "m.parquet", FEW)
            refused -= 1
        refused += 1
    assert refused > len(raw) / 6


# The folder

NOW = 2_000_000_000.0
SETTLE_S = 10.0


def put(folder: Path, name: str, text: str = SITES, age_s: float = 60.0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


def scan(folder: Path, memo=None):
    return scan_folder(folder, NOW, SETTLE_S, memo)


def digests(found) -> dict[str, str]:
    return {key: file.digest for key, file in found.files.items()}


def test_a_scan_finds_the_files_of_sites_and_leaves_the_rest(tmp_path: Path):
    for name in ("a.csv", "sub/b.PARQUET", "sub/deep/c.csv"):
        put(tmp_path, name)
    for name in (".a.csv", "~a.csv", "#a.csv", "a.csv.part", "a.csv.tmp", "a.csv~", ".git/x.csv", "a.toml"):
        put(tmp_path, name)
    put(tmp_path, "notes.xyz")
    found = scan(tmp_path)
    assert list(found.files) == ["a.csv", "sub/b.PARQUET", "sub/deep/c.csv"]
    assert [group.label for group in found.ignored] == ["notes.xyz"]
    assert not found.waiting
    assert not found.unreadable


def test_a_file_still_being_written_waits_and_is_not_gone(tmp_path: Path):
    put(tmp_path, "a.csv", age_s=SETTLE_S - 1)
    put(tmp_path, "b.csv")
    put(tmp_path, "b.toml", 'frame = "ccf"', age_s=1)
    put(tmp_path, "c.csv", age_s=SETTLE_S + 1)
    found = scan(tmp_path)
    assert sorted(found.waiting) == ["a.csv", "b.csv"]
    assert what_is_new(found, {"a.csv": "x", "b.csv": "y"}) == FolderChange(("c.csv",), (), ())


def test_a_date_in_the_future_does_not_make_a_file_wait_for_years(tmp_path: Path):
    path = put(tmp_path, "a.csv")
    later = time.time() + 1e9
    os.utime(path, (later, later))
    assert list(scan_folder(tmp_path, time.time() + 60, SETTLE_S).files) == ["a.csv"]
    assert list(scan_folder(tmp_path, time.time(), SETTLE_S).waiting) == ["a.csv"]


def test_new_changed_and_gone_files_are_told_apart_by_content(tmp_path: Path):
    for name in ("same.csv", "changed.csv", "gone.csv"):
        put(tmp_path, name)
    known = digests(scan(tmp_path))
    (tmp_path / "gone.csv").unlink()
    put(tmp_path, "changed.csv", SITES.replace("1", "2"))
    put(tmp_path, "same.csv", SITES, age_s=30.0)
    put(tmp_path, "new.csv", age_s=50.0)
    put(tmp_path, "a_younger_one.csv", age_s=40.0)
    change = what_is_new(scan(tmp_path), known)
    assert change == FolderChange(("new.csv", "a_younger_one.csv"), ("changed.csv",), ("gone.csv",))


@pytest.mark.parametrize("settings_file", ["sub/a.toml", "sub/recordings.toml", "recordings.toml"])
def test_changed_settings_change_the_files_they_apply_to(tmp_path: Path, settings_file: str):
    put(tmp_path, "sub/a.csv")
    put(tmp_path, "other.toml", 'frame = "ccf"')
    first = scan(tmp_path)
    put(tmp_path, settings_file, 'frame = "ccf"')
    second = scan(tmp_path, first.memo)
    put(tmp_path, settings_file, 'frame = "ibl"')
    third = scan(tmp_path, second.memo)
    (tmp_path / settings_file).unlink()
    fourth = scan(tmp_path, third.memo)
    assert len({first.files["sub/a.csv"].digest, *digests(second).values(), *digests(third).values()}) == 3
    assert digests(fourth) == digests(first)


def test_unchanged_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path, "a.csv")
    put(tmp_path, "recordings.toml", 'frame = "ccf"')
    first = scan(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(stamps, "sha256_of", lambda _: pytest.fail("read again"))
        second = scan(tmp_path, {name: tuple(stamp) for name, stamp in first.memo.items()})
    assert second == first
    # A file moved into its place with the old size and date is another file all the same.
    stranger = put(tmp_path, "stranger.tmp", SITES.replace("m1", "m2"))
    stranger.replace(tmp_path / "a.csv")
    assert digests(scan(tmp_path, first.memo)) != digests(first)


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(CcfError, match="does not exist"):
        scan(tmp_path / "absent")
    put(tmp_path, "sub/a.csv")

    def closed(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(CcfError, match=r"cannot be read: Permission denied"):
        scan(tmp_path)
    monkeypatch.undo()
    with pytest.raises(CcfError, match="cannot be read"):
        scan(put(tmp_path, "file.csv"))


def test_a_subfolder_that_cannot_be_read_holds_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.csv")
    put(tmp_path, "lost+found/b.csv")
    put(tmp_path, "lost/c.csv")
    real = os.scandir

    def closed(path: Path) -> object:
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("ccf_assets.recordings.scan.walk.os.scandir", closed)
    found = scan(tmp_path)
    assert list(found.files) == ["a.csv", "lost/c.csv"]
    assert found.unreadable == {"lost+found": "The subfolder lost+found cannot be read: Permission denied."}
    known = {"lost+found/b.csv": "x", "lost+found/deeper/d.csv": "x", "lost/e.csv": "x"}
    assert what_is_new(found, known).gone == ("lost/e.csv",)


def test_a_file_that_cannot_be_read_is_said_and_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path, "a.csv")
    put(tmp_path, "b.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    os.utime(tmp_path / "pipe.csv", (NOW - 60, NOW - 60))
    real = stamps.sha256_of

    def closed(path: Path) -> str:
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(stamps, "sha256_of", closed)
    found = scan(tmp_path)
    assert list(found.files) == ["b.csv"]
    assert found.unreadable["a.csv"] == f"{tmp_path / 'a.csv'} cannot be read: Permission denied."
    assert "not a regular file" in found.unreadable["pipe.csv"]
    assert what_is_new(found, {"a.csv": "x", "b.csv": digests(found)["b.csv"]}).gone == ()


@pytest.mark.parametrize(
    "name",
    [
        f"{'m' * 251}.csv",
        f"{'小' * 83}xx.csv",
        "\n" * 251 + ".csv",
        "a|b.csv",
        "two\nlines.csv",
        " ..csv",
        "%2E%2E%2Fx.csv",
        "'; DROP TABLE x; --.csv",
        "x.csv/m.csv",
        f"{'d' * 255}/{'m' * 251}.csv",
    ],
)
def test_a_file_of_any_name_is_found_and_read_with_its_folders_settings(tmp_path: Path, name: str):
    put(tmp_path, name)
    for path in (tmp_path / name, put(tmp_path, "recordings.toml", 'frame = "ccf"')):
        os.utime(path, (time.time() - 60,) * 2)
    ((key, file),) = scan_folder(tmp_path, time.time(), SETTLE_S).files.items()
    assert site_file(tmp_path, key) == file
    assert read_sites(tmp_path, key, FEW)["source"].to_list() == [key, key]


def test_a_path_too_long_for_an_index_is_said_and_stops_nothing(tmp_path: Path):
    put(tmp_path, "a.csv")
    put(tmp_path, f"{'/'.join(['d' * 240] * 5)}/m.csv")
    found = scan(tmp_path)
    assert list(found.files) == ["a.csv"]
    (why,) = found.unreadable.values()
    assert "the path has more than 1000 bytes; give it a shorter one" in why


def test_a_link_is_read_unless_it_leads_out_of_the_folder(tmp_path: Path):
    folder = tmp_path / "recordings"
    put(folder, "sub/a.csv")
    secret = put(tmp_path, "secrets", "localhost:5432:*:me:hunter2\n")
    (folder / "inside.csv").symlink_to(folder / "sub/a.csv")
    (folder / "round.csv").symlink_to(folder / "round.csv")
    (folder / "nowhere.csv").symlink_to(folder / "not there")
    (folder / "out.csv").symlink_to(secret)
    (folder / "b.toml").symlink_to(secret)
    (folder / "folder.csv").symlink_to(tmp_path)
    put(folder, "b.csv")
    put(folder, "c.csv")
    found = scan(folder)
    assert list(found.files) == ["c.csv", "inside.csv", "sub/a.csv"]
    why = (
        "cannot be read: it is a link out of the folder of recordings; copy the file there, or name the "
        "folder that it leads to in CCF_RECORDINGS_ROOTS."
    )
    assert found.unreadable["out.csv"] == f"{folder / 'out.csv'} {why}"
    assert found.unreadable["b.csv"] == f"{folder / 'b.toml'} {why}"
    assert "cannot be read" in found.unreadable["round.csv"]
    assert len(found.unreadable) == 3
    with pytest.raises(CcfError, match="link out of the folder"):
        site_file(folder, "out.csv")
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert list(scan(linked).files) == list(found.files)


def test_a_file_too_large_to_be_one_of_sites_is_not_read(tmp_path: Path):
    with put(tmp_path, "a.csv").open("r+b") as file:
        file.truncate(table.LARGEST_BYTES + 1)
    os.utime(tmp_path / "a.csv", (NOW - 60, NOW - 60))
    put(tmp_path, "b.csv")
    found = scan(tmp_path)
    assert list(found.files) == ["b.csv"]
    assert "it has more than 1,000,000,000 bytes; divide it" in found.unreadable["a.csv"]


def test_a_pipe_in_the_place_of_settings_is_said_and_not_waited_for(tmp_path: Path):
    put(tmp_path, "a.csv")
    put(tmp_path, "b.csv")
    os.mkfifo(tmp_path / "a.toml")
    (tmp_path / "b.toml").mkdir()
    for name in ("a.toml", "b.toml"):
        os.utime(tmp_path / name, (NOW - 60, NOW - 60))
    found = scan(tmp_path)
    assert found.unreadable == {
        f"{name}.csv": f"{tmp_path / f'{name}.toml'} cannot be read: it is not a regular file."
        for name in "ab"
    }


def test_a_file_that_vanishes_during_the_scan_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path, "a.csv")
    put(tmp_path, "b.csv")
    real = stamps.sha256_of

    def vanishing(path: Path) -> str:
        if path.name == "a.csv":
            path.unlink()
        return real(path)

    monkeypatch.setattr(stamps, "sha256_of", vanishing)
    assert list(scan(tmp_path).files) == ["b.csv"]


def test_a_file_that_changes_while_it_is_read_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path, "a.csv")
    real = stamps.sha256_of

    def growing(path: Path) -> str:
        digest = real(path)
        with path.open("ab") as file:
            file.write(b"m1,2,7,8,9\n")
        return digest

    monkeypatch.setattr(stamps, "sha256_of", growing)
    assert "changed while it was read" in scan(tmp_path).waiting["a.csv"]


def test_a_name_in_an_old_encoding_is_said_and_does_not_stop_the_scan(tmp_path: Path):
    try:
        put(tmp_path, os.fsdecode(b"souris_\xe9.csv"))
    except OSError:
        pytest.skip("this file system takes no such name")
    put(tmp_path, "a.csv")
    found = scan(tmp_path)
    assert list(found.files) == ["a.csv"]
    assert "is not UTF-8" in found.unreadable["souris_%E9.csv"]


def test_a_thousand_files_are_scanned_and_a_memo_changes_nothing(tmp_path: Path):
    for number in range(1000):
        put(tmp_path, f"{number}.csv")
    first = scan(tmp_path)
    assert scan(tmp_path, first.memo) == first
    assert len(first.files) == 1000


# Real data


@pytest.fixture(scope="module")
def real_recordings() -> Path:
    folder = os.environ.get("CCF_TEST_DATA")
    if not folder:
        pytest.skip("CCF_TEST_DATA is not set")
    path = Path(folder) / "recordings"
    assert path.is_dir(), f"CCF_TEST_DATA is {folder}, which has no folder recordings"
    return path


def test_the_published_channels_are_read_once_their_columns_are_named(real_recordings: Path, tmp_path: Path):
    raw = (real_recordings / "ibl_channels.csv").read_bytes()
    write(tmp_path, raw, None, "ibl_channels.csv")
    with pytest.raises(CcfError, match=r"frame = \"NAME\"(.|\n)*\[columns\]"):
        read_sites(tmp_path, "ibl_channels.csv", FRAMES)
    columns = {"x": "x_m", "y": "y_m", "z": "z_m", "reported_region": "atlas_id"}
    said = "\n".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())
    (tmp_path / "ibl_channels.toml").write_text(f'frame = "ibl"\n[columns]\n{said}\n')
    sites = read_sites(tmp_path, "ibl_channels.csv", FRAMES)
    assert sites.height == 34_944
    assert sites["recording_id"].n_unique() == 91
    first = ("310c60b6-d68f-4018-a86a-3668ce296837", 0, 0.001028, -0.004839, -0.002776, "ibl", "952")
    assert sites.row(0)[: len(first)] == first


def test_the_other_published_tables_are_read_as_they_are(real_recordings: Path, tmp_path: Path):
    (tmp_path / "recordings.toml").write_text('frame = "ccf"')
    rows = {"000021": 2500, "000253": 5000, "000363": 3000, "000458": 2000, "001326": 2000, "001511": 64}
    for name, height in rows.items():
        path = real_recordings / f"dandi_{name}.csv"
        write(tmp_path, path.read_bytes(), None, path.name)
        sites = read_sites(tmp_path, path.name, FRAMES)
        expected = pl.read_csv(path)
        assert sites.height == expected.height == height
        assert sites["ml"].to_list() == expected["z"].cast(pl.Float64).to_list()
