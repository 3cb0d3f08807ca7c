"""How much memory, and how long, a load takes at every resolution, and in the worst case.

Each load is the program's own job ``load_atlas``, checks and all, in a process of its own. The phantom at
10 µm has a quarter of the real atlas's runs, so there is one more volume, *dense*: the phantom with small
blocks of other regions strewn over it until it has as many runs as the real atlas at 10 µm, 17.5 million.

Run it with ``python -m benchmarks.memory_of_a_load``.
"""

from __future__ import annotations

import argparse
import bisect
import gzip
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import psutil

from benchmarks import _common
from benchmarks._common import say, table
from ccf_assets import ontology, phantom, settings
from ccf_assets.atlases import AtlasEntry, atlas_entry
from ccf_assets.resources import SourcesResource
from ccf_assets.sources import FetchedFile, Sources

LIMIT_MB = 1500
"""What a load may take at any resolution."""

DENSE = "dense_10um"
ATLASES = ("phantom_100um", "phantom_50um", "phantom_25um", "phantom_10um", DENSE)

SAMPLES_PER_S = 20

# ---- the dense volume

BLOCK_VOXELS = (4, 4, 6)
"""Size along AP, DV, ML of the blocks that are strewn."""

BLOCKS_PER_MILLION = 113_000
"""How many of a million blocks get another region; chosen for the number of runs."""


