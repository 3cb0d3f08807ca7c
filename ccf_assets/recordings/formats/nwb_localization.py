"""The tables of ndx-anatomical-localization in an NWB file: where electrodes are, and in which space.

A file of the IBL has each electrode twice: in its own space from bregma, and in CCF coordinates that are half
a voxel less than the CCF's. The first is read, unless the settings name a frame of the second.

The extension is read by what it writes, since a file need not have its definition: a group
general/localization of tables (x, y, z, the rows of the electrodes, brain_region), each with a link to its
space (space_name, origin, units, orientation).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ccf_assets.ccf.frames.ibl import IBL_UM
from ccf_assets.ccf.space import EXTENT_UM, SAME_UM, XYZ
from ccf_assets.errors import CcfError
from ccf_assets.finding import listed
from ccf_assets.recordings.files.settings import FileSettings
from ccf_assets.recordings.formats.nwb_store import Group, at, damaged, refused

LOCALIZATION = "general/localization"
ELECTRODES = "general/extracellular_ephys/electrodes"

_OWN = f"{__name__.partition('.')[0]} "
"""How the method of a table begins that this program wrote (atlas.export_nwb)."""

_ENTITIES = ("localized_entity", "target_object")
"""The column with the rows of the other table; the second name is that of the first months of 2024."""

_CCF, _BREGMA = "Allen CCFv3", "IBLBregma"

_SPACES = {"allenccfv3": _CCF, "ccfv3": _CCF, "iblbregma": _BREGMA}
"""Spaces that are known here, by the letters and digits of their space_name in lower case.

