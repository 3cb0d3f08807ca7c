"""Files of recording sites: which ones stand in the folder, what their settings say, what is in them.

A file of sites (CSV or Parquet) says where each site of each recording is; what it does not say itself,
the frame of its coordinates above all, stands in a TOML file beside it. Everything here either gives a
table in which no row is missing and nothing is guessed, or raises a sentence that says what to write.
What is *wrong* with a table that can be read is the subject of ``findings.py``.

The folder is read with its subfolders. A file's partition key is its path below the folder, made safe.
"""

from __future__ import annotations

import csv
import difflib
import errno
import hashlib
import io
import itertools
import os
import re
import stat
import time
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet

from ccf_assets.checksum import sha256_of
from ccf_assets.errors import CcfError
from ccf_assets.tables import decoded, first_row, is_text, numbers
from ccf_assets.toml import TomlError, read_toml

SUFFIXES = (".csv", ".parquet")
"""What a file of sites is called, in any case."""

FOLDER_SETTINGS = "recordings.toml"
"""The settings of every file in its folder and below; a file's own ``NAME.toml`` wins key by key."""

AXES = ("ap", "dv", "ml")
XYZ = ("x", "y", "z")
OURS = ("recording_id", "site_id", *AXES, *XYZ, "frame", "reported_region")
"""The columns a file can have; all others are left alone."""

SITES_SCHEMA = pl.Schema(
    {
        "recording_id": pl.String(),
        "site_id": pl.Int32(),
        "ap": pl.Float64(),
        "dv": pl.Float64(),
        "ml": pl.Float64(),
        "frame": pl.String(),
        "reported_region": pl.String(),
        "source": pl.String(),
    }
)
"""A table of sites: ap, dv, ml in the unit of the row's frame; source is the file's partition key."""

_INT32 = 2**31

_LONGEST_TEXT = 500
"""Bytes of an identifier: part of a key, which PostgreSQL ends at a third of a page."""

LARGEST_BYTES = 1_000_000_000
MOST_ROWS = 10_000_000
"""Of a file: a recording has thousands of sites, and what is read stands in memory."""

_LONGEST_KEY = 1000
"""Bytes of a partition key: Dagster indexes it, too."""

_BATCH = 20_000
"""Rows of a CSV that stand in memory as Python's own lists."""

_LIKE_DEFLATED = (b"x^", b"x\x01")
"""What begins with these polars takes for compressed; of its other signs none is UTF-8."""

_LONGEST_LINE = 1 << 20
"""Characters of a line of CSV; something else in one line would be read whole otherwise."""

_POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""A panic, of a name that is not UTF-8 for one, is no Exception: it would end the run of all files."""


class FrameOrder(Protocol):
    """What reading needs to know of a frame: which of ap, dv, ml its x, y and z are."""

    @property
    def xyz(self) -> Sequence[str]:
        """The axes in the order x, y, z, for example ``("ml", "ap", "dv")``."""


# --- Partition keys ------------------------------------------------------------------------------------


def partition_key_of(relative: PurePath | str) -> str:
    """The partition key of a file: its path below the folder, in characters every part of Dagster takes.

    Letters of any script, digits, inner spaces and ``/ . _ -`` stay as they are. What Dagster refuses in
    a key (``...``, control characters), what its range and list syntax uses (``,[]"*|``), and bytes that are
    no text become ``%XX`` per byte, and so does ``%``; so no two files share a key, and ``path_of`` turns
    it back. Every key ends in the file's suffix, which leaves all other names free for other partitions.

    Args:
        relative: the file's path relative to the folder.
    """
    text = relative.as_posix() if isinstance(relative, PurePath) else relative
    safe: list[str] = []
    for before, char in zip(" " + text, text, strict=False):
        second_dot = before == char == "."  # ".." never appears, hence "..." neither
        at_edge = char == " " and (before in " /" or not safe)
        if char.isprintable() and char not in '%,[]"*|' and not second_dot and not at_edge:
            safe.append(char)
        else:
            safe.extend(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
    return "".join(safe)


def path_of(folder: Path, key: str) -> Path:
    """The file a partition key stands for; the inverse of ``partition_key_of``.

    Raises:
        CcfError: the key is not one that a file in the folder can have.
    """
    relative = PurePosixPath(unquote_to_bytes(key).decode("utf-8", "surrogateescape"))
    inside = not relative.is_absolute() and ".." not in relative.parts and "%00" not in key
    if not (inside and partition_key_of(relative) == key and relative.suffix.lower() in SUFFIXES):
        raise CcfError(f"{key!r} is not the partition key of a file of recording sites.")
    return folder / relative


def is_file(key: str) -> bool:
    """Whether a partition is a file's; the others are of rows that a lab inserted itself."""
    return key.lower().endswith(SUFFIXES)


# --- Settings ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileSettings:
    """What the TOML files say about one file of sites.

    Attributes:
        own: where the file's own settings are, or would be.
        frame: name of the coordinate frame, or None where no file says it.
        columns: ours → the file's column name; an empty name means that the file has no such column.
        said_in: ours → the settings file that says so.
    """

    own: Path
    frame: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    said_in: Mapping[str, Path] = field(default_factory=dict)


def settings_paths(folder: Path, path: Path) -> list[Path]:
    """The places where settings of ``path`` may stand; a later one wins.

    ``recordings.toml`` of the folder, of each subfolder on the way down, then ``NAME.toml``.
    """
    below = path.relative_to(folder).parts[:-1]
    folders = [folder.joinpath(*below[:depth]) for depth in range(len(below) + 1)]
    places = [*(one / FOLDER_SETTINGS for one in folders), path.with_suffix(".toml")]
    return list(dict.fromkeys(places))


def read_settings(folder: Path, path: Path) -> FileSettings:
    """Read and merge the settings of one file of sites.

    Raises:
        CcfError: a settings file cannot be read, has a key that means nothing, or a value of another kind.
    """
    frame: str | None = None
    columns: dict[str, str] = {}
    said_in: dict[str, Path] = {}
    for place in settings_paths(folder, path):
        try:
            said = read_toml(place)
        except OSError as error:
            if _is_absent(error):
                continue
            raise CcfError(f"{place} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError as error:
            raise CcfError(f"{place} cannot be read: {error}; save it in UTF-8.") from None
        except TomlError as error:
            raise CcfError(f"{place} is not valid TOML: {error}.") from None
        _check_settings(place, said)
        if "frame" in said:
            frame = said["frame"]
            said_in["frame ="] = place
        columns |= said.get("columns", {})
        said_in |= dict.fromkeys(said.get("columns", {}), place)
    return FileSettings(path.with_suffix(".toml"), frame, columns, said_in)


def _is_absent(error: OSError) -> bool:
    """Whether there is no such file: ``NAME.toml`` can be a character longer than names may be."""
    return isinstance(error, FileNotFoundError) or error.errno == errno.ENAMETOOLONG


def _check_settings(place: Path, said: Mapping[str, Any]) -> None:
    _refuse_unknown(place, "", said, ("frame", "columns"))
    if not isinstance(said.get("frame", ""), str):
        raise CcfError(f'{place}: frame must be the name of a frame in quotes, for example frame = "ccf".')
    columns = said.get("columns", {})
    if not isinstance(columns, dict):
        raise CcfError(f'{place}: columns must be a table: a line [columns], then lines such as x = "x_m".')
    _refuse_unknown(place, " in [columns]", columns, OURS)
    for ours, theirs in columns.items():
        if not isinstance(theirs, str):
            raise CcfError(f'{place}: {ours} must be the name of a column in quotes, such as {ours} = "x_m".')
    taken: dict[str, str] = {}
    for ours, theirs in columns.items():
        if theirs and theirs in taken:
            raise CcfError(f'{place}: {taken[theirs]} and {ours} are both read from the column "{theirs}".')
        taken[theirs] = ours


def _refuse_unknown(place: Path, where: str, said: Collection[str], known: Sequence[str]) -> None:
    for key in said:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise CcfError(f"{place}: {key!r}{where} means nothing here. Known are {', '.join(known)}{meant}")


# --- Reading -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """A file as it stands: its columns' names, those columns that can be ours, and how to call a row."""

    name: str
    names: Sequence[str]
    columns: Mapping[str, pl.Series]
    height: int
    row_name: Callable[[int], str]


def read_sites(folder: Path, key: str, frames: Mapping[str, FrameOrder]) -> pl.DataFrame:
    """Read one file of recording sites with its settings.

    Args:
        folder: the folder of recordings.
        key: the file's partition key.
        frames: the known frames by name.

    Returns:
        One row per row of the file, in its order, with the columns of ``SITES_SCHEMA``. An empty or missing
        coordinate is NaN, an infinite one stays infinite. Without a site_id column every row is site 0.

    Raises:
        CcfError: the file cannot be read, or does not say all that is needed; the text says what to write.
    """
    path = path_of(folder, key)
    settings = read_settings(folder, path)
    table = _read_table(path, settings)
    column_of = _match_columns(table, settings, frames)
    frame = _frames_of_rows(table, column_of, settings, frames)
    ap, dv, ml = _coordinates(table, column_of, frame, frames)
    columns = {
        "recording_id": _texts(table, column_of["recording_id"], needed=True),
        "site_id": _integers(table, column_of["site_id"])
        if "site_id" in column_of
        else _all_rows(0, table.height, pl.Int32),
        "ap": ap,
        "dv": dv,
        "ml": ml,
        "frame": frame,
        "reported_region": _texts(table, column_of["reported_region"])
        if "reported_region" in column_of
        else _all_rows(None, table.height, pl.String),
        "source": _all_rows(key, table.height, pl.String),
    }
    return pl.DataFrame(columns, schema=SITES_SCHEMA)


def _read_table(path: Path, settings: FileSettings) -> _Table:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CcfError(f"{path} is no longer there.") from None
    except OSError as error:
        raise CcfError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not raw:
        raise CcfError(f"{path} is empty.")
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
    table = read(path, raw, settings)
    if not table.height:
        raise CcfError(f"{path} has a header and no rows.")
    return table


def _can_be_ours(name: str, settings: FileSettings) -> bool:
    """Whether a column may be asked for; the others are not kept, a table can have hundreds."""
    return name.strip().lower() in OURS or name in settings.columns.values()


def _refuse_too_many(path: Path, rows: int) -> None:
    if rows > MOST_ROWS:
        raise CcfError(f"{path} has more than {MOST_ROWS:,} rows; divide it into several files.")


def _read_parquet(path: Path, raw: bytes, settings: FileSettings) -> _Table:
    """Read a Parquet file with Arrow: polars' own reader ends the process at some damaged files.

    A few kilobytes can stand for gigabytes: texts are unpacked when it is known how long they are, and
    columns of neither texts nor numbers, of which nobody knows, not at all. Nor is a column's metadata asked:
    where it contradicts itself, Arrow ends the process.
    """
    try:
        metadata = parquet.read_metadata(pa.BufferReader(raw))
        schema, rows = metadata.schema.to_arrow_schema(), metadata.num_rows
        groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        if sum(groups) != rows or min(groups, default=0) < 0:  # Arrow takes the memory that a group asks for
            raise ValueError(f"it says {rows:,} rows and its row groups {sum(groups):,}")
        _refuse_too_many(path, rows)
        _refuse_twice(path, schema.names)
        kind_of = {name: schema.field(name).type for name in schema.names if _can_be_ours(name, settings)}
        texts = [name for name, kind in kind_of.items() if _is_text(kind)]
        read = [name for name, kind in kind_of.items() if name in texts or _is_flat(kind)]
        file = parquet.ParquetFile(pa.BufferReader(raw), metadata=metadata, read_dictionary=texts)
        found = file.read(read)
        found.validate(full=True)
        if found.num_rows != rows:
            raise ValueError(f"it says {rows:,} rows and has {found.num_rows:,}")
        if sum(_text_bytes(found[name]) for name in texts) > LARGEST_BYTES:
            raise CcfError(f"{path} has texts of more than {LARGEST_BYTES:,} bytes; divide it.")
        columns = {}
        for name, kind in kind_of.items():
            column = found[name] if name in read else pa.nulls(0, kind)  # its kind alone is refused
            column = column.cast(pa.large_string()) if name in texts else column
            columns[name] = pl.Series(name, pl.from_arrow(column))
    except (pa.ArrowException, OSError, ValueError, *_POLARS_ERRORS) as error:
        why = str(error).partition("\n")[0]
        raise CcfError(f"{path} is not a readable Parquet file ({why:.200}); write it again.") from None
    return _Table(path.name, schema.names, columns, rows, lambda row: f"row {row + 1}")


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    value = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(value) or types.is_large_string(value) or types.is_string_view(value))


def _is_flat(kind: pa.DataType) -> bool:
    """Whether a value takes a few bytes, the same for every row."""
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind))


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Of a column of texts, were it unpacked; it is where its name is also the path of a nested one."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        bytes_of = np.asarray(pc.binary_length(chunk.dictionary).fill_null(0), np.int64)
        times = np.bincount(np.asarray(chunk.indices.drop_null()), minlength=len(bytes_of))
        total += int(times @ bytes_of)
    return total