def dense_planes(resolution_um: int, ids: np.ndarray) -> Iterator[np.ndarray]:
    """The phantom's planes with blocks of other regions in its brain, the same ones every time."""
    ap, dv, ml = BLOCK_VOXELS
    for z, plane in enumerate(phantom.planes(resolution_um)):
        rows, columns = (-(-size // edge) for size, edge in zip(plane.shape, (dv, ap), strict=True))
        drawn = np.random.default_rng(z // ml).integers(0, 1_000_000, (rows, columns))
        strewn = np.where(drawn < BLOCKS_PER_MILLION, ids[drawn % len(ids)], 0).astype(np.uint32)
        blocks = strewn.repeat(dv, axis=0).repeat(ap, axis=1)[: plane.shape[0], : plane.shape[1]]
        yield np.where((plane != 0) & (blocks != 0), blocks, plane)


def write_dense(path: Path, entry: AtlasEntry) -> None:
    """Write the dense volume as an NRRD file like the official ones."""
    r = entry.resolution_um
    graph = path.with_name("structure_graph.csv")
    graph.write_bytes(phantom.structure_graph_csv())
    ids = ontology.read_structure_graph(graph)["region_id"].to_numpy()
    header = (
        "NRRD0004\ntype: unsigned int\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, entry.shape))}\nspace directions: ({r},0,0) (0,{r},0) (0,0,{r})\n"
        "kinds: domain domain domain\nendian: little\nencoding: gzip\nspace origin: (0,0,0)\n\n"
    )
    with path.open("wb") as file:
        file.write(header.encode("ascii"))
        with gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            for plane in dense_planes(r, ids):
                packed.write(plane.astype("<u4").data)


@dataclass(frozen=True)
class _OneFile(Sources):
    """The phantom's sources, with another annotation volume."""

    volume: Path = Path()

    def annotation(self, entry: AtlasEntry, **_: Any) -> FetchedFile:
        """The one file."""
        size = self.volume.stat().st_size
        return FetchedFile(self.volume, "phantom:dense", "dense", size, fetched=False)


class _DenseResource(SourcesResource):
    """Sources whose volume is the dense one."""

    path: str

    def get(self) -> Sources:
        """The phantom's sources with the dense volume."""
        return _OneFile(settings.PHANTOM, settings.home() / "downloads", volume=Path(self.path))


# ---- one load, in this process


def _peak_mb() -> float:
    """The most memory this process ever had resident."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux's ru_maxrss starts from what the parent had.
        high_water = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(high_water.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


class _Watch:
    """Resident memory of this process and of the embedded server, over time."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.own_mb: list[float] = []
        self.server_mb = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch until the block ends."""
        end = threading.Event()
        thread = threading.Thread(target=self._watch, args=(end,))
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()

    def _watch(self, end: threading.Event) -> None:
        own, ticks = psutil.Process(), 0
        while not end.wait(1 / SAMPLES_PER_S):
            self.times.append(time.time())
            self.own_mb.append(own.memory_info().rss / 2**20)
            ticks += 1
            if ticks % SAMPLES_PER_S == 0:
                self.server_mb = max(self.server_mb, _server_mb())

    def most_between(self, start: float, end: float) -> float:
        """The most this process had between two times."""
        first, last = bisect.bisect(self.times, start), bisect.bisect(self.times, end)
        return max(self.own_mb[max(first - 1, 0) : last + 1], default=0.0)


def _server_mb() -> float:
    """Memory of the embedded server's processes, what they share counted once; 0 where it is not told."""
    try:
        first = _common.postmaster()
        shares = [_share(process) for process in (first, *first.children())]
    except (OSError, ValueError, psutil.Error):
        return 0.0
    return sum(shares) / 2**20


def _share(process: psutil.Process) -> int:
    try:
        return int(getattr(process.memory_full_info(), "pss", 0))
    except psutil.Error:
        return 0


def _load(name: str) -> dict[str, Any]:
    """Load one atlas here; returns its figures."""
    folder = _common.workplace()
    key = "phantom_10um" if name == DENSE else name
    entry, sources = atlas_entry(key), None
    if name == DENSE:
        path = folder / "dense.nrrd"
        say("painting the dense volume")
        write_dense(path, entry)
        sources = _DenseResource(path=str(path))
    else:
        say("painting the phantom")
        Sources.from_settings().annotation(entry)
    before = _peak_mb()
    watch = _Watch()
    with dg.DagsterInstance.ephemeral() as instance, watch.running():
        result = _common.load_atlas(_common.definitions(sources), instance, key)
        took = {s.step_key: (s.start_time, s.end_time) for s in instance.get_run_step_stats(result.run_id)}
    metadata = {
        done.asset_key.path[-1]: done.step_materialization_data.materialization.metadata
        for done in result.get_asset_materialization_events()
    }
    run = {name: value.value for name, value in metadata["voxel_run"].items()}
    return {
        "runs": run["runs"],
        "before_mb": before,
        "peak_mb": _peak_mb(),
        "server_mb": watch.server_mb,
        "read": run["read_seconds"],
        "copy": run["copy_seconds"],
        "keys": run["key_seconds"],
        "write": run["write_seconds"],
        "steps": {step: [end - start, watch.most_between(start, end)] for step, (start, end) in took.items()},
    }


# ---- all of them


def _load_apart(name: str) -> dict[str, Any]:
    """Load one atlas in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory_of_a_load", "--here", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Load each atlas apart and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("atlas", nargs="*", help=f"atlases of the phantom (default: {', '.join(ATLASES)})")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(_load(options.here)))
        return
    found = {}
    for name in options.atlas or ATLASES:
        say(f"{name} …")
        found[name] = _load_apart(name)
    print(f"\n{_common.machine()}\n")
    header = ["atlas", "runs", "before, MB", "peak, MB", "server, MB"]
    header += ["find runs, s", "COPY, s", "keys, s", "COPY to commit, s"]
    rows = [
        [
            name,
            f"{of['runs']:,}",
            *(f"{of[figure]:,.0f}" for figure in ("before_mb", "peak_mb", "server_mb")),
            *(f"{of[figure]:.1f}" for figure in ("read", "copy", "keys", "write")),
        ]
        for name, of in found.items()
    ]
    print(table(header, rows))
    print(f"\nEach step of {list(found)[-1]}:\n")
    steps = list(found.values())[-1]["steps"].items()
    print(table(["step", "s", "peak, MB"], [[step, f"{s:.1f}", f"{mb:,.0f}"] for step, (s, mb) in steps]))
    over = [name for name, of in found.items() if of["peak_mb"] > LIMIT_MB]
    if over:
        raise SystemExit(f"Over {LIMIT_MB:,} MB: {', '.join(over)}.")
    print(f"\nAll under {LIMIT_MB:,} MB.")


if __name__ == "__main__":
    main()
