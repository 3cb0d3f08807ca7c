"""The columns of a file: which one holds what, and their values as coordinates, ids and text.

Reading the file itself is in csv_table and parquet_table.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import polars as pl

from ccf_assets.ccf.space import AXES, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.settings import EXTRAS, FOLDER_SETTINGS, OURS, FileSettings
from ccf_assets.recordings.files.table import Table, column_list, no_header
from ccf_assets.text_columns import first_row, is_text, numbers

_SITE_NAMES = ("site", "channel", "channel_id", "electrode", "electrode_id", "contact", "contact_id")
"""Usual names of the column with the number of a site, in lower case."""

_LONGEST_TEXT = 500
"""Bytes of an identifier: it is part of a key, and PostgreSQL limits a key to a third of a page."""


_CCF_UM = ("ccf", "nwb")
"""The frames of CCF µm, as the Allen Institute counts them."""


class FrameOrder(Protocol):
    """The part of a frame that reading needs."""

    @property
    def xyz(self) -> Sequence[str]:
        """The axes in the order x, y, z, for example ``("ml", "ap", "dv")``."""


def match_columns(table: Table, settings: FileSettings, frames: Collection[str]) -> dict[str, str]:
    """Column of ours → column of the file: first as the settings say, then by name.

    By name means exactly as ours is spelled, otherwise in any case. A column that the settings already use
    is not used again.

    Raises:
        CcfError: a column that the settings name is missing, or the columns needed are not all there.
    """
    existing = column_list(table.names)
    matched: dict[str, str] = {}
    for ours, theirs in settings.columns.items():
        if theirs and theirs not in table.names and theirs not in table.columns:
            # In TOML a line below [columns] belongs to it, the frame's too.
            moved = " If it is the frame's name, write the line above [columns]." if ours == "frame" else ""
            raise CcfError(
                f'{settings.set_in[ours]} says {ours} = "{theirs}", but {table.name} has no such column. '
                f"Its columns are: {existing}.{moved}"
            )
        if theirs:
            matched[ours] = theirs
    for ours in OURS:
        if ours not in settings.columns and ours not in settings.values:
            # The number of a channel may be that of the site as well.
            used = () if ours in EXTRAS else matched.values()
            free = [n for n in table.columns if n not in used and n.strip().lower() == ours]
            if ours in free or len(free) == 1:
                matched[ours] = ours if ours in free else free[0]
    unread = _unread_triple(settings, matched)
    if not ({"recording_id"} & {*matched, *settings.values}) or unread is None:
        raise CcfError(_which_columns(table, settings, matched, frames, coordinates_too=unread is None))
    return {ours: theirs for ours, theirs in matched.items() if ours not in unread}


def _unread_triple(settings: FileSettings, matched: Collection[str]) -> tuple[str, str, str] | None:
    """Of (ap, dv, ml) and (x, y, z), the triple that is not read; None if it is unclear which one that is.

    A triple that the settings name has priority over one that only has the right names.
    """
    configured = {ours for ours, theirs in settings.columns.items() if theirs}
    whole = [triple for triple in (AXES, XYZ) if set(triple) <= set(matched)]
    chosen = [triple for triple in whole if configured & set(triple)] or whole
    if len(chosen) != 1:
        return None
    return XYZ if chosen[0] == AXES else AXES


def _which_columns(
    table: Table,
    settings: FileSettings,
    matched: Collection[str],
    frames: Collection[str],
    *,
    coordinates_too: bool,
) -> str:
    """The sentence for a file whose columns are missing or ambiguous, with every line to write."""
    existing = column_list(table.names)
    recording = "recording_id" not in matched and "recording_id" not in settings.values
    problem, lacking = _coordinates_lacking(matched) if coordinates_too else ("", [])
    no_frame = not (settings.frame or table.frame) and "frame" not in matched
    lines = [
        *(['    frame = "NAME"'] if no_frame else []),
        "    [columns]",
        *(['    recording_id = "the column\'s name"'] if recording else []),
        *_site_line(table, settings, matched),
        *(f'    {axis} = "the column\'s name"' for axis in lacking),
    ]
    if recording:
        start = (
            f"{table.name} has no column recording_id. Its columns are: {existing}.{no_header(table.names)} "
            f'If one of them is it, write into {settings.own} (or recording_id = "{{stem}}" above [columns]: '
            "the file is one recording, and has its name):"
        )
    else:
        start = (
            f"{table.name} {problem}. Its columns are: {existing}. "
            f"Write into {settings.own}, with the columns to read:"
        )
    order = "x, y, z are read in the frame's own order; or write ap, dv and ml in the same way."
    names = f"NAME is one of: {', '.join(sorted(frames))}."
    end = " ".join([*([order] if lacking else []), *([names] if no_frame else [])])
    return "\n".join([start, *lines, *([end] if end else [])])


def _coordinates_lacking(matched: Collection[str]) -> tuple[str, list[str]]:
    """What is wrong with the columns of coordinates, and which of them the settings must name."""
    triples = [triple for triple in (AXES, XYZ) if set(triple) & set(matched)]
    if {*AXES, *XYZ} <= set(matched):
        return "has ap, dv, ml and also x, y, z, which may differ", list(XYZ)
    if len(triples) == 1:
        lacking = [axis for axis in triples[0] if axis not in matched]
        present = [axis for axis in triples[0] if axis in matched]
        return f"has {' and '.join(present)}, and no {' or '.join(lacking)}", lacking
    return "has neither all of ap, dv, ml nor all of x, y, z", list(XYZ)


def _site_line(table: Table, settings: FileSettings, matched: Collection[str]) -> list[str]:
    """The line for the site's number, if there is no site_id and a column with a usual name of it.

    Without it every row would be site 0, and the file would be refused again for that.
    """
    if {"site_id"} & {*matched, *settings.columns, *settings.values}:
        return []
    usual = (name for like in _SITE_NAMES for name in table.names if name.strip().lower() == like)
    return [f'    site_id = "{name}"' for name in usual][:1]


def frames_of_rows(
    table: Table, column_of: Mapping[str, str], settings: FileSettings, frames: Mapping[str, FrameOrder]
) -> pl.Series:
    """The frame of every row: its own, otherwise the one that the settings give for the file.

    Raises:
        CcfError: a row has no frame, or one that does not exist.
    """
    of_file = table.frame or settings.frame
    if settings.frame and settings.set_in.get("frame =") == settings.own:
        of_file = settings.frame
    names = ", ".join(sorted(frames))
    if settings.frame is not None and settings.frame not in frames:
        near = difflib.get_close_matches(settings.frame.lower(), frames, n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise CcfError(
            f'{settings.set_in["frame ="]} says frame = "{settings.frame}", which is no frame{meant}. '
            f"The frames are: {names}."
        )
    if "frame" not in column_of:
        if of_file is None:
            site = _site_line(table, settings, column_of)
            raise CcfError(_no_frame(f"{table.name} does not say", settings, names, site))
        if of_file not in frames:
            raise CcfError(
                f"{table.name} is in the frame {of_file}, which is unknown. The frames are: {names}."
            )
        return all_rows(of_file, table.height, pl.String)
    of_row = text_column(table, column_of["frame"])
    if of_file is None and of_row.null_count():
        where = table.row_name(first_row(of_row.is_null()))
        raise CcfError(_no_frame(f"{table.name}, {where}, does not say", settings, names))
    known = of_row.is_in(list(frames)) | of_row.is_null()
    if not known.all():
        row = first_row(~known)
        raise CcfError(
            f"{table.name}, {table.row_name(row)}: {of_row[row]!r:.60} is no frame. The frames are: {names}."
        )
    return of_row.fill_null(of_file) if of_file is not None else of_row


def _no_frame(who: str, settings: FileSettings, names: str, site_line: Sequence[str] = ()) -> str:
    lines = "\n".join(['    frame = "NAME"', *(["    [columns]", *site_line] if site_line else [])])
    return (
        f"{who} in which frame its coordinates are, and a frame is never guessed. "
        f"Write {'these lines' if site_line else 'this line'} at the top of {settings.own}, with one of the "
        f"names below:\n{lines}\n"
        f"The frames are: {names}. ({FOLDER_SETTINGS} says it for every file of its folder.)"
    )


def coordinates(
    table: Table, column_of: Mapping[str, str], frame: pl.Series, frames: Mapping[str, FrameOrder]
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """The columns ap, dv, ml; x, y, z become these row by row, in the order of each row's frame.

    -1, -1, -1 in CCF µm, where it is no place, is the Allen's sign for coordinates that are not known
    (channels.csv of its Neuropixels releases, and NWB files made of it), and becomes NaN.
    """
    ap, dv, ml = _in_order(table, column_of, frame, frames)
    unknown = (ap == -1) & (dv == -1) & (ml == -1)
    if unknown.any():
        unknown &= frame.is_in(_CCF_UM)
        ap, dv, ml = (values.set(unknown, float("nan")) for values in (ap, dv, ml))
    return ap, dv, ml


def _in_order(
    table: Table, column_of: Mapping[str, str], frame: pl.Series, frames: Mapping[str, FrameOrder]
) -> tuple[pl.Series, pl.Series, pl.Series]:
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


def _numbers(table: Table, column: str) -> pl.Series:
    return numbers(table.columns[column], column, table.name, table.row_name)


def text_column(table: Table, column: str, *, needed: bool = False) -> pl.Series:
    """An identifier column as text without surrounding blanks; whole numbers as they are written."""
    values = table.columns[column]
    if not (values.dtype.is_numeric() or values.dtype == pl.Null or is_text(values)):
        raise CcfError(f"{table.name}: the column {column} holds {values.dtype}, not names or numbers.")
    text = plain_text(values)
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


def plain_text(values: pl.Series) -> pl.Series:
    """A column as text; a float that is a whole number loses its ``.0`` (a column with gaps in pandas)."""
    text: pl.Series = values.cast(pl.String).str.strip_chars()
    return text.str.strip_suffix(".0") if values.dtype.is_float() else text


def all_rows(value: str | int | None, height: int, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    """A column that has the same value in all of its ``height`` rows."""
    return pl.repeat(value, height, dtype=dtype, eager=True)
