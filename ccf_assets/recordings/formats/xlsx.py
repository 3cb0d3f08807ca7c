"""The cells of an Excel workbook (.xlsx, .xlsm), read within limits.

Read here and not by fastexcel: its reader allocates the rectangle from the first cell to the last, so that a
workbook of one kilobyte with a cell in the last corner of a sheet ends the process (half a terabyte). Here
memory is bounded by the bytes unpacked and by `MOST_CELLS`.

The form is that of ECMA-376, part 1: SpreadsheetML. Formulas are not computed: the value is the one that was
stored with them.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from xml.parsers import expat

from ccf_assets.errors import CcfError, first_line

LARGEST_UNPACKED = 200_000_000
"""Bytes of all files in the workbook."""

MOST_CELLS = 3_000_000

_MOST_COLUMNS = 16_384

Cell: TypeAlias = "str | float | bool | None"

_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")

_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")


@dataclass(frozen=True)
class Sheet:
    """A worksheet.

    Attributes:
        name: as its tab says.
        hidden: it has no tab.
        rows: number of each row that has cells, counted from 1, and its cells by column, from 0.
    """

    name: str
    hidden: bool
    rows: Mapping[int, Mapping[int, Cell]]


def read_workbook(path: Path, raw: bytes) -> list[Sheet]:
    """The worksheets of a workbook, in their order.

    Raises:
        CcfError: it is no workbook, is damaged, protected by a password, or too large unpacked.
    """
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise CcfError(
            f"{path} is a workbook of Excel before 2007, or protected by a password; save it as .xlsx "
            f"without one, or as CSV."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            total = sum(info.file_size for info in archive.infolist())
            if total > LARGEST_UNPACKED:
                raise CcfError(
                    f"{path} unpacks to {total:,} bytes, more than {LARGEST_UNPACKED:,}; save the sheet with "
                    f"the sites as CSV."
                )
            return list(_sheets(path, archive))
    except (
        zipfile.BadZipFile, KeyError, EOFError, OSError, ValueError, NotImplementedError, RuntimeError,
        zlib.error, expat.ExpatError, RecursionError,
    ) as error:  # fmt: skip
        raise CcfError(
            f"{path} is not a readable workbook ({first_line(error):.100}); save it again, or as CSV."
        ) from None


def _sheets(path: Path, archive: zipfile.ZipFile) -> Iterator[Sheet]:
    names = set(archive.namelist())
    book = _target(archive, "_rels/.rels", "", "/officeDocument")[0][1]
    targets = dict(_target(archive, _rels_of(book), posixpath.dirname(book), "/worksheet"))
    shared = [part for _, part in _target(archive, _rels_of(book), posixpath.dirname(book), "/sharedStrings")]
    texts = _shared_texts(archive.read(shared[0])) if shared and shared[0] in names else []
    cells = 0
    for name, state, relation in _tabs(archive.read(book)):
        part = targets.get(relation)
        if part not in names:  # a chart or a macro sheet has no cells
            continue
        sheet = _cells(path, archive.read(part), texts, MOST_CELLS - cells)
        cells += sum(map(len, sheet.values()))
        yield Sheet(name, state != "visible", sheet)


def _rels_of(part: str) -> str:
    return posixpath.join(posixpath.dirname(part), "_rels", f"{posixpath.basename(part)}.rels")


def _target(archive: zipfile.ZipFile, rels: str, folder: str, kind: str) -> list[tuple[str, str]]:
    """Ids and parts of the relations of a kind, by the end of its address."""
    found: list[tuple[str, str]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if _local(tag) == "Relationship" and attributes.get("Type", "").endswith(kind):
            target = attributes.get("Target", "")
            part = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
            found.append((attributes.get("Id", ""), posixpath.normpath(part)))

    _parse(archive.read(rels), start)
    if not found and kind == "/officeDocument":
        raise ValueError("it has no workbook")
    return found


def _tabs(raw: bytes) -> list[tuple[str, str, str]]:
    """Name, state and relation of each sheet."""
    found: list[tuple[str, str, str]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if _local(tag) == "sheet":
            relation = next((value for name, value in attributes.items() if _local(name) == "id"), "")
            found.append((attributes.get("name", ""), attributes.get("state", "visible"), relation))

    _parse(raw, start)
    return found


def _shared_texts(raw: bytes) -> list[str]:
    texts: list[str] = []
    parts: list[str] = []
    inside = {"t": 0, "rPh": 0}

    def start(tag: str, _: dict[str, str]) -> None:
        name = _local(tag)
        if name in inside:
            inside[name] += 1

    def end(tag: str) -> None:
        name = _local(tag)
        if name in inside:
            inside[name] -= 1
        elif name == "si":
            texts.append("".join(parts))
            parts.clear()

    def text(data: str) -> None:
        if inside["t"] and not inside["rPh"]:  # rPh: how a Japanese word is read
            parts.append(data)

    _parse(raw, start, end, text)
    return texts


def _cells(path: Path, raw: bytes, texts: Sequence[str], most: int) -> dict[int, dict[int, Cell]]:
    """The cells of a sheet that are not empty."""
    rows: dict[int, dict[int, Cell]] = {}
    place, kind, depth, count = (0, -1), "", 0, 0
    parts: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal place, kind, depth
        name = _local(tag)
        if name == "row":
            place = (int(attributes.get("r", place[0] + 1)), -1)
        elif name == "c":
            place = _place(attributes["r"]) if "r" in attributes else (place[0], place[1] + 1)
            kind = attributes.get("t", "n")
            parts.clear()
        elif name in ("v", "t"):
            depth += 1

    def end(tag: str) -> None:
        nonlocal depth, count
        name = _local(tag)
        if name in ("v", "t"):
            depth -= 1
        elif name == "c":
            value = _value("".join(parts), kind, texts)
            if value is not None and 0 <= place[1] < _MOST_COLUMNS:
                rows.setdefault(place[0], {})[place[1]] = value
                count += 1
                if count > most:
                    raise CcfError(f"{path} has more than {MOST_CELLS:,} cells; save the sites as CSV.")

    def text(data: str) -> None:
        if depth:
            parts.append(data)

    _parse(raw, start, end, text)
    return rows


def _place(reference: str) -> tuple[int, int]:
    """Row and column of a cell such as ``AB12``, the column from 0."""
    match = _PLACE.fullmatch(reference)
    if not match:
        raise ValueError(f"a cell is at {reference!r:.20}")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(match[2]), column - 1


def _value(text: str, kind: str, texts: Sequence[str]) -> Cell:
    """The value of a cell by its type; None if it is empty, or a formula that failed."""
    if not text or kind == "e":
        return None
    if kind == "s":
        number = int(text)
        if not 0 <= number < len(texts):
            raise ValueError(f"a cell has the text number {number}, of {len(texts)}")
        return texts[number]
    if kind == "b":
        return text == "1"
    if kind in ("str", "inlineStr", "d"):
        return text
    # A whole number of up to 18 digits stays one: as a float it would lose digits beyond 2^53.
    return int(text) if _WHOLE.fullmatch(text) else float(text)


def _parse(
    raw: bytes,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Read a part; entities are refused, none of Excel's files declares one."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = _refuse_entity
    parser.Parse(raw, True)


def _refuse_entity(*_: object) -> None:
    raise ValueError("it declares entities")


def _local(tag: str) -> str:
    """A name without the prefix of its namespace."""
    return tag.rpartition(":")[2]
