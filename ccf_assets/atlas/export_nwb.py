"""The regions of one recording as NWB: a small file of its own, or written into the file of the recording.

Both have a table of electrodes with the region (location) and x, y, z, and a table of
ndx-anatomical-localization that names the atlas and the checksum of its annotation. pynwb and the extension
(the extra ``nwb``) write them.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import sqlalchemy as sa

import ccf_assets
from ccf_assets.atlas.nwb_file import SITES, UNKNOWN, change, table_path, write_new
from ccf_assets.atlas.one_recording import atlas_of, sites_of
from ccf_assets.db import schema
from ccf_assets.db.loaded import LoadedAtlas
from ccf_assets.errors import CcfError, first_line, why
from ccf_assets.files import new_file, whole_file

_ROOM = 100_000_000
"""Bytes by which a file may grow: the tables have some kilobytes."""

_COPIED = 1 << 30
"""Bytes that are copied at a time."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        atlas: the atlas whose regions they are.
        sites: how many sites.
        located: how many of them have a region.
        kept_xyz: x, y, z of the electrodes of a file of the lab are other coordinates, and stayed.
        table: where the table of localization is in the file.
    """

    atlas: LoadedAtlas
    sites: int
    located: int
    kept_xyz: bool
    table: str


def export_nwb(
    engine: sa.Engine, recording: str, path: Path, key: str | None = None, *, in_place: bool = False
) -> Exported:
    """Write the regions of a recording to an NWB file: whole, or the file is as it was before.

    Args:
        engine: the database.
        recording: recording_id of the sites; points of tracks are left out.
        path: the file. It must not exist; with ``in_place`` it must, with an electrode for every site and no
            other ones: their ids are the site_ids.
        key: the atlas; the first loaded one in which the recording is registered if not given.
        in_place: write location, the table, and x, y, z if the electrodes have no others, into the file, on
            a copy beside it that replaces it.

    Returns:
        What was written; x, y, z are µm from the corner of the atlas's space, to posterior, inferior, right.

    Raises:
        CcfError: pynwb or the extension is not installed; there is no such recording or atlas, or it is not
            registered there; the file exists, or does not, or has other electrodes; it cannot be written.
    """
    _require_libraries()
    if path.suffix.lower() != ".nwb":
        raise CcfError(f"{path}: the name of an NWB file ends in .nwb.")
    if path.exists() and not in_place:
        raise CcfError(
            f"{path} exists: name a file that does not, for a small new one, or say --in-place to write the "
            "regions into this one."
        )
    if in_place and not path.is_file():
        raise CcfError(
            f"{path} is not a file; --in-place writes into an existing file of HDF5, and without it a new "
            "one is made."
        )
    atlas = atlas_of(engine, recording, key)
    sites = (
        sites_of(engine, recording, atlas)
        .select(
            *(name for name in SITES if name != "location"), location=pl.col("acronym").fill_null(UNKNOWN)
        )
        .match_to_schema(SITES, integer_cast="upcast")
    )
    method, species = _about(engine, atlas)
    kept = False
    if in_place:
        kept = _write_into(path.resolve(), sites, atlas, method)
    else:
        with new_file(path) as aside, _sentence(path):
            write_new(aside, recording, sites, atlas, method=method, species=species)
    located = int((sites["location"] != UNKNOWN).sum())
    return Exported(atlas, sites.height, located, kept, table_path(atlas))


def _require_libraries() -> None:
    try:
        import ndx_anatomical_localization  # noqa: F401
        import pynwb  # noqa: F401
    except ImportError:
        raise CcfError(
            "To write NWB needs pynwb and ndx-anatomical-localization: pip install 'ccf_assets[nwb]'."
        ) from None


@contextmanager
def _sentence(path: Path) -> Iterator[None]:
    """An error of pynwb, hdmf or h5py as a sentence; their warnings are for programmers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (CcfError, OSError):
        raise
    except Exception as error:  # they raise errors of many kinds
        raise CcfError(f"{path} cannot be written by pynwb ({first_line(error):.300}).") from error


# ---- what is written


def _about(engine: sa.Engine, atlas: LoadedAtlas) -> tuple[str, str]:
    """How the regions were found (program, atlas, checksum of its annotation), and the species."""
    a, space = schema.atlas, schema.reference_space
    query = sa.select(a.c.sha256, space.c.species).join(space).where(a.c.ccf_id == atlas.ccf_id)
    with engine.connect() as connection:
        checksum, species = connection.execute(query).one()
    method = (
        f"{ccf_assets.__name__} {ccf_assets.__version__}: region of the voxel at the point in atlas "
        f"{atlas.key}, version {atlas.version}, annotation SHA-256 {checksum}"
    )
    return method, species or ""


# ---- into a file of the lab


def _write_into(path: Path, sites: pl.DataFrame, atlas: LoadedAtlas, method: str) -> bool:
    """Change a copy of the file, which then replaces it: HDF5 cannot take changes back that it has begun.

    Returns:
        Whether x, y, z of the electrodes stayed as they were.
    """
    size = path.stat().st_size
    room = shutil.disk_usage(path.parent).free
    if room < size + _ROOM:
        raise CcfError(
            f"{path} is changed on a copy beside it, for which {size / 1e9:,.1f} GB are needed and "
            f"{room / 1e9:,.1f} GB are free: make room, or name a new file, without --in-place."
        )
    before = path.stat()
    try:
        with whole_file(path) as aside, _sentence(path):
            _copy(path, aside)
            kept = change(aside, path, sites, atlas, method)
            shutil.copymode(path, aside)
            with suppress(OSError):  # only root may give files away
                os.chown(aside, before.st_uid, before.st_gid)
            now = path.stat()
            if (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size):
                raise CcfError(f"{path} was changed meanwhile by something else; it is left as it is.")
    except OSError as error:
        raise CcfError(f"{path} cannot be written: {why(error)}.") from None
    return kept


def _copy(path: Path, aside: Path) -> None:
    """Copy a file; where the file system can share blocks (XFS, Btrfs, APFS), in no time and no room."""
    with path.open("rb") as source, aside.open("xb") as target:
        try:
            while os.copy_file_range(source.fileno(), target.fileno(), _COPIED):
                pass
        except (AttributeError, OSError):  # not on macOS, and not from every file system
            source.seek(0)
            target.seek(0)
            target.truncate()
            shutil.copyfileobj(source, target, 1 << 24)
        target.flush()
        os.fsync(target.fileno())
