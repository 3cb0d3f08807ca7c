"""A CSV of sites, or one separated by tabs: a plain one is read by polars, any other record by record.

What its columns mean is in columns.
"""

from __future__ import annotations

import csv
import io
import itertools
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.known_columns import with_preset
from ccf_assets.recordings.files.settings import FileSettings, can_be_ours
from ccf_assets.recordings.files.table import Table, refuse_too_many, refuse_twice
from ccf_assets.text_columns import decoded

_BATCH = 20_000
"""Rows of a CSV that are in memory at a time as Python's own lists."""

_LIKE_DEFLATED = (b"x^", b"x\x01")
"""Polars takes a file that begins with these for a compressed one; its other signatures are not UTF-8."""

_LONGEST_LINE = 1 << 20
"""Characters of a line of CSV: a file that is none, in one line, is not read whole."""


def read_csv(path: Path, raw: bytes, settings: FileSettings) -> Table:
    """Read a CSV file as text columns.

    Unless the file is plain, Python's own reader is used: it gives the line of a row with too few fields (a
    file cut short), where polars fills in nulls, and of an open quote, where polars joins the rows that
    follow. It reads in batches: as lists of text, five million rows would take 4 GB.
    """
    decoded(path, raw)  # its error gives the line that is not UTF-8
    separator = "\t" if path.name.lower().endswith((".tsv", ".tsv.gz")) else _separator(raw)
    records = _csv_records(path, raw, separator)
    try:
        _, header = next(records)
    except StopIteration:
        raise CcfError(f"{path} is empty.") from None
    names = [name.strip() for name in header]
    refuse_twice(path, names)
    settings = with_preset(settings, names)
    kept = [place for place, name in enumerate(names) if name and can_be_ours(name, settings)]
    plain = _plain_rows(raw, names, kept, separator)
    if plain is not None:
        refuse_too_many(path, plain.height)
        return Table(
            path.name,
            [n for n in names if n],
            plain.to_dict(as_series=True),
            plain.height,
            lambda row: f"line {row + 2}",
        )
    lines = array("Q")
    parts = [pl.DataFrame(schema={names[place]: pl.String for place in kept})]
    while batch := list(itertools.islice(records, _BATCH)):
        for line, record in batch:
            if len(record) != len(names):
                raise CcfError(
                    f"{path}, line {line}: {len(record)} fields where the header has {len(names)}; "
                    f"is the line cut short, or a {_CALLED[separator]} not in quotes?"
                )
            lines.append(line)
        refuse_too_many(path, len(lines))
        columns = ([record[place] for _, record in batch] for place in kept)
        parts.append(pl.DataFrame(dict(zip(parts[0].columns, columns, strict=True)), schema=parts[0].schema))
    columns_of = pl.concat(parts).to_dict(as_series=True)
    return Table(path.name, [n for n in names if n], columns_of, len(lines), lambda row: f"line {lines[row]}")


_CALLED = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
"""What can separate the fields of a line, and what it is called in a sentence."""


def _separator(raw: bytes) -> str:
    """What separates the fields of the header: what is most often in it, a comma where two are."""
    header = raw.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]
    return max(_CALLED, key=lambda one: header.count(one.encode()))


def _plain_rows(raw: bytes, names: Sequence[str], kept: Sequence[int], separator: str) -> pl.DataFrame | None:
    """The rows below the header as text, of the columns numbered ``kept``; None if the file is not plain.

    In a file without quotes, blank lines and rows with too few or too many fields, polars reads the same as
    Python in a tenth of the time: 0.4 s for a million rows.
    """
    if b'"' in raw or raw.count(b"\r") != raw.count(b"\r\n") or raw.startswith(_LIKE_DEFLATED):
        return None
    data = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    if not raw.endswith(b"\n"):
        ends = np.append(ends, len(raw))
    fields = np.diff(np.searchsorted(np.flatnonzero(data == ord(separator)), ends), prepend=0) + 1
    if len(names) == 1 or len(fields) == 1 or (fields != len(names)).any():
        return None
    if np.diff(ends, prepend=-1).max() > csv.field_size_limit():
        return None
    rows = pl.read_csv(
        raw,
        has_header=False,
        skip_rows=1,
        infer_schema=False,
        quote_char=None,
        columns=list(kept),
        separator=separator,
    )
    if rows.shape != (len(fields) - 1, len(kept)):
        return None
    # Polars reads an empty field as null.
    return pl.DataFrame({names[p]: column.fill_null("") for p, column in zip(kept, rows, strict=True)})


def _csv_records(path: Path, raw: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The records, without blank ones, each with the number of its first line."""
    reader = csv.reader(_short_lines(path, raw), strict=True, delimiter=separator)
    line = 1
    try:
        for record in reader:
            if len(record) > 1 or (record and record[0].strip()):
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise CcfError(f"{path}, line {line}: {error}; is a quote left open?") from None


def _short_lines(path: Path, raw: bytes) -> Iterator[str]:
    """The lines as the csv module needs them; the text is never in memory as a whole."""
    text = io.TextIOWrapper(io.BytesIO(raw), "utf-8-sig", newline="")
    for number in itertools.count(1):
        line = text.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise CcfError(f"{path}, line {number} has more than {_LONGEST_LINE:,} characters; is it a CSV?")
        if not line:
            return
        yield line
