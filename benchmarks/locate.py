"""How long Python takes for the regions of many points and for a picture, and how much memory.

The rival is the least one can do: the dense volume in memory, points divided by the voxel's edge, and one
indexing, without a check, a frame or a status. With iblatlas installed it is asked as well.

Run it with ``python -m benchmarks.locate`` on a database with the atlas loaded; it exits with 1 where a
target is missed. The targets are those for a million points at 25 µm.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ccf_assets import Atlas
from ccf_assets.atlases import EXTENT_UM
from ccf_assets.pictures import RegionStyle, plane_png

_TARGET = {
    "first call, s": 3.0,
    "later call, s": 2.0,
    "peak memory, MB": 500.0,
    "coronal plane to PNG, s": 2.0,
}
"""What each may be at most; memory is that of two calls with an array in a fresh process.

Frames have no target: their answers, with four columns of text, come on top.
"""

_KINDS = ("array", "polars", "pandas")
"""What points come in."""


def _seconds(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _points(kind: str, count: int) -> Any:
    points = np.random.default_rng(0).uniform(0, EXTENT_UM, (count, 3))
    if kind == "polars":
        import polars as pl

        return pl.DataFrame(points, schema=["ap", "dv", "ml"])
    if kind == "pandas":
        import pandas as pd

        return pd.DataFrame(points, columns=["ap", "dv", "ml"])
    return points


def _two_calls(kind: str, key: str, count: int) -> float:
    """Peak memory of this process after two calls, the first answer kept until the second is there, in MB."""
    atlas, points = Atlas(key), _points(kind, count)
    answer = atlas.locate(points)
    answer = atlas.locate(points)
    assert len(answer) == count
    return _peak_megabytes()


def _two_calls_elsewhere(kind: str, key: str, count: int) -> float:
    """The same of a fresh process. On Linux it begins with the peak of the one that starts it."""
    command = [sys.executable, "-m", "benchmarks.locate", "--atlas", key, "--points", str(count)]
    return float(subprocess.check_output([*command, "--peak-of", kind], text=True))


def _draw(atlas: Atlas) -> bytes:
    root = atlas.region("root")
    styles = {r.id: RegionStyle(r.acronym, r.name, r.color_hex) for r in (root, *root.descendants)}
    plane = atlas.slice("coronal", 6600)
    return plane_png(plane, "coronal", 6600, atlas.resolution_um, styles, title=atlas.key)


def _iblatlas(points_m: np.ndarray) -> Callable[[], object] | None:
    try:
        from iblatlas.atlas import AllenAtlas
    except ImportError:
        return None
    peer = AllenAtlas(25)
    return lambda: peer.get_labels(points_m, mode="clip")


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--atlas", default="ccf_2017_25um", help="key of a loaded atlas")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--peak-of", choices=_KINDS, help="only the peak of memory with such points, in MB")
    options = parser.parse_args()
    if options.peak_of:
        print(_two_calls(options.peak_of, options.atlas, options.points))
        return
    # First, while this process is small.
    peaks = {kind: _two_calls_elsewhere(kind, options.atlas, options.points) for kind in _KINDS}
    points = _points("array", options.points)
    made = _seconds(lambda: Atlas(options.atlas).region("root"))
    atlas = Atlas(options.atlas)
    first = _seconds(lambda: atlas.locate(points))
    picture = _seconds(lambda: _draw(atlas))  # matplotlib is imported in it
    dense = atlas.volume()

    def indexed() -> object:
        i, j, k = (points / atlas.resolution_um).astype(np.intp).T
        return dense[i, j, k]

    if not np.array_equal(atlas.locate(points).region_id, indexed()):
        raise SystemExit("The two answers differ.")
    asked: dict[str, Callable[[], object]] = {
        "numpy indexing": indexed,
        "Atlas.locate": lambda: atlas.locate(points),
        "Atlas.locate, as polars": lambda: atlas.locate(points).to_polars(),
    }
    # The centre of the atlas, in metres from bregma: where a point lies does not matter for the time.
    peer = _iblatlas(np.random.default_rng(0).uniform(-0.003, 0.003, (options.points, 3)))
    if peer:
        asked["iblatlas get_labels"] = peer
    times = {
        name: statistics.median(_seconds(ask) for _ in range(options.repeat)) for name, ask in asked.items()
    }
    print(f"{options.points:,} points in {atlas.key}; the median of {options.repeat}\n")
    said = ", ".join(f"{kind} {peak:.0f} MB" for kind, peak in peaks.items())
    print(f"Atlas and a region {made:.2f} s; the peak of memory of two calls: {said}\n")
    rival = times["numpy indexing"]
    from benchmarks._common import table  # only now: it brings Dagster, whose memory is not to be counted

    rows = [[name, f"{1000 * took:.0f}", f"{took / rival:.2f}"] for name, took in times.items()]
    print(table(["", "ms", "÷ numpy"], rows))
    measured = dict(zip(_TARGET, (first, times["Atlas.locate"], peaks["array"], picture), strict=True))
    print()
    print(
        table(["", "measured", "target"], [[n, f"{v:.2f}", f"{_TARGET[n]:g}"] for n, v in measured.items()])
    )
    if any(value > _TARGET[name] for name, value in measured.items()):
        raise SystemExit("A target is missed.")


if __name__ == "__main__":
    main()
