"""Job *home*: ``ccf-assets load`` into an empty folder, as a new user runs it, from files on this machine.

Beside the server alone with all the rows that it stores: one table after the other, with the same keys.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from benchmarks.commands import PROGRAM, children_seconds
from benchmarks.measuring import Row, Sample, say, timed
from benchmarks.options import Options
from benchmarks.place import Place, place_in
from benchmarks.server_alone import ServerAlone
from benchmarks.stored_sites import store_alone
from benchmarks.volumes import volume_at
from ccf_assets.db import database, schema
from ccf_assets.pg.swap import list_column_of

OF_SERVER = 3.0
"""The most of the server's time that a load may take."""

FINEST_UM = 25
"""Finest of the atlases that are loaded when none is named, µm."""


def measure(place: Place, options: Options) -> Iterator[Row]:
    """One line."""
    keys = [volume_at(size, place.folder).key for size in sorted(options.sizes) if size >= FINEST_UM]
    pairs = [_load(place.folder, keys) for _ in range(options.few)]
    ours, theirs = ([pair[at] for pair in pairs] for at in (0, 1))
    note = "all tables, one after the other"
    target = OF_SERVER if FINEST_UM in options.sizes else None
    yield Row(f"ccf-assets load {' '.join(keys)}", ours, "server alone", theirs, target, note=note)


def _load(folder: Path, keys: list[str]) -> tuple[Sample, Sample]:
    """Load atlases into a new folder, and let the server store the same rows there once more."""
    with place_in(folder) as home:
        used = children_seconds()
        ours = timed(lambda: subprocess.run([*PROGRAM, "load", *keys], stdout=subprocess.DEVNULL, check=True))
        details = {"processor_seconds": children_seconds() - used}
        theirs = _server_alone(home)
        database.leave()
    say(f"load {ours:.3g}, server alone {theirs.value:.3g}")
    return Sample(ours, details=details), theirs


def _server_alone(home: Place) -> Sample:
    parts: dict[str, float] = {}
    ordinary = []
    for table in schema.metadata.sorted_tables:
        with home.engine.connect() as connection:
            if connection.scalar(sa.select(table).limit(1).exists().select()) is not True:
                continue
            by_atlas = list_column_of(connection, table) is not None
            ids = connection.scalars(sa.select(table.c.ccf_id).distinct()).all() if by_atlas else []
        if not by_atlas:
            ordinary.append(table)
        for ccf_id in ids:
            parts[f"{table.name} {ccf_id}"] = ServerAlone(home, table, ccf_id)().value
    parts["the others"] = store_alone(home, ordinary).value
    return Sample(sum(parts.values()), details=parts)
