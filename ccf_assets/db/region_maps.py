"""A lab's own region maps in the database: kept by whoever asks for work, read by every run.

What is in a map is in ccf.region_sets, and how a database keeps files in shared_files.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from ccf_assets import settings
from ccf_assets.ccf.region_sets import MapFile, digest, map_files
from ccf_assets.db.schema import shared_file
from ccf_assets.db.shared_files import keep_own, place_of, shared_files
from ccf_assets.errors import CcfError, why

_KIND = "region_map"


def keep_maps(engine: sa.Engine, folder: settings.Place, *, take_over: bool = False) -> None:
    """Keep the maps in the folder of this host; a folder that is not there is not taken for an empty one.

    Args:
        engine: the database.
        folder: as `settings.region_sets` names it.
        take_over: what this host says of a name counts, whatever another host has said.

    Raises:
        CcfError: a file cannot be read, or another host has another map of this name.
    """
    if isinstance(folder, Path) and not folder.is_dir():
        return

    def place(name: str) -> str:
        return place_of(folder / name) if isinstance(folder, Path) else f"{folder}/{name}"

    try:
        files = {file.name: (file.content, place(file.name)) for file in map_files(folder)}
    except OSError as error:
        raise CcfError(f"A region map in {folder} cannot be read: {why(error)}.") from None
    with engine.begin() as connection:
        t = shared_file.c
        names = connection.scalars(sa.select(t.name).where(t.kind == _KIND))
        gone = {place(name) for name in names} - {there for _, there in files.values()}
        keep_own(connection, _KIND, "The region map", files, gone, take_over=take_over)


def kept_maps(engine: sa.Engine) -> list[MapFile]:
    """The maps that the database has, by name."""
    with engine.connect() as connection:
        return sorted(MapFile(each.name, each.content) for each in shared_files(connection, _KIND))


def digest_of_maps(engine: sa.Engine) -> str:
    """The digest of `kept_maps`, without reading them."""
    t = shared_file.c
    with engine.connect() as connection:
        rows = connection.execute(sa.select(t.name, t.sha256).where(t.kind == _KIND))
        return digest({row.name: row.sha256 for row in rows})
