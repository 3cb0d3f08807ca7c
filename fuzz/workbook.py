"""A workbook: its sheet, a form feed, its shared texts; or a whole file, if it begins as one of zip does."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from ccf_assets.recordings.files.settings import OURS, FileSettings
from ccf_assets.recordings.files.source import Source
from ccf_assets.recordings.formats import excel
from fuzz.target import Target

KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

PARTS = {
    "_rels/.rels": f'<a><Relationship Id="a" Type="{KIND}/officeDocument" Target="xl/workbook.xml"/></a>',
    "xl/workbook.xml": f'<workbook xmlns:r="{KIND}"><sheets><sheet name="s" r:id="b"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<a><Relationship Id="b" Type="{KIND}/worksheet" Target="s.xml"/>'
    f'<Relationship Id="c" Type="{KIND}/sharedStrings" Target="/xl/t.xml"/></a>',
}


def read(data: bytes, folder: Path) -> object:
    """Read the sites."""
    path = folder / "a.xlsx"
    if data.startswith(b"PK"):
        path.write_bytes(data)
    else:
        sheet, _, texts = data.partition(b"\f")
        with zipfile.ZipFile(path, "w") as archive:
            for name, xml in PARTS.items():
                archive.writestr(name, xml)
            archive.writestr("xl/s.xml", sheet)
            archive.writestr("xl/t.xml", texts)
    table = excel.FORMAT.read(Source("a.xlsx", (path,)), FileSettings(folder / "a.toml", keep=("note",)))
    assert {len(column) for column in table.columns.values()} == {table.height}
    return table


def sheet(*rows: str) -> str:
    """A worksheet."""
    return f"<worksheet><sheetData>{''.join(f'<row>{row}</row>' for row in rows)}</sheetData></worksheet>"


def seeds() -> Sequence[bytes]:
    """Cells of all kinds."""
    names = ("recording_id", "site_id", "ap", "dv", "ml", "note")
    header = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in names)
    shared = "".join(f'<c t="s"><v>{number}</v></c>' for number in range(6))
    numbers = (
        '<c t="str"><v>m</v></c><c><v>1</v></c><c><v>-1.5e3</v></c><c><f>1/0</f></c><c t="b"><v>1</v></c>'
    )
    texts = f"<sst>{''.join(f'<si><r><t>{name}</t></r></si>' for name in names)}</sst>"
    made = [
        sheet(header, numbers),
        f"{sheet(shared, numbers)}\f{texts}",
        sheet(header, '<c r="XFD1048576"><v>1</v></c>'),
        sheet(header, '<c r="A2" t="e"><v>#N/A</v></c>'),
        f'<!DOCTYPE a [<!ENTITY b "c">]>{sheet(header)}',
        f"<worksheet>{3_000 * '<a>'}",
    ]
    return [text.encode() for text in made]


TARGET = Target(
    read,
    seeds,
    words=(
        *OURS, "<row", "</row>", '<c r="', '" t="s"', ' t="inlineStr"', ' t="b"', "<v>", "</v>", "<f>", "<is>", "<t>",
        "<si>", "</si>", "<rPh>", "&#0;", "&amp;", "<!DOCTYPE", "<!ENTITY", "XFD1048576", "1e999", "nan", "\f",
    ),
)  # fmt: skip
