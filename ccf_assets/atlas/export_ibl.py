"""A recording for the alignment GUI of the IBL: channel_locations.json, and xyz_picks.json of a track.

Form: int-brain-lab/ibl-alignment-gui and iblapps, ``create_channel_dict`` (recordings.formats reads it back).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from ccf_assets.atlas.one_recording import atlas_of, sites_of
from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.ccf.frames.ibl import BREGMA_UM, IBL_UM
from ccf_assets.ccf.frames.maps import from_ccf
from ccf_assets.ccf.space import ALLEN_CCF, SITE, TRACK, XYZ
from ccf_assets.db.loaded import LoadedAtlas
from ccf_assets.errors import CcfError
from ccf_assets.files import new_file
from ccf_assets.finding import counted, listed

_VOID = (0, "void")
"""Id and acronym that iblatlas has for a place outside the brain."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        paths: the files, one per shank where there are several.
        atlas: the atlas whose regions they have.
        sites: how many channels, or points of tracks, they have.
        left_out: points of tracks whose place is not known.
    """

    paths: tuple[Path, ...]
    atlas: LoadedAtlas
    sites: int
    left_out: int = 0


def export_channel_locations(
    engine: sa.Engine,
    recording: str,
    path: Path,
    key: str | None = None,
    *,
    probe: str | None = None,
    force: bool = False,
) -> Written:
    """Write the channels of a probe with their regions, one file per shank; all of them, or none.

    Args:
        engine: the database.
        recording: a recording_id.
        path: the file; of several shanks, ``channel_locations.json`` stands for
            ``channel_locations_shank_1.json``, ….
        key: the atlas; the first loaded one in which the recording is registered if not given.
        probe: which one, if the recording has several.
        force: replace existing files.

    Returns:
        What was written. A channel without a region has the id 0, ``void``; one without a place has null.

    Raises:
        CcfError: there is no such recording, probe or atlas, it is not registered there, the atlas is of
            another space than the Allen CCF, a site has no channel's number, or a file cannot be written.
    """
    sites, atlas = _of_probe(engine, recording, key, SITE, probe, path)
    # A site without a name that has no channel is numbered by its own number.
    numbered = sites.with_columns(
        number=pl.coalesce("channel", pl.when(pl.col("site_name").is_null()).then("site_id"))
    ).sort("number")
    unknown = numbered["number"].null_count()
    if unknown or numbered.select("shank", "number").is_duplicated().any() or (numbered["number"] < 0).any():
        raise CcfError(
            f"The channels of {recording!r} cannot be named channel_0, channel_1, …: "
            + (
                f"{counted(unknown, 'site')} have no channel."
                if unknown
                else "a number is twice on one shank, or negative; is it the recording of several probes?"
            )
        )
    unique = numbered["number"].n_unique() == numbered.height

    def channels(rows: list[dict[str, Any]], *, one_of_several: bool) -> object:
        by_order = one_of_several and unique  # as the GUI numbers them, with their number in the recording
        named = {
            f"channel_{place if by_order else row['number']}": _channel(row)
            | ({"original_channel_idx": row["number"]} if by_order else {})
            for place, row in enumerate(rows)
        }
        return {**named, "origin": {"bregma": list(BREGMA_UM)}}

    paths = _write(path, numbered, "_shank_", channels, force=force)
    return Written(paths, atlas, numbered.height)


def export_xyz_picks(
    engine: sa.Engine,
    recording: str,
    path: Path,
    key: str | None = None,
    *,
    probe: str | None = None,
    force: bool = False,
) -> Written:
    """Write the points of a track, one file per shank (``xyz_picks_shank1.json``); all of them, or none.

    Args:
        engine: the database.
        recording: a recording_id.
        path: the file, as for `export_channel_locations`.
        key: an atlas in which the recording is registered; the points are the same in every one.
        probe: which one, if the recording has several.
        force: replace existing files.

    Raises:
        CcfError: as `export_channel_locations`; or the recording has no points of a track.
    """
    points, atlas = _of_probe(engine, recording, key, TRACK, probe, path)
    known = points.drop_nulls(XYZ)
    if not known.height:
        raise CcfError(f"No point of the track of {recording!r} has a known place.")

    def picks(rows: list[dict[str, Any]], *, one_of_several: bool) -> object:
        return {"xyz_picks": [[row["ml_um"], row["ap_um"], row["dv_um"]] for row in rows]}

    paths = _write(path, known, "_shank", picks, force=force)
    return Written(paths, atlas, known.height, points.height - known.height)


def _of_probe(
    engine: sa.Engine, recording: str, key: str | None, kind: str, probe: str | None, path: Path
) -> tuple[pl.DataFrame, LoadedAtlas]:
    """The sites of one probe with ml_um, ap_um and dv_um from bregma, and their atlas."""
    if path.suffix.lower() != ".json":
        raise CcfError(f"{path}: the name of a file for the alignment GUI ends in .json.")
    atlas = atlas_of(engine, recording, key)
    if atlas.space != ALLEN_CCF.name:
        raise CcfError(
            f"{atlas.key} is an atlas of {atlas.space}, and the alignment GUI has the Allen CCF: "
            "name an atlas of it with --atlas."
        )
    sites = sites_of(engine, recording, atlas, kind)
    probes = sites["probe"].unique().drop_nulls().sort().to_list()
    if probe is not None and probe not in probes:
        raise CcfError(
            f"{recording!r} has no probe {probe!r}; it has {listed(probes) or 'none with a name'}."
        )
    if probe is None and sites["probe"].n_unique() > 1:
        raise CcfError(f"{recording!r} has several probes ({listed(probes)}); name one with --probe.")
    sites = sites if probe is None else sites.filter(probe=probe)
    apdvml = from_ccf(FRAMES[IBL_UM], *(sites[axis].cast(pl.Float64).to_numpy() for axis in XYZ))
    places = pl.DataFrame(apdvml, schema=["ap_um", "dv_um", "ml_um"]).fill_nan(None)
    plane = [pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in ("axial_um", "lateral_um")]
    return sites.hstack(places).with_columns(plane), atlas


def _channel(row: dict[str, Any]) -> dict[str, Any]:
    region, acronym = _VOID if row["region_id"] is None else (row["region_id"], row["acronym"])
    return {
        "x": row["ml_um"],
        "y": row["ap_um"],
        "z": row["dv_um"],
        "axial": row["axial_um"],
        "lateral": row["lateral_um"],
        "brain_region_id": region,
        "brain_region": acronym,
    }


def _write(
    path: Path, rows: pl.DataFrame, ending: str, content: Callable[..., object], *, force: bool
) -> tuple[Path, ...]:
    """Write one file, or one per shank with ``ending`` and its number in the name."""
    shanks: Sequence[int | None] = rows["shank"].unique().sort().to_list()
    paths = [path]
    if len(shanks) > 1:
        if None in shanks:
            raise CcfError("Some of the sites have a shank and some have none; they cannot be one probe.")
        paths = [path.with_name(f"{path.stem}{ending}{shank}{path.suffix}") for shank in shanks]
    with ExitStack() as stack:
        for shank, of_shank in zip(shanks, paths, strict=True):
            aside = stack.enter_context(new_file(of_shank, force=force))
            chosen = rows.filter(pl.col("shank").eq_missing(shank)).to_dicts()
            text = json.dumps(content(chosen, one_of_several=len(shanks) > 1), indent=2, allow_nan=False)
            aside.write_text(text, encoding="utf-8")
    return tuple(paths)