- ``AllenCCFv3``: AllenCCFv3Space of the extension; ``CCFv3``: its predefined space until November 2025.
- ``CCFV3``, ``IBLBregma``: catalystneuro/IBL-to-nwb.
"""

_UM, _MM, _M = "um", "mm", "m"

_UNITS = {
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers"), _UM),
    **dict.fromkeys(("mm", "millimeter", "millimeters"), _MM),
    **dict.fromkeys(("m", "meter", "meters"), _M),
}

_FRAMES = {
    (_CCF, _UM): "ccf",
    (_CCF, _MM): "ccf_mm",
    (_BREGMA, _UM): IBL_UM,
    (_BREGMA, _M): "ibl",
}

_SAME_AS_CCF = "nwb"

_FAMILIES = {
    _CCF: ("ccf", "ccf_mm", _SAME_AS_CCF, "ibl_ccf"),
    _BREGMA: ("ibl", IBL_UM),
}
"""Frames that settings may name for the coordinates of a space."""


@dataclass(frozen=True)
class _Space:
    """A space as a file states it.

    Attributes:
        name: its space_name.
        known: which of the known spaces that is; empty for another.
        frame: the frame of its coordinates, if it is known.
        own: of another space that counts µm from the corner, as the atlases of a lab do, its name.
        wrong: what it states against its name; empty for nothing.
    """

    name: str
    known: str
    frame: str | None
    own: str
    wrong: str


@dataclass(frozen=True)
class Localized:
    """The coordinates of electrodes.

    Attributes:
        columns: x, y and z with one value for each electrode, NaN where there is none; brain_region if the
            tables have it; and frame if it can only be that of an atlas of the lab, named as its space.
        frame: their frame; None if only the settings can say it.
    """

    columns: dict[str, pl.Series]
    frame: str | None


def tables_of(file: Path, root: Group) -> tuple[list[Group], list[str]]:
    """The tables with coordinates of electrodes, and of what else the others have coordinates.

    A table that `export nwb` wrote is read only if there is no other, and the x, y, z of the electrodes are
    its own or not known: an export into the file of a lab does not change how that is read, and is not taken
    for the alignment that has changed it since.

    Args:
        file: the file, for sentences.
        root: its root group.

    Raises:
        CcfError: what a table of an export says cannot be used.
    """
    folder = at(root, LOCALIZATION)
    of_electrodes, others = [], []
    for name in folder.names() if folder else ():
        table = folder.group(name) if folder else None
        entity = _entity(table) if table and table.attribute("neurodata_type") != _IMAGE else None
        if table is None or entity is None or not {*XYZ} <= {*table.names()}:
            continue
        target = table.table_of(entity)
        if target in {"", f"/{ELECTRODES}"}:
            of_electrodes.append(table)
        else:
            others.append(target)
    given = [table for table in of_electrodes if not _is_exported(table)]
    electrodes = at(root, ELECTRODES)
    exported = [table for table in of_electrodes if electrodes and _says_the_same(file, table, electrodes)]
    return given or exported, others


def _is_exported(table: Group) -> bool:
    return table.attribute("method").startswith(_OWN)


def _says_the_same(file: Path, table: Group, electrodes: Group) -> bool:
    """Whether all x, y, z of the electrodes that are a place are that of a table."""
    columns = [electrodes.column(axis) for axis in XYZ]
    known = [each for each in columns if each is not None and each.dtype.is_numeric()]
    if len(known) != len(XYZ) or len({len(each) for each in known}) != 1:
        return not known
    points = np.column_stack([each.cast(pl.Float64).to_numpy() for each in known])
    where, placed, _ = _rows(file, table, len(points))
    same = np.full(len(points), fill_value=False)
    same[where] = np.isclose(points[where], placed, rtol=0, atol=SAME_UM).all(axis=1)
    # 0, 0, 0 is what some programs write where nothing is known.
    return bool((same | ~(np.isfinite(points).all(axis=1) & points.any(axis=1))).all())


_IMAGE = "AnatomicalCoordinatesImage"


def _entity(table: Group) -> str | None:
    return next((name for name in _ENTITIES if name in table.names()), None)


def located(file: Path, tables: Sequence[Group], rows: int, settings: FileSettings) -> Localized:
    """The coordinates of the electrodes in the best of the spaces that a file has them in.

    Args:
        file: the file, for sentences.
        tables: as of `tables_of`; not empty.
        rows: how many electrodes there are.
        settings: of the file; they may name a frame.

    Raises:
        CcfError: no space can be used, what the tables say cannot be, or the settings name the frame of
            another space.
    """
    spaces = [_space(table) for table in tables]
    wanted = settings.frame
    chosen = _chosen(file, spaces, wanted)
    of_space = [table for table, space in zip(tables, spaces, strict=True) if space.name == chosen.name]
    if wanted is not None and not _may_be(wanted, chosen, exported=_is_exported(of_space[0])):
        stated = chosen.frame or chosen.own
        raise CcfError(
            f"{file}: its table {of_space[0].path} states that x, y, z are in the space {chosen.name:.100} "
            f"(frame {stated:.100}), and {settings.set_in.get('frame =', settings.own)} says frame = "
            f'"{wanted}". Write frame = "{stated:.100}" into {settings.own}; or, where the table is wrong, '
            "below [columns] which columns of the electrodes to read."
        )
    values: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {
        axis: np.full(rows, np.nan) for axis in XYZ
    }
    regions: list[str | None] = [None] * rows
    owner: list[Group | None] = [None] * rows
    for table in of_space:
        where, points, named = _rows(file, table, rows)
        for place, row in enumerate(where):
            before = owner[row]
            old = [values[axis][row] for axis in XYZ]
            if before is not None and not np.array_equal(old, points[place], equal_nan=True):
                both = before.path if before is table else f"{before.path} and {table.path}"
                raise refused(
                    file,
                    f"{both} has two places for electrode row {row} in {chosen.name}; keep the table that is "
                    "right, or write the sites as CSV",
                )
            owner[row], regions[row] = table, named[place] if named is not None else None
            for axis, value in zip(XYZ, points[place], strict=True):
                values[axis][row] = value
    columns = {axis: pl.Series(axis, values[axis]) for axis in XYZ}
    if any("brain_region" in table.names() for table in of_space):
        columns["brain_region"] = pl.Series("brain_region", regions, pl.String)
    if chosen.own and wanted is None:
        columns["frame"] = pl.repeat(chosen.own, rows, dtype=pl.String, eager=True)
    return Localized(columns, chosen.frame)


def _rows(
    file: Path, table: Group, height: int
) -> tuple[list[int], np.ndarray[tuple[int, ...], np.dtype[np.float64]], list[str | None] | None]:
    """The rows of the electrodes, their coordinates, and their regions."""
    entity = _entity(table) or ""
    place = table.column(entity)
    axes = [table.column(axis) for axis in XYZ]
    regions = table.column("brain_region")
    columns = [place, *axes]
    if (
        any(each is None or not each.dtype.is_numeric() for each in columns)
        or f"{entity}_index" in table.names()
    ):
        raise refused(file, f"{table.path} has other than numbers in {', '.join(XYZ)} or {entity}")
    known = [each for each in columns if each is not None]
    if regions is not None and regions.dtype != pl.String:
        regions = None
    if len({len(each) for each in (*known, *([] if regions is None else [regions]))}) != 1:
        raise damaged(file, f"the columns of {table.path} are not equally long")
    where = known[0]
    if not where.dtype.is_integer() or not where.is_between(0, height - 1).all():
        raise refused(
            file,
            f"{table.path} refers to electrodes that are none: {entity} is the row in the table of "
            f"electrodes, which has {height:,}",
        )
    points = np.column_stack([each.cast(pl.Float64).to_numpy() for each in known[1:]])
    return where.to_list(), points, None if regions is None else regions.to_list()


def _chosen(file: Path, spaces: Sequence[_Space], wanted: str | None) -> _Space:
    """The space that is read: one of the frame that the settings name, the IBL's, the CCF, or another."""
    family = next((known for known, frames in _FAMILIES.items() if wanted in frames), None)
    for space in spaces:
        if family and space.known == family:
            return space
    for known in (_BREGMA, _CCF):
        for space in spaces:
            if space.known == known and not space.wrong:
                return space
    wrong = next((space.wrong for space in spaces if space.wrong), "")
    others = list(dict.fromkeys(space.name for space in spaces))
    if wrong and wanted is None:
        raise CcfError(f'{file}: {wrong}. Say in which frame its x, y, z are: frame = "NAME" in a TOML file.')
    if len(others) > 1:
        raise refused(
            file, f"it has coordinates in {listed(others)}, none of which is known here; write one as CSV"
        )
    return spaces[0]