def _read_csv(path: Path, raw: bytes, settings: FileSettings) -> _Table:
    """Read a CSV file as text columns.

    Python's own reader rather than polars': it names the line of a row with a field too few (a file cut
    short), where polars fills in nulls, and of an open quote, where polars joins the rows that follow.
    In batches: as lists of text five million rows would take 4 GB.
    """
    decoded(path, raw)  # here, for the line of what is not UTF-8
    records = _csv_records(path, raw)
    try:
        _, header = next(records)
    except StopIteration:
        raise CcfError(f"{path} is empty.") from None
    names = [name.strip() for name in header]
    separator = next((s for s in (";", "\t", "|") if len(names) == 1 and s in names[0]), None)
    if separator:
        called = {"\t": "tabs"}.get(separator, f'"{separator}"')
        raise CcfError(f"{path} is separated by {called}; save it with commas (and decimal points).")
    _refuse_twice(path, names)
    kept = [place for place, name in enumerate(names) if name and _can_be_ours(name, settings)]
    plain = _plain_rows(raw, names, kept)
    if plain is not None:
        _refuse_too_many(path, plain.height)
        return _Table(
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
                    f"is the line cut short, or a comma not in quotes?"
                )
            lines.append(line)
        _refuse_too_many(path, len(lines))
        columns = ([record[place] for _, record in batch] for place in kept)
        parts.append(pl.DataFrame(dict(zip(parts[0].columns, columns, strict=True)), schema=parts[0].schema))
    columns_of = pl.concat(parts).to_dict(as_series=True)
    return _Table(
        path.name, [n for n in names if n], columns_of, len(lines), lambda row: f"line {lines[row]}"
    )


