"""Two contents of an atlas and of recordings, of which loads bring the one after the other.

So the state before a load and the one after it differ in every table that a load rewrites, and a mixture can be
told from both. What each state looks like is known from loads that nothing disturbed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import sys
import time

import numpy as np

from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.db import database
from drills.lab import Command, DrillLab, State, end_when_told, expect

ATLAS = atlas_entry("phantom_100um")
"""Some seconds to load, with one row per voxel."""

BEGUN = "ontology: "
"""What a load says when it has started and the atlases' turn comes."""

FILES = 10
ROWS = 20_000
_ORDER = ("ba", "ab", "bb", "aa")
"""Loads that nothing disturbs, of one content or both; the last is of both, and the first state again."""


class Contents:
    """What lies there to be loaded ("a" or "b" of the atlas, then of the recordings), and what it gives."""

    def __init__(self, lab: DrillLab) -> None:
        self.lab = lab
        self.at = "aa"
        self.known: dict[str, State] = {}
        self.seconds = 0.0  # that a load of both takes once it has begun
        lab.run("load", ATLAS.key)
        self._file = lab.home / "downloads" / ATLAS.annotation
        self._origin = self._file.with_name(f"{self._file.name}.origin.json")
        self._url = json.loads(self._origin.read_text())["url"]
        whole = self._file.read_bytes()
        self._volumes = {"a": whole, "b": _changed(whole)}
        lab.do(
            "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) SELECT 'sql', n, "
            "3000 + n % 7000, 1000 + n % 5000, 1000 + n % 9000, 'ccf' FROM generate_series(1, :rows) n",
            rows=ROWS,
        )
        self._put_files("a")
        lab.run("load", ATLAS.key)
        self.known["aa"] = lab.state()

    def learn(self) -> None:
        """Load every combination of contents, take down its state, and measure the loads."""
        for contents in _ORDER:
            self.put(contents)
            load = self.lab.start("load", ATLAS.key)
            load.wait_for(BEGUN)
            started = time.monotonic()
            code, said = load.ended()
            if code:
                sys.exit(said)
            self.seconds = time.monotonic() - started
            state = self.lab.state()
            before = self.known.setdefault(contents, state)
            other = [
                f"{name}: {before[name]}, now {state[name]}" for name in state if state[name] != before[name]
            ]
            if other:
                expect(
                    False,
                    f"a load of {contents} that nothing disturbed gave another state: {'; '.join(other)}",
                )
        left = ", ".join(self.lab.left_over())
        expect(
            len(self.changing) >= 10 and not left,
            f"the two contents differ in {len(self.changing)} tables; a load of both takes {self.seconds:.1f} s "
            f"once it has begun, and leaves {left or 'nothing'}",
        )

    @property
    def changing(self) -> list[str]:
        """The slices in which the two contents differ."""
        return [name for name, found in self.known["aa"].items() if found != self.known["bb"][name]]

    def put(self, contents: str) -> None:
        """Have other contents lie there to be loaded."""
        if contents[0] != self.at[0]:
            self.put_volume(contents[0])
        if contents[1] != self.at[1]:
            self._put_files(contents[1])
            shift = 500 if contents[1] == "b" else -500
            self.lab.do("UPDATE ccf.recording_site SET ap = ap + :by WHERE recording_id = 'sql'", by=shift)
        self.at = contents

    def flip(self, which: str = "both") -> State:
        """Put the others of ``both``, or of ``volume`` or ``recordings``, there; the state that is to be."""
        other = {"a": "b", "b": "a"}
        volume = self.at[0] if which == "recordings" else other[self.at[0]]
        recordings = self.at[1] if which == "volume" else other[self.at[1]]
        self.put(volume + recordings)
        return self.known[self.at]

    def begun(self, share: float, **settings: str) -> tuple[Command, State, float]:
        """A load of the other contents, a share of its time after it has begun.

        One that is over by then was quicker than those before it, and another is begun.

        Returns:
            The load, the state that it is to bring, and the seconds since it began.
        """
        while True:
            after = self.flip()
            load = self.lab.start("load", ATLAS.key, **settings)
            if not load.wait_for(BEGUN):
                sys.exit(load.said)
            started = time.monotonic()
            while load.process.poll() is None:
                since = time.monotonic() - started
                if since >= share * self.seconds:
                    return load, after, since
                time.sleep(0.01)
            self.seconds = time.monotonic() - started

    def put_volume(self, name: str) -> None:
        """Put a volume in the cache, and have it checked, so that the tables are outdated by it."""
        content = self._volumes[name]
        origin = {"url": self._url, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for path, text in ((self._file, content), (self._origin, json.dumps(origin).encode())):
            aside = path.with_name(f"{path.name}.drill")
            aside.write_bytes(text)
            aside.replace(path)
        if not run_job("check_annotation"):
            sys.exit("The volume was not taken.")

    def _put_files(self, name: str) -> None:
        """Write the files of sites, as if a while ago: what was written just now is waited for."""
        self.lab.drop_files("a", FILES, shift_um=500 if name == "b" else 0)
        for path in self.lab.recordings.iterdir():
            os.utime(path, (time.time() - 10,) * 2)

    def mixed(self, state: State) -> dict[str, str]:
        """The slices that are neither old nor new, nor empty where regions are yet to be found."""
        allowed = {name: {each[name] for each in self.known.values()} for name in state}
        for name in ("recording_region of files", "recording_region of rows"):
            allowed[name].add("0 rows, 0")
        return {name: found for name, found in state.items() if found not in allowed[name]}


def _changed(volume: bytes) -> bytes:
    """The same NRRD file with one region all through a slab, and a hole in it, which changes the surface."""
    head, _, packed = volume.partition(b"\n\n")
    assert ATLAS.grid is not None
    ap, dv, ml = ATLAS.grid.shape
    voxels = np.frombuffer(gzip.decompress(packed), "<u4").reshape(ml, dv, ap).copy()
    slab = voxels[:, :, 60:70]
    slab[slab > 0] = slab[slab > 0].min()
    voxels[30:40, :, 60:70] = 0
    return head + b"\n\n" + gzip.compress(voxels.tobytes(), 1, mtime=0)


def run_job(name: str, key: str = ATLAS.key) -> bool:
    """Run a job for an atlas in this process; whether it succeeded."""
    import dagster as dg

    from ccf_assets.definitions import build_defs
    from ccf_assets.defs.partitions import add_atlases
    from ccf_assets.runs.home import dagster_home

    database.forget()
    dagster_home()
    with dg.DagsterInstance.get() as instance:
        add_atlases(instance, {key: True})
        job = build_defs().resolve_job_def(name)
        done = job.execute_in_process(
            instance=instance,
            partition_key=key,
            run_config={"loggers": {"console": {"config": {"label": name}}}},
            raise_on_error=False,
        )
    end_when_told()
    return done.success
