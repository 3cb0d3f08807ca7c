"""How long Python takes for the regions of many points, and how much memory, beside plain numpy.

The rival is the least one can do: the dense volume in memory, points divided by the voxel's edge, and one
indexing, without a check, a frame or a status. With iblatlas installed it is asked as well.

Run it with ``python -m benchmarks.locate`` on a database with the atlas loaded.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import psutil

from ccf_assets import Atlas
from ccf_assets.atlases import EXTENT_UM


def _seconds(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def _megabytes() -> float:
    return psutil.Process().memory_info().rss / 1e6


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
    options = parser.parse_args()
    points = np.random.default_rng(0).uniform(0, EXTENT_UM, (options.points, 3))
    before = _megabytes()
    made = _seconds(lambda: Atlas(options.atlas).region("root"))
    atlas = Atlas(options.atlas)
    first = _seconds(lambda: atlas.locate(points))
    after = _megabytes()
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
    print(
        f"Atlas and a region {made:.2f} s; first call {first:.2f} s; "
        f"process {before:.0f} MB before them, {after:.0f} MB after\n"
    )
    rival = times["numpy indexing"]
    from benchmarks._common import table  # only now: it brings Dagster, whose memory is not to be counted

    rows = [[name, f"{1000 * took:.0f}", f"{took / rival:.2f}"] for name, took in times.items()]
    print(table(["", "ms", "÷ numpy"], rows))


if __name__ == "__main__":
    main()