def _plain_rows(raw: bytes, names: Sequence[str], kept: Sequence[int]) -> pl.DataFrame | None:
    """The rows below the header as text, of the columns at the places ``kept``; None where Python must read.

    Without a quote, a blank line and a row with a field too few or too many polars reads what Python reads,
    in a tenth of the time: 0.4 s for a million rows.
    """
    if b'"' in raw or raw.count(b"\r") != raw.count(b"\r\n") or raw.startswith(_LIKE_DEFLATED):
        return None
    data = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    if not raw.endswith(b"\n"):
        ends = np.append(ends, len(raw))
    fields = np.diff(np.searchsorted(np.flatnonzero(data == ord(",")), ends), prepend=0) + 1
    if len(names) == 1 or len(fields) == 1 or (fields != len(names)).any():
        return None
    if np.diff(ends, prepend=-1).max() > csv.field_size_limit():
        return None
    rows = pl.read_csv(
        raw, has_header=False, skip_rows=1, infer_schema=False, quote_char=None, columns=list(kept)
    )
    if rows.shape != (len(fields) - 1, len(kept)):
        return None
    # Polars takes an empty field for null.
    return pl.DataFrame({names[p]: column.fill_null("") for p, column in zip(kept, rows, strict=True)})


def _csv_records(path: Path, raw: bytes) -> Iterator[tuple[int, list[str]]]:
    """The records that are not blank, each with the number of its first line."""
    reader = csv.reader(_short_lines(path, raw), strict=True)
    line = 1
    try:
        for record in reader:
            if len(record) > 1 or (record and record[0].strip()):
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise CcfError(f"{path}, line {line}: {error}; is a quote left open?") from None


def _short_lines(path: Path, raw: bytes) -> Iterator[str]:
    """The lines as the csv module wants them; the text never stands in memory whole."""
    text = io.TextIOWrapper(io.BytesIO(raw), "utf-8-sig", newline="")
    for number in itertools.count(1):
        line = text.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise CcfError(f"{path}, line {number} has more than {_LONGEST_LINE:,} characters; is it a CSV?")
        if not line:
            return
        yield line


def _listed(names: Collection[str]) -> str:
    """Names for a sentence, which a table with hundreds of columns shall not fill."""
    return f"{', '.join(names) or 'none':.1000}"


