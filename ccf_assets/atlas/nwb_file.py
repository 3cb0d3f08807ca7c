"""What an NWB file says of the regions of a recording: written by pynwb, as a new file or into one.

Which sites these are, and that a file is whole or as before, is in export_nwb.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.ccf.space import ALLEN_CCF, AXES_OF_SPACES, SAME_UM, XYZ, key_and_space
from ccf_assets.db.loaded import LoadedAtlas
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted, listed

UNKNOWN = "unknown"
"""What NWB says for a location that is not known, and here for a site outside the brain."""

SITES = pl.Schema(
    {
        "site_id": pl.Int64(),
        "site_name": pl.String(),
        "probe": pl.String(),
        "shank": pl.Int64(),
        "channel": pl.Int64(),
        "axial_um": pl.Float64(),
        "lateral_um": pl.Float64(),
        **{axis: pl.Float64() for axis in XYZ},
        "status": pl.String(),
        "location": pl.String(),
    }
)
"""The sites of a recording: x, y, z are µm from the corner of the atlas's space, location an acronym."""


_COLUMNS = {
    "site_name": ("site_name", "Name of the site, where it has one"),
    "shank": ("shank", "Number of the shank"),
    "channel": ("channel", "Number of the channel or electrode"),
    "lateral_um": ("rel_x", "Position across the probe, µm"),
    "axial_um": ("rel_y", "Position along the probe, µm"),
}
"""Column of the sites → column of the electrodes, and what it means. rel_x and rel_y are those of NWB."""


def write_new(
    path: Path, recording: str, sites: pl.DataFrame, atlas: LoadedAtlas, *, method: str, species: str
) -> None:
    """Write a file with the electrodes of a recording and their regions.

    Args:
        path: the file, which is replaced.
        recording: its identifier.
        sites: as `SITES`.
        atlas: the atlas of the regions.
        method: how they were found.
        species: the animal's; empty if nobody has said it.
    """
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.file import Subject

    now = dt.datetime.now(dt.timezone.utc)
    file = NWBFile(
        session_description=f"Regions of the recording sites of {recording}, without recorded data. The "
        "start of the session is not known here: session_start_time is when this file was written.",
        identifier=recording,
        session_start_time=now,
        # NWB wants to know the animal. The age is a range: none at all, or more.
        subject=Subject(
            subject_id=UNKNOWN,
            species=species or None,
            sex="U",
            age="P0D/",
            description="Not known here: see the file of the recording.",
        ),
    )
    groups = _probes(file, recording, sites)
    further = {ours: sites[ours] for ours in _COLUMNS if sites[ours].null_count() < sites.height}
    names: Mapping[str, str] = {ours: _COLUMNS[ours][0] for ours in further}
    for ours in further:
        if not names[ours].startswith("rel_"):
            file.add_electrode_column(*_COLUMNS[ours])
    whole = {ours: _whole(values) for ours, values in further.items()}
    for row, site in enumerate(sites.iter_rows(named=True)):
        file.add_electrode(
            id=site["site_id"],
            **{axis: np.nan if site[axis] is None else site[axis] for axis in XYZ},
            location=site["location"],
            group=groups[site["probe"]],
            group_name=site["probe"] or UNKNOWN,
            **{names[ours]: whole[ours][row] for ours in further},
        )
    _add_table(file, range(sites.height), sites, atlas, method)
    with NWBHDF5IO(path, "w") as store:
        store.write(file)


def _whole(values: pl.Series) -> list[Any]:
    """The values of a column of electrodes, none of which may be missing: NaN, or as text empty."""
    if values.dtype == pl.Float64:
        return values.fill_null(float("nan")).to_list()
    return (values.cast(pl.String).fill_null("") if values.null_count() else values).to_list()


def _probes(file: Any, recording: str, sites: pl.DataFrame) -> dict[str | None, Any]:  # noqa: ANN401
    """Probe → its group, with a device for each. Names of objects have no slash and no colon."""
    groups: dict[str | None, Any] = {}
    for probe in sites["probe"].unique(maintain_order=True):
        called = re.sub(r"[/:]", "_", probe or UNKNOWN).strip(". ") or "probe"
        if called in file.devices:
            called = f"{called}_{len(groups)}"
        regions = sites.filter(pl.col("probe").eq_missing(probe))["location"].unique().sort().to_list()
        device = file.create_device(name=called, description=f"Probe {probe or UNKNOWN} of {recording}")
        groups[probe] = file.create_electrode_group(
            name=called,
            description=f"Sites of probe {probe or UNKNOWN} of {recording}",
            location=listed(regions, most=50),
            device=device,
        )
    return groups