def _may_be(wanted: str, space: _Space, *, exported: bool) -> bool:
    """Whether coordinates in a space can be in a frame that the settings name.

    Only they can say the frame of a space that is not known here, or that the file states in two ways.
    """
    if exported:
        return wanted in ((space.frame, _SAME_AS_CCF) if space.known else (space.own,))
    return not space.known or bool(space.wrong) or wanted in _FAMILIES[space.known]


def _space(table: Group) -> _Space:
    """The space of a table."""
    space = table.group("space")
    if space is None:
        return _Space(f"{table.path}/space", "", None, "", "")
    name, origin = space.attribute("space_name"), space.attribute("origin")
    orientation = space.attribute("orientation").strip().upper()
    units = _UNITS.get(space.attribute("units").strip().lower(), "")
    known = _SPACES.get(re.sub(r"[^a-z0-9]", "", name.lower()), "")
    stated = f"{orientation or '?'}, origin {origin or '?':.100}, {space.attribute('units') or '?':.20}"
    frame = _FRAMES.get((known, units))
    if not known:
        corner = orientation == "PIR" and units == _UM and "corner" in origin.lower()
        return _Space(name or space.path, "", None, name if corner else "", "")
    if frame is None:
        return _Space(name, known, None, "", f"its space {name:.100} is in {space.attribute('units'):.20}")
    said = _agree(known, orientation, origin) and _extent_agrees(space, known, units)
    wrong = (
        "" if said else f"its space is called {name:.100}, and is stated as {stated}, which is another one"
    )
    return _Space(name, known, frame, "", wrong)


def _agree(known: str, orientation: str, origin: str) -> bool:
    """Whether a space is stated as it is.

    Until the end of 2025 the extension gave CCFv3 the orientation ASL, meaning where the origin is (and the
    origin as the dorsal-left-posterior corner); since then PIR, meaning where the axes run to.
    """
    place = origin.lower()
    if known == _BREGMA:
        return orientation == "RAS" and "bregma" in place
    return (orientation == "PIR" and "bregma" not in place and "commissure" not in place) or (
        orientation == "ASL" and "corner" in place
    )


def _extent_agrees(space: Group, known: str, units: str) -> bool:
    extent = space.column("extent")
    if extent is None or known != _CCF or len(extent) != len(XYZ) or not extent.dtype.is_numeric():
        return True
    size = {_UM: 1, _MM: 1000}[units]
    return bool(np.allclose(extent.cast(pl.Float64).to_numpy() * size, EXTENT_UM, rtol=1e-3))