def _no_header(names: Collection[str]) -> str:
    """A question for names with as many numbers among them as a place has; else nothing."""
    numeric = [name for name in names if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", name.lower())]
    if len(numeric) < len(AXES):
        return ""
    return " Are these values? Then write a line of names above them, such as recording_id,site_id,x,y,z."


def _refuse_twice(path: Path, names: Sequence[str]) -> None:
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        raise CcfError(f"{path} has more than one column called {_listed(twice)}.{_no_header(names)}")


def _match_columns(table: _Table, settings: FileSettings, frames: Collection[str]) -> dict[str, str]:
    """Which column of the file is which of ours: first as the settings say, then by name.

    By name means as it is written here, else the same in capitals; a column the settings already use
    for something is not taken again.
    """
    there = _listed(table.names)
    found: dict[str, str] = {}
    for ours, theirs in settings.columns.items():
        if theirs and theirs not in table.names:
            # In TOML a line below [columns] belongs to it, the frame's too.
            moved = " If it is the frame's name, write the line above [columns]." if ours == "frame" else ""
            raise CcfError(
                f'{settings.said_in[ours]} says {ours} = "{theirs}", but {table.name} has no such column. '
                f"Its columns are: {there}.{moved}"
            )
        if theirs:
            found[ours] = theirs
    for ours in OURS:
        if ours not in settings.columns:
            free = [n for n in table.names if n not in found.values() and n.strip().lower() == ours]
            if ours in free or len(free) == 1:
                found[ours] = ours if ours in free else free[0]
    if "recording_id" not in found:
        raise CcfError(
            f"{table.name} has no column recording_id. Its columns are: {there}.{_no_header(table.names)} "
            f"If one of them is it, write into {settings.own}:\n"
            f'    [columns]\n    recording_id = "the column\'s name"'
        )
    unread = _unread_triple(settings, found)
    if unread is None:
        raise CcfError(_which_columns(table, settings, found, frames))
    return {ours: theirs for ours, theirs in found.items() if ours not in unread}


def _unread_triple(settings: FileSettings, found: Collection[str]) -> tuple[str, str, str] | None:
    """Of (ap, dv, ml) and (x, y, z), the one the coordinates are not read from; None if that is not clear.

    What the settings name goes before what merely has the name.
    """
    said = {ours for ours, theirs in settings.columns.items() if theirs}
    whole = [triple for triple in (AXES, XYZ) if set(triple) <= set(found)]
    chosen = [triple for triple in whole if said & set(triple)] or whole
    if len(chosen) != 1:
        return None
    return XYZ if chosen[0] == AXES else AXES


def _which_columns(
    table: _Table, settings: FileSettings, found: Collection[str], frames: Collection[str]
) -> str:
    triples = [triple for triple in (AXES, XYZ) if set(triple) & set(found)]
    lacking = list(XYZ)
    if {*AXES, *XYZ} <= set(found):
        problem = "has ap, dv, ml and also x, y, z, and they need not say the same"
    elif len(triples) == 1:
        lacking = [axis for axis in triples[0] if axis not in found]
        there = [axis for axis in triples[0] if axis in found]
        problem = f"has {' and '.join(there)}, and no {' or '.join(lacking)}"
    else:
        problem = "has neither all of ap, dv, ml nor all of x, y, z"
    no_frame = settings.frame is None and "frame" not in found
    frame = '    frame = "NAME"\n' if no_frame else ""
    names = f" NAME is one of: {', '.join(sorted(frames))}." if no_frame else ""
    columns = "".join(f'    {axis} = "the column\'s name"\n' for axis in lacking)
    return (
        f"{table.name} {problem}. Its columns are: {_listed(table.names)}. "
        f"Write into {settings.own}, with the columns to read:\n"
        f"{frame}    [columns]\n{columns}"
        f"x, y, z are read in the frame's own order; or write ap, dv and ml in the same way.{names}"
    )


def _frames_of_rows(
    table: _Table, column_of: Mapping[str, str], settings: FileSettings, frames: Mapping[str, FrameOrder]
) -> pl.Series:
    """The frame of every row: its own, else the file's; refused where neither says one that exists."""
    names = ", ".join(sorted(frames))
    if settings.frame is not None and settings.frame not in frames:
        near = difflib.get_close_matches(settings.frame.lower(), frames, n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise CcfError(
            f'{settings.said_in["frame ="]} says frame = "{settings.frame}", which is no frame{meant}. '
            f"The frames are: {names}."
        )
    if "frame" not in column_of:
        if settings.frame is None:
            raise CcfError(_no_frame(f"{table.name} does not say", settings, names))
        return _all_rows(settings.frame, table.height, pl.String)
    said = _texts(table, column_of["frame"])
    if settings.frame is None and said.null_count():
        where = table.row_name(first_row(said.is_null()))
        raise CcfError(_no_frame(f"{table.name}, {where}, does not say", settings, names))
    known = said.is_in(list(frames)) | said.is_null()
    if not known.all():
        row = first_row(~known)
        raise CcfError(
            f"{table.name}, {table.row_name(row)}: {said[row]!r:.60} is no frame. The frames are: {names}."
        )
    return said.fill_null(settings.frame) if settings.frame is not None else said


def _no_frame(who: str, settings: FileSettings, names: str) -> str:
    return (
        f"{who} in which frame its coordinates are, and a frame is never guessed. "
        f"Write this line at the top of {settings.own}, with one of the names below:\n"
        f'    frame = "NAME"\n'
        f"The frames are: {names}. ({FOLDER_SETTINGS} says it for every file of its folder.)"
    )


def _coordinates(
    table: _Table, column_of: Mapping[str, str], frame: pl.Series, frames: Mapping[str, FrameOrder]
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """The columns ap, dv, ml; x, y, z are put in their places row by row, as each row's frame orders them."""
    if "ap" in column_of:
        ap, dv, ml = (_numbers(table, column_of[axis]) for axis in AXES)
        return ap, dv, ml
    xyz = pl.DataFrame({axis: _numbers(table, column_of[axis]) for axis in XYZ} | {"frame": frame})
    used = frame.unique().to_list()
    axes = xyz.select(
        pl.coalesce(
            pl.when(pl.col("frame") == name).then(pl.col(XYZ[list(frames[name].xyz).index(axis)]))
            for name in used
        ).alias(axis)
        for axis in AXES
    )
    return axes["ap"], axes["dv"], axes["ml"]


def _numbers(table: _Table, column: str) -> pl.Series:
    return numbers(table.columns[column], column, table.name, table.row_name)


def _integers(table: _Table, column: str) -> pl.Series:
    """The column of site numbers as int32; a row without a whole number is refused."""
    values = table.columns[column]
    if not (values.dtype.is_numeric() or is_text(values)):
        raise CcfError(f"{table.name}: the column {column} holds {values.dtype}, not whole numbers.")
    text = _plain(values)
    # "12.0" is what pandas writes for 12 once a column has had a gap.
    whole = text.str.extract(r"^([-+]?\d+)(?:\.0*)?$").cast(pl.Int64, strict=False)
    fits = (whole >= -_INT32) & (whole < _INT32)
    wrong = ~fits.fill_null(False)
    if wrong.any():
        row = first_row(wrong)
        said = "empty" if text[row] in (None, "") else f"{values[row]!r:.60}"
        raise CcfError(
            f"{table.name}, {table.row_name(row)}: {column} is {said}, "
            f"where the site_id must be a whole number of 32 bits."
        )
    integers: pl.Series = whole.cast(pl.Int32)
    return integers


def _texts(table: _Table, column: str, *, needed: bool = False) -> pl.Series:
    """An identifier column as text without surrounding blanks; whole numbers as they are written."""
    values = table.columns[column]
    if not (values.dtype.is_numeric() or values.dtype == pl.Null or is_text(values)):
        raise CcfError(f"{table.name}: the column {column} holds {values.dtype}, not names or numbers.")
    text = _plain(values)
    missing = text.is_null() | (text == "") | (text.str.to_lowercase() == "nan")
    if needed and missing.any():
        raise CcfError(f"{table.name}, {table.row_name(first_row(missing))}: {column} is empty.")
    odd = (text.str.contains(r"\p{Cc}") | (text.str.len_bytes() > _LONGEST_TEXT)).fill_null(value=False)
    if odd.any():
        raise CcfError(
            f"{table.name}, {table.row_name(first_row(odd))}: {column} has a control character, "
            f"or is longer than {_LONGEST_TEXT} bytes."
        )
    return text.set(missing, None)


def _plain(values: pl.Series) -> pl.Series:
    """A column as text; a float that is a whole number loses its ``.0`` (a column with gaps in pandas)."""
    text: pl.Series = values.cast(pl.String).str.strip_chars()
    return text.str.strip_suffix(".0") if values.dtype.is_float() else text


def _all_rows(value: str | int | None, height: int, dtype: type[pl.DataType]) -> pl.Series:
    return pl.repeat(value, height, dtype=dtype, eager=True)


# --- The folder ----------------------------------------------------------------------------------------

SETTLE_S = 5.0
"""A file written less than this long ago may still be growing."""

Stamp = tuple[int, int, int, str]
"""size in bytes, mtime in ns, ctime in ns, SHA-256 of the content."""


@dataclass(frozen=True)
class SiteFile:
    """One file of sites that is complete.

    Attributes:
        path: where it is.
        digest: SHA-256 over the file and the settings that apply to it, so that a changed TOML counts.
        mtime_ns: when it was last written, ns since 1970.
    """

    path: Path
    digest: str
    mtime_ns: int


@dataclass(frozen=True)
class FolderScan:
    """What stands in the folder of recordings.

    Attributes:
        files: the complete files by partition key.
        waiting: key → why the file is left alone for now: it, or its settings, is still being written.
        unreadable: key → why the file, or the subfolder, cannot be read. It is there, so neither it nor what
            was known below it is new or gone.
        ignored: visible files that are no files of sites, such as ``.xlsx``, named as keys are.
        memo: ``partition_key_of`` a file or its settings → stamp. Handed to the next scan, it saves reading
            the files that have not changed.
    """

    files: Mapping[str, SiteFile]
    waiting: Mapping[str, str]
    unreadable: Mapping[str, str]
    ignored: tuple[str, ...]
    memo: Mapping[str, Stamp]

    def shut_away(self, key: str) -> str | None:
        """Why nobody can say whether a file is there: it is below an unreadable subfolder; else None."""
        above = map(str, PurePosixPath(key).parents)
        return next((self.unreadable[folder] for folder in above if folder in self.unreadable), None)


@dataclass(frozen=True)
class FolderChange:
    """The difference between a folder and what is known of it, as partition keys.

    ``new`` and ``changed`` are in the order in which the files were written, oldest first. They are asked for
    in this order, and a run reads its own in it: of two new files that claim a site the older one keeps it.
    ``gone`` is sorted.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


def what_is_new(scan: FolderScan, known: Mapping[str, str]) -> FolderChange:
    """Compare a scan with the files already imported.

    Args:
        scan: the folder now.
        known: partition key → digest at its last import.

    Returns:
        The new, changed and gone keys. A file that is being written or cannot be read is none of them.
    """
    by_age = sorted(scan.files, key=lambda key: (scan.files[key].mtime_ns, key))
    there = {*scan.files, *scan.waiting, *scan.unreadable}
    return FolderChange(
        new=tuple(key for key in by_age if key not in known),
        changed=tuple(key for key in by_age if key in known and known[key] != scan.files[key].digest),
        gone=tuple(sorted(key for key in known if key not in there and not scan.shut_away(key))),
    )


def scan_folder(
    folder: Path, now: float, settle_s: float, memo: Mapping[str, Stamp] | None = None
) -> FolderScan:
    """Find the files of sites in a folder and its subfolders.

    Hidden and temporary names (``.x``, ``~x``, ``#x``, ``x.part``, ``x.tmp``) are left alone, and so are
    linked subfolders, which could lead round in a circle. A linked file is read if it is in the folder, too.
    A file that vanishes meanwhile is not there.

    Args:
        folder: the folder of recordings.
        now: the time, in seconds since 1970.
        settle_s: a file written less than this many seconds ago may still be growing, and waits.
        memo: ``FolderScan.memo`` of an earlier scan. With it 1,000 unchanged files take about 50 ms.

    Raises:
        CcfError: the folder cannot be read. It must not pass for an empty one.
    """
    stamper = _Stamper(folder, now, settle_s, memo or {})
    files: dict[str, SiteFile] = {}
    waiting: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    ignored: list[str] = []
    for path in _visible_files(folder, folder, unreadable):
        relative = path.relative_to(folder)
        key = partition_key_of(relative)
        if path.suffix.lower() not in SUFFIXES:
            if path.suffix.lower() != ".toml":
                ignored.append(key)
            continue
        if len(key.encode()) > _LONGEST_KEY:
            unreadable[key] = (
                f"{key[:60]}…: the path has more than {_LONGEST_KEY} bytes; give it a shorter one."
            )
            continue
        if not _is_unicode(relative):
            unreadable[key] = f"{key}: the name is not UTF-8 (bytes are shown as %XX); give the file another."
            continue
        try:
            found = stamper.site_file(path)
        except StillWritingError as error:
            waiting[key] = str(error)
        except OSError as error:
            unreadable[key] = _why(error, path)
        else:
            if found:
                files[key] = found
    return FolderScan(files, waiting, unreadable, tuple(sorted(ignored)), stamper.memo)


def site_file(folder: Path, key: str) -> SiteFile | None:
    """One file as it is now; None if it is gone.

    Raises:
        CcfError: the key is no file's, or the file is there and cannot be read.
        StillWritingError: it, or its settings, were written less than SETTLE_S ago.
    """
    path = path_of(folder, key)
    try:
        return _Stamper(folder, time.time(), SETTLE_S, {}).site_file(path)
    except OSError as error:
        raise CcfError(_why(error, path)) from None


def _why(error: OSError, path: Path) -> str:
    """Why a file of sites, or one of its settings, is there and not read."""
    return f"{error.filename or path} cannot be read: {error.strerror or error}."


def _is_unicode(path: PurePath) -> bool:
    """Whether a path can be printed and stored: a name in an old encoding reaches Python as stray bytes."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


class StillWritingError(Exception):
    """The file was written too lately to be read."""


class _Stamper:
    """Stamps files once per scan, reading only those whose size or times differ from the memo's."""

    def __init__(self, folder: Path, now: float, settle_s: float, old: Mapping[str, Stamp]) -> None:
        self.memo: dict[str, Stamp] = {}
        self._folder = folder
        self._now_ns = int(now * 1e9)
        self._settle_ns = int(settle_s * 1e9)
        self._old = old
        self._absent: set[Path] = set()

    def site_file(self, path: Path) -> SiteFile | None:
        """The file with its digest, or None if it is gone."""
        stamp = self._stamp(path)
        if stamp is None:
            return None
        digest = hashlib.sha256(stamp[3].encode())
        for place in settings_paths(self._folder, path):
            said = self._stamp(place)
            if said:
                digest.update(f"\n{self._name(place)}\n{said[3]}".encode())
        return SiteFile(path, digest.hexdigest(), mtime_ns=stamp[1])

    def _name(self, path: Path) -> str:
        return partition_key_of(path.relative_to(self._folder))

    def _stamp(self, path: Path) -> Stamp | None:
        name = self._name(path)
        if name in self.memo:
            return self.memo[name]
        if path in self._absent:
            return None
        try:
            before = path.stat()
            self._refuse_link_out(path)
            self._refuse_fresh(path, before)
            self.memo[name] = self._stamp_of(path, name, before)
        except OSError as error:
            if not _is_absent(error):
                raise
            self._absent.add(path)
            return None
        return self.memo[name]

    def _refuse_link_out(self, path: Path) -> None:
        """Refuse a link out of the folder.

        What stands there may be anybody's; a sentence on what is wrong with it would tell its first line.
        """
        if path.is_symlink() and not path.resolve().is_relative_to(self._folder.resolve()):
            raise OSError(None, "it is a link out of the folder of recordings; put the file there", str(path))

    def _stamp_of(self, path: Path, name: str, before: os.stat_result) -> Stamp:
        """The old stamp if the file looks the same (ctime tells of a file moved there), else a new one."""
        looks = (before.st_size, before.st_mtime_ns, before.st_ctime_ns)
        old = self._old.get(name)
        if old is not None and tuple(old[:3]) == looks:
            return (*looks, old[3])
        if not stat.S_ISREG(before.st_mode):
            raise OSError(None, "it is not a regular file", str(path))
        if before.st_size > LARGEST_BYTES:
            raise OSError(None, f"it has more than {LARGEST_BYTES:,} bytes; divide it", str(path))
        digest = sha256_of(path)
        after = path.stat()
        if (after.st_size, after.st_mtime_ns, after.st_ctime_ns) != looks:
            raise StillWritingError(f"{path} changed while it was read.")
        return (*looks, digest)

    def _refuse_fresh(self, path: Path, stat_now: os.stat_result) -> None:
        age_ns = self._now_ns - stat_now.st_mtime_ns
        if age_ns < 0:
            # A date in the future (a copied file, a camera's clock) must not make a file wait for years:
            # then the time at which the file system last touched it decides.
            age_ns = self._now_ns - stat_now.st_ctime_ns
        if age_ns < self._settle_ns:
            raise StillWritingError(f"{path} was written less than {self._settle_ns / 1e9:g} s ago.")


def _visible_files(top: Path, folder: Path, unreadable: dict[str, str]) -> Iterator[Path]:
    """The files with a visible, lasting name below a folder, in order of name.

    Subfolders of ``top`` that cannot be read, such as lost+found, are put into ``unreadable``.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except FileNotFoundError:
        if folder != top:  # a subfolder that was removed while we looked
            return
        raise CcfError(f"The folder of recordings {folder} does not exist.") from None
    except OSError as error:
        why = f"cannot be read: {error.strerror or error}."
        if folder == top:
            raise CcfError(f"The folder of recordings {folder} {why}") from None
        key = partition_key_of(folder.relative_to(top))
        unreadable[key] = f"The subfolder {key} {why}"
        return
    for entry in entries:
        if entry.name.startswith((".", "~", "#")) or entry.name.lower().endswith((".part", ".tmp", "~")):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _visible_files(top, folder / entry.name, unreadable)
        elif not _leads_to_folder(entry):
            yield folder / entry.name


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, for one: whoever reads it will say so
        return False