def _add_table(
    file: Any,  # noqa: ANN401
    rows: Sequence[int],
    sites: pl.DataFrame,
    atlas: LoadedAtlas,
    method: str,
) -> None:
    """Add the table of localization; ``rows`` are the rows of the electrodes of the sites."""
    from ndx_anatomical_localization import AnatomicalCoordinatesTable, Localization

    place = file.lab_meta_data.get("localization")
    if place is None:
        place = Localization()
        file.add_lab_meta_data(place)
    table = AnatomicalCoordinatesTable(
        name=f"{_OWN}{atlas.key}",
        description=f"Places and regions of the electrodes in atlas {key_and_space(atlas.key, atlas.space)}",
        method=method,
        target=file.electrodes,
        space=_space(place, atlas),
    )
    for row, site in zip(rows, sites.iter_rows(named=True), strict=True):
        if None not in (site["x"], site["y"], site["z"]):
            table.add_row(
                x=site["x"], y=site["y"], z=site["z"], brain_region=site["location"], localized_entity=row
            )
    place.add_anatomical_coordinates_tables([table])


_LOCALIZATION = "general/localization"

_ELECTRODES = "general/extracellular_ephys/electrodes"

_OWN = "ccf_assets_"
"""How the names of the tables begin that are written here."""


def table_path(atlas: LoadedAtlas) -> str:
    """Where the table of an atlas is in a file."""
    return f"{_LOCALIZATION}/{_OWN}{atlas.key}"


def _space(place: Any, atlas: LoadedAtlas) -> Any:  # noqa: ANN401
    """The space of an atlas: one that the file has, or a new one."""
    from ndx_anatomical_localization import AllenCCFv3Space, Space

    own = atlas.space != ALLEN_CCF.name
    name = re.sub(r"[/:]", "_", atlas.space) if own else "AllenCCFv3"
    there = place.spaces.get(name)
    if (
        there is not None
        and there.orientation == "PIR"
        and there.space_name == (atlas.space if own else name)
    ):
        return there
    name = name if there is None else f"{name}_PIR"
    made = (
        Space(
            name=name,
            space_name=atlas.space,
            origin="Anterior-superior-left corner of the volume",
            units="um",
            orientation="PIR",
            extent=list(map(float, atlas.grid.extent_um)),
        )
        if own
        else AllenCCFv3Space(name=name)
    )
    place.add_spaces([made])
    return made


def change(aside: Path, path: Path, sites: pl.DataFrame, atlas: LoadedAtlas, method: str) -> bool:
    """Write the regions into a file that has the electrodes.

    The electrodes' own x, y, z stay if they are places, and neither those of the sites nor of an earlier
    export: they may be in any frame, which only the lab's settings say, and are the source of the sites then.

    Args:
        aside: the file that is changed; after an error it is of no use.
        path: what to call it in sentences.
        sites: as `SITES`; an electrode for each, and no others, by their ids.
        atlas: the atlas of the regions.
        method: how they were found.

    Returns:
        Whether x, y, z of the electrodes stayed as they were.

    Raises:
        CcfError: the electrodes are others, are in another file, or have columns that cannot hold what is
            written.
    """
    import h5py
    import ndx_anatomical_localization  # noqa: F401 - before the file is opened, or its tables are left out
    from pynwb import NWBHDF5IO

    table = table_path(atlas)
    with h5py.File(aside, "r+") as store:
        for place in (table, *(f"{_ELECTRODES}/{name}" for name in ("id", "location", *XYZ))):
            _refuse_link(store, path, place)
        earlier = _earlier(store)
        if table in store:
            del store[table]
    with NWBHDF5IO(aside, "r+", load_namespaces=True) as store:
        file = store.read()
        electrodes = file.electrodes
        if electrodes is None:
            raise CcfError(f"{path} has no electrodes.")
        rows = _matched(path, [int(each) for each in electrodes.id[:]], sites)
        ordered = sites[np.argsort(rows)]
        places = ordered.select(pl.col(XYZ).fill_null(float("nan"))).to_numpy()
        kept = _are_others(electrodes, [places, *earlier])
        if not kept:
            for axis, values in zip(XYZ, places.T, strict=True):
                told = f"{axis} in the space {atlas.space}: {AXES_OF_SPACES}"
                _set(path, electrodes, axis, values, told)
        _set(path, electrodes, "location", ordered["location"].to_list(), "Acronym of the region")
        _add_table(file, rows, sites, atlas, method)
        store.write(file)
    with h5py.File(aside) as store:
        if f"{table}/localized_entity" not in store:
            raise CcfError(f"{path}: pynwb has not written {table}; are the libraries of one time?")
    return kept


