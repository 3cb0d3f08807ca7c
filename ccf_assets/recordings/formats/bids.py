"""Electrodes of BIDS: ``*_electrodes.tsv``, with the space that ``*_coordsystem.json`` names.

A table of this name without BIDS' column ``name``, or with identifiers or coordinates of ours by name, is an
ordinary one. Without a space, x, y and z are places on the probe (BEP032: "the probe's local coordinate
frame"), which is not the brain: such a file is only read if the settings give its frame. A space that is
named is believed only where its own description does not contradict it.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from ccf_assets.ccf.space import AXES, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.columns import all_rows
from ccf_assets.recordings.files.csv_table import read_csv
from ccf_assets.recordings.files.known_columns import names_in, preset_of
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.files.source import Found, Listing, SiteFormat, Source
from ccf_assets.recordings.files.table import Table
from ccf_assets.recordings.formats.arrays import only_lacking
from ccf_assets.recordings.formats.json_file import read_json
from ccf_assets.recordings.formats.limited import read_limited
from ccf_assets.text_columns import MISSING

LARGEST_TSV = 100_000_000

_NAME = "name"

_OURS: Mapping[str, str] = {"site_id": _NAME, "probe": "probe_name", "reported_region": "location"}
"""Ours → the column of BIDS. ``hemisphere`` is L or R of the animal, and follows from the coordinates."""

_ALSO = ("shank_id", "hemisphere")

_CCF = re.compile(r"allen[ _-]?ccf[ _-]?(v?3(\.0)?)?|ccf[ _-]?v?3|allenccfv3", re.IGNORECASE)
"""Names that a space is given for the Allen CCF; BEP032's is AllenCCFv3."""

_UNITS: Mapping[str, str] = {"um": "ccf", "µm": "ccf", "μm": "ccf", "mm": "ccf_mm"}
"""Unit → the frame of the CCF in it."""

_IS = r"\W{0,3}(is |as |= ?)?\W{0,2}"

_CONTRADICTIONS: Sequence[tuple[str, str]] = (
    (r"anterior commissure", "its origin is the anterior commissure"),
    (r"\b(bregma|lambda)\b", "its origin is a point of the skull"),
    (rf"\banterior{_IS}positive|positive{_IS}anterior", "anterior is positive"),
    (rf"\b(superior|dorsal|up){_IS}positive|positive{_IS}(superior|dorsal|up)\b", "up is positive"),
    (rf"\bleft{_IS}positive|positive{_IS}left\b", "left is positive"),
    (r"\b(RAS|LPI|LPS|LAS|SRA)\b", "its axes are others"),
)
"""What a description says of a space that is not the CCF: the CCF's runs to posterior, ventral and right."""


def _find(listing: Listing) -> Iterator[Found]:
    for name in sorted(listing.files):
        if name.lower().endswith("_electrodes.tsv") and listing.look(name, _kind):
            yield Found(name, tuple(_coordinate_systems(listing, name)))


def _kind(head: bytes) -> str:
    """Whether a table is BIDS', by the names of its columns."""
    names = names_in(head, "\t")
    of_a_lab = {"recording_id", "site_id", *AXES, "frame"} & {name.lower() for name in names}
    return "bids" if _NAME in names and not of_a_lab and preset_of(names) is None else ""


def _coordinate_systems(listing: Listing, name: str) -> Iterator[str]:
    """The descriptions of spaces beside a file: those with no other entities than its own.

    A file that names no space has all of them, for the sentence that none of them is its own.
    """
    own = _entities(name)
    for other in sorted(listing.files):
        if other.lower().endswith("_coordsystem.json"):
            theirs = _entities(other)
            space = theirs.pop("space", None)
            if theirs.items() <= own.items() and own.get("space") in (None, space):
                yield other


def _entities(name: str) -> dict[str, str]:
    """The entities of a name: ``sub-01_space-X_electrodes.tsv`` has ``sub`` and ``space``."""
    parts = (part.partition("-") for part in name.partition(".")[0].split("_"))
    return {key: value for key, dash, value in parts if dash}


def _read(source: Source, settings: FileSettings) -> Table:
    table = _electrodes(source.path, settings)
    columns = {
        name: values.set(values.str.to_lowercase().is_in(MISSING), None)
        for name, values in table.columns.items()
    }
    made = {"recording_id": all_rows(_recording(source), table.height, pl.String)}
    made |= {ours: columns[theirs] for ours, theirs in _OURS.items() if theirs in columns}
    if "shank_id" in columns:
        shank = columns["shank_id"].cast(pl.Int32, strict=False)
        if shank.null_count() == columns["shank_id"].null_count():
            made["shank"] = shank
    frame = None if settings.frame else _frame(source, settings)
    made = only_lacking(made, columns)
    return dataclasses.replace(table, names=[*made, *table.names], columns=made | columns, frame=frame)


