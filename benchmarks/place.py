"""A folder of the benchmarks' own with an embedded server in it, and the atlases loaded there.

Nothing that CCF_HOME and CCF_POSTGRES_URL name is used or touched.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from benchmarks import loads
from benchmarks.measuring import Sample, apart, say
from benchmarks.volumes import Volume, volume_at
from ccf_assets import settings
from ccf_assets.db import database, schema


@dataclass
class Place:
    """A folder with a server, downloads and all.

    Attributes:
        folder: readable for all, because the server, under root, runs as another user, and reads files.
        warm_up: whether the atlas is loaded, before any other, that processes load first (loads.WARM_UP).
        loaded: how the first load of each atlas went, all its assets and checks, by key.
    """

    folder: Path
    warm_up: bool = True
    loaded: dict[str, Sample] = field(default_factory=dict)

    @property
    def engine(self) -> sa.Engine:
        """The database of this place; using it keeps the server up until this process ends."""
        return database.create_engine()

    def volume(self, resolution_um: int) -> Volume:
        """The volume to load at a resolution, its atlas loaded: the source's own, else the phantom's."""
        volume = volume_at(resolution_um, self.folder)
        self.load(volume)
        return volume

    def load(self, volume: Volume) -> Sample:
        """Load an atlas by the program's own jobs, unless it is there; returns how its first load went."""
        if self.warm_up and not self.loaded and volume != loads.WARM_UP:
            self.load(loads.WARM_UP)
        if volume.key not in self.loaded:
            say(f"loading {volume.key}")
            self.loaded[volume.key] = apart(loads.whole_atlas, volume)
        return self.loaded[volume.key]

    def counts(self, volume: Volume) -> tuple[int, int]:
        """How many runs, and voxels, a loaded atlas has."""
        run, edge = schema.voxel_run.c, volume.edge_um
        voxels = sa.func.sum((run.z_end - run.z) // edge)
        query = sa.select(sa.func.count(), voxels).where(run.ccf_id == volume.entry.ccf_id)
        with self.engine.connect() as connection:
            runs, total = connection.execute(query).one()
        return runs, int(total)

    def settle(self) -> None:
        """Write out what earlier work left in the server's memory, so that nobody else pays for it."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("CHECKPOINT")


@contextmanager
def place_in(folder: Path, *, warm_up: bool = True) -> Iterator[Place]:
    """A new place below ``folder``, which CCF_HOME names as long as the block lasts."""
    before = os.environ.get("CCF_HOME")
    own = Path(tempfile.mkdtemp(dir=folder))
    own.chmod(0o755)
    os.environ["CCF_HOME"] = str(own)
    try:
        yield Place(own, warm_up)
    finally:
        if before is None:
            del os.environ["CCF_HOME"]
        else:
            os.environ["CCF_HOME"] = before


def work_folder() -> Path:
    """A temporary folder, removed when this process ends; the settings are made the benchmarks' own."""
    os.environ.setdefault("CCF_SOURCE", settings.PHANTOM)
    for name in ("CCF_POSTGRES_URL", "CCF_RECORDINGS", "CCF_FRAMES", "CCF_REGION_SETS"):
        os.environ.pop(name, None)
    folder = Path(tempfile.mkdtemp(prefix="ccf_benchmark_"))
    # The server is stopped at exit too, and what is registered first runs last.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder.chmod(0o755)
    return folder