def _earlier(store: Any) -> list[Floats]:  # noqa: ANN401 - h5py has no types
    """Shape (N, 3) each: the places of the electrodes in the tables of earlier exports, NaN where none is."""
    found = []
    for name, table in store.get(_LOCALIZATION, {}).items():
        if name.startswith(_OWN):
            places = np.full((len(store[f"{_ELECTRODES}/id"]), len(XYZ)), np.nan)
            places[table["localized_entity"][:]] = np.column_stack([table[axis][:] for axis in XYZ])
            found.append(places)
    return found


def _are_others(electrodes: Any, ours: Sequence[Floats]) -> bool:  # noqa: ANN401
    """Whether the electrodes have x, y, z that are places, and none of ours; or one or two of them.

    0, 0, 0 is what some programs write where nothing is known (as recordings.formats.nwb reads it).
    """
    columns = [np.ravel(electrodes[axis].data[:]) for axis in XYZ if axis in electrodes.colnames]
    if len(columns) != len(XYZ) or any(each.dtype.kind not in "fiu" for each in columns):
        return bool(columns)
    given = np.column_stack(columns).astype(np.float64)
    known = np.isfinite(given).all(axis=1) & given.any(axis=1)
    return not any(np.isclose(given[known], each[known], rtol=0, atol=SAME_UM).all() for each in ours)


def _refuse_link(store: Any, path: Path, place: str) -> None:  # noqa: ANN401
    """Refuse a link on the way to a place: what is written there would be written elsewhere.

    Raises:
        CcfError: there is one.
    """
    import h5py

    group, parts = store, place.split("/")
    for number, part in enumerate(parts, start=1):
        link = group.get(part, getlink=True)
        if link is None:
            return
        if not isinstance(link, h5py.HardLink):
            linked = "/".join(parts[:number])
            raise CcfError(f"{path} has a link at {linked}; name the file that it leads to, or a new one.")
        group = group[part]


def _set(path: Path, electrodes: Any, name: str, values: Any, description: str) -> None:  # noqa: ANN401
    """Write a column of the electrodes, which is added if there is none.

    Raises:
        CcfError: there is one of a type that cannot hold the values.
    """
    import h5py

    if name not in electrodes.colnames:
        electrodes.add_column(name=name, description=description, data=values)
        return
    data = electrodes[name].data
    text = h5py.check_string_dtype(data.dtype)
    # With 16 bits a place would be wrong by up to 8 µm.
    numbers = data.dtype.kind == "f" and data.dtype.itemsize > 2  # noqa: PLR2004
    fits = numbers if name in XYZ else text is not None and text.length is None
    if not fits or data.shape != (len(values),):
        raise CcfError(
            f"{path} has a column {name} of electrodes that is {data.dtype} and cannot hold the values; "
            "without --in-place a new file has them."
        )
    data[:] = values


def _matched(path: Path, ids: Sequence[int], sites: pl.DataFrame) -> list[int]:
    """The row of the electrodes for every site.

    Raises:
        CcfError: a site has no electrode, or an electrode no site.
    """
    row_of = {site: row for row, site in enumerate(ids)}
    wanted = sites["site_id"].to_list()
    lacking = sorted(set(wanted) - row_of.keys())
    beyond = sorted(row_of.keys() - set(wanted))
    if lacking or beyond or len(row_of) != len(ids):
        told = "; ".join(
            f"{counted(len(each), 'id')} only {where} ({listed([str(i) for i in each])})"
            for each, where in ((lacking, "of sites"), (beyond, "of electrodes"))
            if each
        )
        raise CcfError(
            f"The electrodes of {path} are not the sites of the recording: {told or 'an id is there twice'}. "
            "Nothing is changed; without --in-place a new file has the sites alone."
        )
    return [row_of[each] for each in wanted]
