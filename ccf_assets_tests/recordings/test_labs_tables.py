"""Tables as labs have them: no column for the recording, sites with names, columns to keep, other endings."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import fill_in
from ccf_assets.recordings.files.site_names import site_number
from ccf_assets.recordings.files.source import Found, SiteFormat
from ccf_assets.recordings.scan.folder import scan_folder, site_file
from ccf_assets.recordings.scan.keys import is_file
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets.recordings.sources import ignored_lines

BARE = "ap,dv,ml\n8900,1300,8200\n8900,1400,8200\n"


def read(folder: Path, text: str | bytes, toml: str, name: str = "m.csv") -> pl.DataFrame:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.with_name(f"{path.name.partition('.')[0]}.toml").write_text(toml, "utf-8")
    return read_sites(folder, name, FRAMES)


def refusal(folder: Path, text: str | bytes, toml: str, name: str = "m.csv") -> str:
    with pytest.raises(CcfError) as caught:
        read(folder, text, toml, name)
    return str(caught.value)


# The recording and the sites that no column gives


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("mouse 7", "mouse 7"),
        ("{folder}/{stem}", "rig 1/mouse_a/probe00"),
        ("{2} {stem}", "mouse_a probe00"),
        ("{name}", "probe00.csv"),
        ("{{{1}}}", "{rig 1}"),
    ],
)
def test_the_settings_name_the_recording_by_a_constant_or_by_parts_of_the_path(
    tmp_path: Path, given: str, becomes: str
) -> None:
    toml = f'frame = "ccf"\nrecording_id = "{given}"\nsite_id = "row"\nprobe = "{{stem}}"'
    sites = read(tmp_path, BARE, toml, "rig 1/mouse_a/probe00.csv")
    assert sites["recording_id"].to_list() == [becomes] * 2
    assert sites["site_id"].to_list() == [0, 1]
    assert sites["probe"].to_list() == ["probe00"] * 2


def test_a_number_can_name_the_recording(tmp_path: Path) -> None:
    assert read(tmp_path, BARE, 'frame = "ccf"\nrecording_id = 7\nsite_id = "row"')["recording_id"][0] == "7"


@pytest.mark.parametrize("template", ["{9}", "{mouse}", "{", "{stem!r}", "{stem:>9}", "{}"])
def test_a_part_that_the_path_has_not_is_said(tmp_path: Path, template: str) -> None:
    said = refusal(tmp_path, BARE, f'frame = "ccf"\nrecording_id = "{template}"', "a/m.csv")
    assert f'"{template}" cannot be filled in for a/m.csv. In braces are {{folder}}, {{stem}}' in said


@given(st.lists(st.text(st.characters(categories=("L", "N")), min_size=1), min_size=1, max_size=4))
def test_folder_and_stem_are_the_whole_path(parts: list[str]) -> None:
    assert fill_in("{folder}/{stem}", "/".join(parts) + ".csv") == "/".join(parts)


def test_settings_nearer_to_the_file_have_priority_whichever_way_they_say_it(tmp_path: Path) -> None:
    (tmp_path / "recordings.toml").write_text('frame = "ccf"\nrecording_id = "all"\nsite_id = "row"')
    text = "mouse,ap,dv,ml\nm1,8900,1300,8200\n"
    own = '[columns]\nrecording_id = "mouse"\n'
    assert read(tmp_path, text, own)["recording_id"].to_list() == ["m1"]
    (tmp_path / "recordings.toml").write_text(f'frame = "ccf"\n{own}')
    assert read(tmp_path, text, 'recording_id = "one"')["recording_id"].to_list() == ["one"]


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('recording_id = "a"\n[columns]\nrecording_id = "b"', "recording_id is given twice"),
        ('site_id = "channel"', 'site_id can only be "row" here'),
        ("recording_id = true", "recording_id must be a text in quotes"),
        ("keep = 'x'", "keep must be a list of columns"),
        ("keep = [1]", "keep must be a list of columns"),
    ],
)
def test_settings_of_the_wrong_form_are_refused(tmp_path: Path, toml: str, says: str) -> None:
    assert says in refusal(tmp_path, BARE, toml)


def test_a_file_without_a_recording_is_told_that_its_name_can_be_it(tmp_path: Path) -> None:
    assert 'recording_id = "{stem}" above [columns]' in refusal(tmp_path, BARE, 'frame = "ccf"')


# Names of sites


def test_a_site_with_a_name_has_the_number_of_its_name(tmp_path: Path) -> None:
    sites = read(tmp_path, "recording_id,site_id,ap,dv,ml\nr,A-000,1,2,3\nr,12,1,2,3\n", 'frame = "ccf"')
    assert sites["site_name"].to_list() == ["A-000", None]
    assert sites["site_id"].to_list() == [site_number("A-000"), 12]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_of_64_bits_stays_what_it_is(tmp_path: Path, number: int) -> None:
    of_csv = read(tmp_path, f"recording_id,site_id,ap,dv,ml\nr,{number},1,2,3\n", 'frame = "ccf"')
    pl.DataFrame({"recording_id": ["r"], "site_id": [number], "ap": 1, "dv": 2, "ml": 3}).write_parquet(
        tmp_path / "m.parquet"
    )
    of_parquet = read_sites(tmp_path, "m.parquet", FRAMES)
    assert of_csv["site_id"].to_list() == of_parquet["site_id"].to_list() == [number]
    assert of_csv["site_name"].to_list() == of_parquet["site_name"].to_list() == [None]


def test_a_number_that_went_through_a_float_is_refused_where_it_may_be_another(tmp_path: Path) -> None:
    frame = pl.DataFrame({"recording_id": ["r"], "site_id": [2.0**53], "ap": 1, "dv": 2, "ml": 3})
    frame.write_parquet(tmp_path / "m.parquet")
    (tmp_path / "m.toml").write_text('frame = "ccf"')
    with pytest.raises(CcfError, match="site_id must be a whole number of 64 bits, or a name"):
        read_sites(tmp_path, "m.parquet", FRAMES)


# What labs join on


def test_probe_shank_channel_and_place_on_the_probe_are_kept(tmp_path: Path) -> None:
    text = (
        "recording_id,channel,probe,shank,axial_um,lateral_um,ap,dv,ml\n"
        "r,12,A,1,3820,43.5,1,2,3\nr,13,,,,,1,2,3\n"
    )
    sites = read(tmp_path, text, 'frame = "ccf"\n[columns]\nsite_id = "channel"')
    kept = sites.select("site_id", "probe", "shank", "channel", "axial_um", "lateral_um")
    assert kept.rows() == [(12, "A", 1, 12, 3820.0, 43.5), (13, None, None, 13, None, None)]


def test_a_column_that_only_has_the_name_of_one_is_not_read(tmp_path: Path) -> None:
    text = "recording_id,channel,shank,ap,dv,ml\nr,AP1,left,1,2,3\n"
    sites = read(tmp_path, text, 'frame = "ccf"')
    assert sites.select("channel", "shank").row(0) == (None, None)
    said = refusal(tmp_path, text, 'frame = "ccf"\n[columns]\nshank = "shank"')
    assert "m.csv, line 2: shank is 'left', not a whole number" in said


def test_columns_that_the_settings_keep_are_details(tmp_path: Path) -> None:
    text = "recording_id,cluster_id,depth,tag,id,ap,dv,ml\nr,7,1.5,good,007,1,2,3\nr,,2,,008,4,5,6\n"
    toml = 'frame = "ccf"\nsite_id = "row"\nkeep = ["cluster_id", "depth", "tag", "id"]'
    details = [json.loads(text) for text in read(tmp_path, text, toml)["details"]]
    assert details == [
        {"cluster_id": 7, "depth": 1.5, "tag": "good", "id": "007"},
        {"cluster_id": None, "depth": 2.0, "tag": None, "id": "008"},
    ]
    said = refusal(tmp_path, text, 'frame = "ccf"\nkeep = ["cluster"]')
    assert "says to keep cluster, but m.csv has no such column. Its columns are: recording_id," in said


def test_a_number_too_long_to_stay_the_same_is_kept_as_text(tmp_path: Path) -> None:
    text = "recording_id,label,ap,dv,ml\nr,123456789012345678901,1,2,3\n"
    (details,) = read(tmp_path, text, 'frame = "ccf"\nkeep = ["label"]')["details"]
    assert json.loads(details) == {"label": "123456789012345678901"}


# Coordinates that are not known


def test_minus_one_three_times_is_the_sign_for_not_known_where_it_is_no_place(tmp_path: Path) -> None:
    text = "recording_id,site_id,ap,dv,ml\nr,0,-1,-1,-1\nr,1,-1,2,3\nr,2,,,\n"
    sites = read(tmp_path, text, 'frame = "ccf"')
    assert sites["ap"].is_nan().to_list() == [True, False, True]
    assert sites["ml"].is_nan().to_list() == [True, False, True]
    assert read(tmp_path, text, 'frame = "stereotaxic"').row(0)[2:5] == (-1.0, -1.0, -1.0)


# Endings


def test_the_same_table_is_read_from_every_ending(tmp_path: Path) -> None:
    text = "recording_id,site_id,ap,dv,ml\nr,0,1,2,3\nr,1,4,5,6\n"
    toml = 'frame = "ccf"'
    expected = read(tmp_path, text, toml).drop("source")
    frame = pl.read_csv(text.encode())
    tabs = text.replace(",", "\t")
    frame.write_parquet(tmp_path / "m.pqt")
    for name, raw in (
        ("m.tsv", tabs.encode()),
        ("m.csv.gz", gzip.compress(text.encode())),
        ("m.TSV.GZ", gzip.compress(tabs.encode())),
        ("m.pqt", (tmp_path / "m.pqt").read_bytes()),
    ):
        assert read(tmp_path, raw, toml, name).drop("source").equals(expected), name
        assert is_file(name)


def test_damaged_gzip_and_a_bomb_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(b"recording_id,ap,dv,ml\n" + b"r,1,2,3\n" * 1000)
    assert "is not whole gzip" in refusal(tmp_path, packed[:-20], 'frame = "ccf"', "m.csv.gz")
    assert "is not whole gzip" in refusal(tmp_path, b"recording_id", 'frame = "ccf"', "m.csv.gz")
    monkeypatch.setattr("ccf_assets.recordings.formats.tables.LARGEST_BYTES", 1000)
    assert "has more than 1,000 bytes unpacked" in refusal(tmp_path, packed, 'frame = "ccf"', "m.csv.gz")


# Sources of several files, links, and what is no file of sites

NOW = 2e9


def scan(folder: Path):
    return scan_folder(folder, NOW, 0)


def test_a_source_of_several_files_is_one_source_with_one_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = SiteFormat(
        "a pair",
        (".anchor",),
        lambda listing: (
            Found(name, ("a.other", "../of both")) for name in listing.files if name.endswith(".anchor")
        ),
        lambda source, settings: pytest.fail("not read by a scan"),
    )
    monkeypatch.setattr("ccf_assets.recordings.formats.known.FORMATS", (pair,))
    (tmp_path / "sub").mkdir()
    files = [tmp_path / "sub/a.anchor", tmp_path / "sub/a.other", tmp_path / "of both"]
    for file in files:
        file.write_text("1")
    seen = {scan(tmp_path).files["sub/a.anchor"].digest}
    for file in files:
        file.write_text("22")
        seen.add(scan(tmp_path).files["sub/a.anchor"].digest)
    assert len(seen) == 4
    assert list(scan(tmp_path).files) == ["sub/a.anchor"]
    (tmp_path / "sub/else").write_text("")
    assert [group.label for group in scan(tmp_path).ignored] == ["sub/else"]


def test_links_lead_where_the_settings_allow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, data = tmp_path / "recordings", tmp_path / "data"
    for folder in (top, data / "session 1"):
        folder.mkdir(parents=True)
    (data / "a.csv").write_text(BARE)
    (data / "session 1" / "b.csv").write_text(BARE)
    (data / "session 1" / "b.toml").write_text('frame = "ccf"\nrecording_id = "{folder}"\nsite_id = "row"')
    (data / "session 1" / "round").symlink_to(data)
    (top / "a.csv").symlink_to(data / "a.csv")
    (top / "linked").symlink_to(data / "session 1")
    assert list(scan(top).files) == []
    assert "name the folder that it leads to in CCF_RECORDINGS_ROOTS" in scan(top).unreadable["a.csv"]
    monkeypatch.setenv("CCF_RECORDINGS_ROOTS", f"{tmp_path / 'nowhere'}:{data}")
    assert list(scan(top).files) == ["a.csv", "linked/b.csv"]
    assert read_sites(top, "linked/b.csv", FRAMES)["recording_id"].to_list() == ["linked"] * 2
    monkeypatch.delenv("CCF_RECORDINGS_ROOTS")
    with pytest.raises(CcfError, match="is not in the folder of recordings"):
        site_file(top, "linked/b.csv")


def test_what_is_no_file_of_sites_is_one_line_for_a_folder_and_a_kind(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.xyz").write_text("")
    (tmp_path / "README").write_text("")
    assert ignored_lines(scan(tmp_path).ignored) == [
        "ignored 31 files in the folder of recordings: no format of sites (.xyz, a name without an ending); "
        "docs/formats.md lists the formats"
    ]
