"""Whether there is room for what a load will write: on the server's disk, and in this machine's memory.

The numbers are those of docs/performance.md. They are asked before the first row, so that a load which cannot
end well does not begin.
"""

from __future__ import annotations

import ipaddress
import math
import shutil

import psutil
import sqlalchemy as sa

from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError

BYTES_PER_ROW = 92
"""On the disk, keys included, of a run and of a voxel: 247 MB for 2.79 million runs, 2,942 MB for 32.4
million voxels."""

WHILE_LOADING = 1.4
"""How much more a load needs until it ends: files in which the server sorts the keys."""

BYTES_PER_RUN_IN_MEMORY = 30
"""Of the process that finds the runs: 0.5 GB beside what Dagster takes, for 17.5 million runs."""

_RUNS_AT_10_UM, _VOXELS_AT_10_UM, _ALL_AT_10_UM = 17_460_714, 506_038_707, 1_203_840_000

_GB = 1e9


def runs_expected(grid: VoxelGrid) -> int:
    """How many runs an atlas has, estimated: their number follows the area of the borders of regions."""
    return int(_RUNS_AT_10_UM * (math.prod(grid.shape) / _ALL_AT_10_UM) ** (2 / 3))


def voxels_expected(grid: VoxelGrid) -> int:
    """How many voxels an atlas has in the brain, estimated."""
    return int(_VOXELS_AT_10_UM * math.prod(grid.shape) / _ALL_AT_10_UM)


def require_disk(engine: sa.Engine, what: str, rows: int) -> None:
    """Refuse to write ``rows`` rows that the server's disk has no room for, where that disk can be seen.

    Args:
        engine: the database.
        what: the rows, for the sentence.
        rows: how many there will be. Rows that are there already stay until the new ones have replaced them.

    Raises:
        CcfError: there is too little room; its details say how much is needed and free.
    """
    folder = data_folder(engine)
    free = None if folder is None else _free(folder)
    needed = rows * BYTES_PER_ROW * WHILE_LOADING
    if free is not None and needed > free:
        raise CcfError(
            f"{what} need some {_gb(needed)} GB of disk while they are loaded, and {_gb(free)} GB are free "
            f"in {folder}. Make room there, or take a coarser atlas.",
            needed_gb=_gb(needed),
            free_gb=_gb(free),
        )


def require_memory(key: str, grid: VoxelGrid) -> None:
    """Refuse to find the runs of an atlas that would not fit into the memory that is free.

    Raises:
        CcfError: there is too little memory; its details say how much is needed and free.
    """
    needed, free = runs_expected(grid) * BYTES_PER_RUN_IN_MEMORY, psutil.virtual_memory().available
    if needed > free:
        raise CcfError(
            f"To find the runs of {key} takes some {_gb(needed)} GB of memory, and {_gb(free)} GB are "
            "free. End other programs, load with --jobs 1, or take a coarser atlas.",
            needed_gb=_gb(needed),
            free_gb=_gb(free),
        )


def data_folder(engine: sa.Engine) -> str | None:
    """The folder of the server's data; None if it is on another machine, or hidden from this user."""
    query = sa.text(
        "SELECT host(inet_server_addr()), (SELECT setting FROM pg_settings WHERE name = 'data_directory')"
    )
    with engine.connect() as connection:
        address, folder = connection.execute(query).one()
    # Without an address the connection is a socket of this machine.
    here = address is None or ipaddress.ip_address(address).is_loopback
    return str(folder) if here and folder else None


def _free(folder: str) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # the server is in a container, whose folders are not ours
        return None


def _gb(number: float) -> float:
    """Gigabytes for a sentence."""
    return round(number / _GB, 1 if number < 10 * _GB else None)
