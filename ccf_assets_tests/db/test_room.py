"""Room: a load that the disk or the memory cannot take is refused, with numbers, before the first row."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from ccf_assets.db import room
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.grids import grid_of

TEN = "ccf_2017_10um"

MEASURED = {
    "ccf_2017_10um": (17_460_714, 506_038_707),
    "ccf_2017_25um": (2_793_695, 32_387_385),
    "ccf_2017_50um": (663_219, 4_048_869),
}


def free(monkeypatch: pytest.MonkeyPatch, *, disk: float = 1e15, memory: float = 1e15) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=int(disk)))
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: SimpleNamespace(available=int(memory)))


@pytest.mark.parametrize("key", MEASURED)
def test_the_sizes_expected_are_those_that_were_measured(key: str) -> None:
    runs, voxels = MEASURED[key]
    assert room.runs_expected(grid_of(key)) == pytest.approx(runs, rel=0.06)
    assert room.voxels_expected(grid_of(key)) == pytest.approx(voxels, rel=0.01)


def test_the_folder_of_a_server_on_this_machine_is_known(database: sa.Engine) -> None:
    folder = room.data_folder(database)
    assert folder is not None
    assert Path(folder).is_absolute()


def test_the_rows_of_10_um_are_refused_on_a_disk_of_20_gb(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, disk=20e9)
    room.require_disk(database, "The runs of ccf_2017_10um", room.runs_expected(grid_of(TEN)))
    with pytest.raises(CcfError, match=r"The rows need some 65 GB .* 20 GB are free in ") as refused:
        room.require_disk(database, "The rows", room.voxels_expected(grid_of(TEN)))
    assert refused.value.details == {"needed_gb": 65, "free_gb": 20}


def test_what_cannot_be_seen_is_not_judged(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a server in a container is not on this machine, though its address is."""

    def gone(folder: str) -> object:
        raise FileNotFoundError(2, "No such file or directory", folder)

    monkeypatch.setattr(room.shutil, "disk_usage", gone)
    room.require_disk(database, "The rows", 10**12)
    monkeypatch.setattr(room, "data_folder", lambda _engine: None)
    room.require_disk(database, "The rows", 10**12)


def test_runs_that_do_not_fit_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, memory=1e9)
    room.require_memory(TEN, grid_of(TEN))
    free(monkeypatch, memory=0.3e9)
    with pytest.raises(CcfError, match=r"ccf_2017_10um takes some 0.5 GB of memory, and 0.3 GB") as refused:
        room.require_memory(TEN, grid_of(TEN))
    assert refused.value.details == {"needed_gb": 0.5, "free_gb": 0.3}