def _electrodes(path: Path, settings: FileSettings) -> Table:
    """The table of a TSV, with the columns of BIDS and those that the settings name."""
    wanted = dataclasses.replace(settings, keep=(*settings.keep, *_OURS.values(), *_ALSO))
    table = read_csv(path, read_limited(path, LARGEST_TSV), wanted)
    lacking = [name for name in (_NAME, *XYZ) if name not in table.names]
    if lacking and not settings.columns:
        raise CcfError(
            f"{path} has no column {lacking[0]}, which an electrodes.tsv of BIDS must have. "
            f"Its columns are {', '.join(table.names)}."
        )
    if not table.height:
        raise CcfError(f"{path} has a header and no rows.")
    return table


def _recording(source: Source) -> str:
    """The data set and what the file's name says: ``pilot/sub-01_ses-2_run-1``.

    The folders above that of the subject are the data set; the space is no part of the recording.
    """
    named = [f"{key}-{value}" for key, value in _entities(source.path.name).items() if key != "space"]
    folders = PurePosixPath(source.key).parts[:-1]
    above = itertools.takewhile(lambda folder: not folder.startswith("sub-"), folders)
    return "/".join([*above, "_".join(named) or source.stem])


def _frame(source: Source, settings: FileSettings) -> str:
    """The frame of the space that a description names.

    Raises:
        CcfError: there is none, or it is not the CCF, or it contradicts itself.
    """
    write = f'write frame = "NAME" into {settings.own}'
    of_space = {_entities(path.name).get("space"): path for path in source.paths[1:]}
    path = of_space.pop(_entities(source.path.name).get("space"), None)
    if path is None:
        raise CcfError(
            f"{source.path} has no coordsystem.json of its space: without one, x, y and z are places on the "
            f"probe, not in the brain.{_of_other_spaces(of_space.values())} Load what the alignment of the "
            f"probe wrote; or, if they are in the brain, {write}."
        )
    described = _described(path)
    name, unit, text = (_field(described, end) for end in ("System", "Units", "SystemDescription"))
    if not _CCF.fullmatch(name):
        raise CcfError(
            f"{path} names the space {name or '(none)':.60}, which is not known to be any of the "
            f"frames. If it is one, {write}."
        )
    wrong = _contradiction(path, name, text)
    if wrong:
        raise CcfError(f"{wrong} If you know which is true, {write}.")
    if unit.lower() not in _UNITS:
        raise CcfError(
            f"{path} gives the unit {unit or '(none)'!r:.60}, not um or mm; correct it, or {write}."
        )
    return _UNITS[unit.lower()]


def _of_other_spaces(paths: Iterable[Path]) -> str:
    """What to say of the descriptions of spaces that a file of no space has beside it."""
    said = ""
    for path in paths:
        described = _described(path)
        name = _field(described, "System")
        wrong = (
            _contradiction(path, name, _field(described, "SystemDescription")) if _CCF.fullmatch(name) else ""
        )
        said += f" {path.name} is of files called space-{_entities(path.name)['space']:.60}, not of this one."
        said += f" {wrong}" if wrong else ""
    return f"{said:.1500}"


def _contradiction(path: Path, name: str, text: str) -> str:
    """The sentence for a space that is called the CCF and described as another; empty if it is not."""
    wrong = [says for pattern, says in _CONTRADICTIONS if re.search(pattern, text, re.IGNORECASE)]
    if not wrong:
        return ""
    return (
        f"{path.name} names the space {name}, and its description contradicts that: {', and '.join(wrong)} "
        f"(the Allen CCF counts from the corner of the volume, to posterior, ventral and right)."
    )


def _described(path: Path) -> dict[str, object]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise CcfError(f"{path} is no coordsystem.json of BIDS; correct it.")
    return found


def _field(described: Mapping[str, object], end: str) -> str:
    """A field by the end of its name: MicroephysCoordinateSystem, iEEGCoordinateSystem."""
    for prefix in ("MicroephysCoordinate", "iEEGCoordinate"):
        value = described.get(f"{prefix}{end}")
        if isinstance(value, str):
            return value.strip()
    return ""


FORMAT = SiteFormat(
    name="electrodes.tsv of BIDS",
    suffixes=("_electrodes.tsv",),
    find=_find,
    read=_read,
    largest_bytes=LARGEST_TSV,
    has_own_columns=True,
)
"""The electrodes of a subject or session; the site is their name."""
