"""Several folders of recordings on one database, as rigs and hosts have them: no site is lost to another's file.

A part of the drill *recordings*.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drills.lab import PROGRAM, DrillLab, expect

ATLAS = "ccf_2017_100um"


def folders(lab: DrillLab) -> None:
    """Load folders in turns; rename, copy and protect them; use one from another CCF_HOME."""
    rig_a, rig_b = (_folder(lab.home / name) for name in ("rig_a", "rig_b"))
    _file(rig_a, "probe00.csv", "mouse_a", 2)
    _file(rig_b, "probe00.csv", "mouse_b", 1)
    told = [_load(lab, rig)[1] for rig in (rig_a, rig_b, rig_a, rig_b)]
    _has(lab, {"mouse_a": 2, "mouse_b": 1}, "two folders in turns, each with its probe00.csv")
    further = f"{rig_b} is a further folder of recordings"
    expect(further in told[1], "a load says that its folder is not the database's only one")

    renamed = rig_b.rename(lab.home / "rig_c")
    _file(renamed, "probe01.csv", "mouse_c", 3)
    _load(lab, renamed)
    _has(lab, {"mouse_b": 1, "mouse_c": 3}, "a renamed folder stays the same and takes a new file")

    copied = lab.home / "copy"
    shutil.copytree(renamed, copied)
    _file(copied, "probe00.csv", "mouse_d", 4)
    code, said = _load(lab, copied)
    expect(code != 0 and "rig_c" in said and "copy" in said, "a copied folder is refused, and both are named")
    _has(lab, {"mouse_b": 1, "mouse_c": 3, "mouse_d": 0}, "a copied folder changes nothing")

    other = _folder(lab.home / "other_home")
    rig_e = _folder(lab.home / "rig_e")
    _file(rig_e, "probe00.csv", "mouse_e", 5)
    with _address(lab) as address:
        _load(lab, rig_e, CCF_HOME=str(other), CCF_POSTGRES_URL=address)
    _has(lab, {"mouse_a": 2, "mouse_e": 5}, "another CCF_HOME on the same server, with its own probe00.csv")

    protected = _folder(lab.home / "protected")
    _file(protected, "probe00.csv", "mouse_f", 6)
    with _read_only(protected):
        _load(lab, protected)
        _load(lab, rig_a)
        _load(lab, protected)
    _has(lab, {"mouse_a": 2, "mouse_b": 1, "mouse_e": 5, "mouse_f": 6}, "a folder that is read-only")

    with lab.up():
        time.sleep(60)  # two ticks of each sensor
    _has(
        lab,
        {"mouse_a": 2, "mouse_b": 1, "mouse_c": 3, "mouse_e": 5, "mouse_f": 6},
        "a minute of the UI on the first folder",
    )


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _file(folder: Path, name: str, recording: str, sites: int) -> None:
    rows = [f"{recording},{number},6600,4000,6700" for number in range(sites)]
    (folder / name).write_text("\n".join(["recording_id,site_id,ap,dv,ml", *rows]) + "\n")
    (folder / "recordings.toml").write_text('frame = "ccf"\n')
    for path in folder.iterdir():
        os.utime(path, (time.time() - 60,) * 2)  # written just now, it would be taken for unfinished


def _load(lab: DrillLab, folder: Path, **settings: str) -> tuple[int, str]:
    return lab.start("load", ATLAS, CCF_RECORDINGS=str(folder), **settings).ended()


def _has(lab: DrillLab, sites: dict[str, int], what: str) -> None:
    query = "SELECT count(*) FROM ccf.recording_site WHERE recording_id = :recording"
    found = {recording: lab.one(query, recording=recording) for recording in sites}
    expect(found == sites, f"{what}: {', '.join(f'{n} sites of {r}' for r, n in found.items())}")


@contextmanager
def _address(lab: DrillLab) -> Iterator[str]:
    """The address of the lab's server, which stays up as long as the block lasts."""
    held = subprocess.Popen(
        [*PROGRAM, "url", "--hold"],
        env=lab.settings,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert held.stdout is not None
        yield held.stdout.readline().strip()
    finally:
        held.terminate()
        held.wait(60)


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """The folder as a read-only mount where root may have one, otherwise without the right to write."""
    bound = subprocess.run(["mount", "--bind", folder, folder], check=False).returncode == 0
    if bound:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    elif os.geteuid() == 0:
        sys.exit("Root writes into any folder, and none can be mounted here: run the drill as another user.")
    else:
        folder.chmod(0o555)
    try:
        yield
    finally:
        if bound:
            subprocess.run(["umount", "--lazy", folder], check=True)
        else:
            folder.chmod(0o755)
