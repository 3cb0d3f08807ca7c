"""Workbooks: the sheet with the sites, typed as it is, and workbooks made to fill the memory."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats import xlsx
from ccf_assets.recordings.formats.excel import FORMAT, OTHER_SPREADSHEETS, WORKBOOKS
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets_tests.support.sources import found_by, frame_of, listing_of, read_one

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEADER = ("recording_id", "site_id", "ap", "dv", "ml", "note")
ROWS = (HEADER, ("m7", 1, 8900, 1300.5, 8200, "x"), ("m7", 2, None, None, None, None))


def cell(column: int, row: int, value: object) -> str:
    """A cell as Excel writes it."""
    if value is None:
        return ""
    place = f"{chr(ord('A') + column)}{row}"
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def sheet(rows: tuple[tuple[object, ...], ...], more: str = "") -> str:
    """A worksheet."""
    lines = "".join(
        f'<row r="{n}">{"".join(cell(place, n, value) for place, value in enumerate(row))}</row>'
        for n, row in enumerate(rows, start=1)
    )
    return f"<worksheet {MAIN}><sheetData>{lines}{more}</sheetData></worksheet>"


def book(path: Path, sheets: dict[str, str], hidden: str = "", more: dict[str, str] | None = None) -> Path:
    """A workbook with these sheets."""
    states = ("visible", "hidden")
    tabs = "".join(
        f'<sheet name="{name}" sheetId="{n}" state="{states[name == hidden]}" r:id="rId{n}"/>'
        for n, name in enumerate(sheets, start=1)
    )
    targets = "".join(
        f'<Relationship Id="rId{n}" Type="{KIND}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    if more and "xl/sharedStrings.xml" in more:
        targets += f'<Relationship Id="rId99" Type="{KIND}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
    parts = {
        "_rels/.rels": f'<Relationships {RELS}><Relationship Id="a" Type="{KIND}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{KIND}"><sheets>{tabs}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships {RELS}>{targets}</Relationships>",
        **{f"xl/worksheets/sheet{n}.xml": xml for n, xml in enumerate(sheets.values(), start=1)},
        **(more or {}),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, xml in parts.items():
            archive.writestr(name, xml)
    return path


def read(folder: Path, **settings: object) -> Table:
    """The sites of the only workbook of a folder, which gets a TOML of its name."""
    for path in folder.glob("*.xlsx"):
        path.with_suffix(".toml").touch()
    return read_one(FORMAT, folder, **settings)


def test_a_real_workbook_has_the_sites_of_the_tutorial(ccf_cases, tmp_path: Path) -> None:
    (tmp_path / "sites.xlsx").write_bytes(ccf_cases("formats/excel/sites.xlsx").read_bytes())
    table = read(tmp_path)
    assert table.frame is None
    assert frame_of(table).rows() == [
        ("example_tutorial", 1, -3500, 500, 2500, "VISp"),
        ("example_tutorial", 2, -1800, 1200, 1500, "CA1"),
    ]


def test_cells_keep_their_types(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", {"sites": sheet(ROWS)})
    table = read(tmp_path, keep=("note",))
    assert [column.dtype for column in table.columns.values()] == [
        pl.String, pl.Int64, pl.Int64, pl.Float64, pl.Int64, pl.String,
    ]  # fmt: skip
    assert frame_of(table).row(1) == ("m7", 2, None, None, None, None)
    assert table.row_name(1) == "row 3"


def test_a_number_of_64_bits_is_not_a_float(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", {"s": sheet((HEADER, ("m", 9007199254740993, 1, 2, 3)))})
    assert read(tmp_path).columns["site_id"][0] == 9007199254740993


def test_texts_are_shared_and_formulas_give_what_was_stored(tmp_path: Path) -> None:
    shared = f"<sst {MAIN}><si><r><t>m</t></r><r><t>7</t></r></si><si><t>x</t><rPh><t>y</t></rPh></si></sst>"
    more = (
        '<row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2"><f>1+1</f><v>2</v></c><c r="C2"><f>1/0</f></c>'
        '<c r="D2" t="e"><v>#DIV/0!</v></c><c r="E2" t="str"><f>A2</f><v>5</v></c></row>'
    )
    path = book(tmp_path / "a.xlsx", {"s": sheet((HEADER,), more)}, more={"xl/sharedStrings.xml": shared})
    assert frame_of(read(path.parent)).row(0) == ("m7", 2, None, None, "5")


def test_rows_without_a_cell_and_notes_beside_the_table_are_no_sites(tmp_path: Path) -> None:
    more = '<row r="9"><c r="K9" t="inlineStr"><is><t>a note</t></is></c></row>'
    book(tmp_path / "a.xlsx", {"s": sheet(ROWS, more)})
    assert read(tmp_path).height == 2


def test_the_sheet_with_the_columns_is_read(tmp_path: Path) -> None:
    notes = sheet((("surgery", "date"), ("a", 1)))
    book(tmp_path / "a.xlsx", {"notes": notes, "sites": sheet(ROWS), "old": sheet(ROWS)}, hidden="old")
    assert "sheet 'sites'" in read(tmp_path).name


def test_the_settings_tell_the_sheet_by_its_columns(tmp_path: Path) -> None:
    named = sheet((("mouse", "a p", "d v", "m l"), ("m7", 1, 2, 3)))
    book(tmp_path / "a.xlsx", {"notes": sheet((("a", "b"), (1, 2))), "sites": named})
    table = read(tmp_path, columns={"ap": "a p", "dv": "d v", "ml": "m l", "recording_id": "mouse"})
    assert frame_of(table).row(0) == ("m7", 1, 2, 3)
    with pytest.raises(CcfError, match="its sheets are 'notes', 'sites'"):
        read(tmp_path)


def test_several_sheets_with_sites_are_refused_by_name(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", {"day 1": sheet(ROWS), "day 2": sheet(ROWS)})
    with pytest.raises(CcfError, match=r"has sites in 2 sheets \('day 1', 'day 2'\)"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is not a readable workbook"),
        (b"PK\3\4", "is not a readable workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "before 2007, or protected by a password"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, raw: bytes, says: str) -> None:
    (tmp_path / "a.xlsx").write_bytes(raw)
    with pytest.raises(CcfError, match=says):
        read(tmp_path)


@pytest.mark.parametrize(
    "xml",
    [
        sheet(ROWS)[:-30],
        sheet(ROWS).replace('r="A1"', 'r="1A"'),
        sheet(ROWS).replace("<v>1</v>", "<v>one</v>"),
        sheet(ROWS).replace('t="inlineStr"', 't="s"', 1).replace("<is><t>recording_id</t></is>", "<v>5</v>"),
        f'<!DOCTYPE x [<!ENTITY a "b">]>{sheet(ROWS)}',
    ],
)
def test_a_damaged_sheet_is_refused(tmp_path: Path, xml: str) -> None:
    book(tmp_path / "a.xlsx", {"s": xml})
    with pytest.raises(CcfError, match="is not a readable workbook"):
        read(tmp_path)


def test_a_cell_in_the_last_corner_takes_no_memory(tmp_path: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    book(tmp_path / "a.xlsx", {"s": sheet(ROWS, far)})
    assert read(tmp_path).height == 2


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/a.bin", bytes(210_000_000))
    assert (tmp_path / "a.xlsx").stat().st_size < 1_000_000
    with pytest.raises(CcfError, match="unpacks to 210,000,000 bytes"):
        read(tmp_path)


def test_a_directory_that_lies_about_sizes_unpacks_no_more_than_it_says(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"s": sheet(ROWS, " " * 1_000_000)})
    raw = bytearray(path.read_bytes())
    size = len(sheet(ROWS, " " * 1_000_000)).to_bytes(4, "little")
    raw = bytearray(bytes(raw).replace(size, (100).to_bytes(4, "little")))
    path.write_bytes(raw)
    with pytest.raises(CcfError, match="is not a readable workbook"):
        read(tmp_path)


def test_more_cells_than_a_sheet_of_sites_has_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_CELLS", 5)
    book(tmp_path / "a.xlsx", {"s": sheet(ROWS)})
    with pytest.raises(CcfError, match="has more than 5 cells"):
        read(tmp_path)


# Which workbooks are sources


def test_a_workbook_without_settings_of_its_own_is_none(tmp_path: Path) -> None:
    for name in ("surgeries.xlsx", "log.XLSM", "sites.xlsx", "recordings.xlsx"):
        (tmp_path / name).write_bytes(b"")
    for name in ("sites.toml", "recordings.toml"):
        (tmp_path / name).write_text("")
    assert [found.anchor for found in found_by(FORMAT, tmp_path)] == ["sites.xlsx"]
    assert {"surgeries.xlsx", "log.XLSM"} <= set(WORKBOOKS.find(listing_of(tmp_path)))
    assert "write a TOML of that name beside it" in WORKBOOKS.advice


@pytest.mark.parametrize("other", ["a.csv", "a.tsv", "a.csv.gz", "a.parquet", "a.pqt", "a.nwb"])
def test_the_settings_of_another_source_do_not_describe_a_workbook(tmp_path: Path, other: str) -> None:
    for name in ("a.xlsx", "a.toml", other):
        (tmp_path / name).write_bytes(b"")
    assert found_by(FORMAT, tmp_path) == []


# Published tables that were saved as workbooks


def test_the_channels_of_the_allen_institute_are_known_by_their_columns(ccf_cases, tmp_path: Path) -> None:
    raw = pl.read_csv(ccf_cases("formats/allen_channels_csv/channels.csv"))
    rows = (tuple(raw.columns), *raw.head(5).rows())
    notes = sheet((("surgery", "date"), ("a", 1)))
    book(tmp_path / "channels.xlsx", {"notes": notes, "channels": sheet(rows)})
    (tmp_path / "channels.toml").write_text("")
    sites = read_sites(tmp_path, "channels.xlsx", FRAMES)
    assert sites["frame"].unique().to_list() == ["ccf"]
    assert sites["site_id"].to_list() == raw["id"].head(5).to_list()
    assert sites["recording_id"].to_list() == raw["ecephys_probe_id"].head(5).cast(pl.String).to_list()


def test_other_spreadsheets_are_named(tmp_path: Path) -> None:
    for name in ("a.xls", "b.ods", "c.xlsx"):
        (tmp_path / name).write_bytes(io.BytesIO().getvalue())
    assert list(OTHER_SPREADSHEETS.find(listing_of(tmp_path))) == ["a.xls", "b.ods"]
