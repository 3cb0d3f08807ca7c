"""Job *view*: until a viewer has served the three planes that its page draws first, and a million points."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.commands import PROGRAM
from benchmarks.measuring import Row, Sample, apart, peak_mb, timed
from benchmarks.options import Options
from benchmarks.place import Place
from ccf_assets.atlas.atlas import Atlas

SECONDS = {25: 5, 10: 8}
"""Edge in µm → the longest that the planes may take, of an atlas so fine."""

MEGABYTES = {25: 400, 10: 700}

POINTS_S = 15

CONNECTIONS = 6
"""Of a browser to one server."""

NM_PER_PIXEL = 31_000
"""How much a pixel of the planes shows at first, in a window of 1,000 pixels."""


def measure(place: Place, options: Options) -> Iterator[Row]:
    """A line for each size that has a target, one for the memory of each, and one for the points."""
    for size in sorted({options.standard_um, 10} & set(options.sizes), reverse=True):
        volume = place.volume(size)
        samples = [until_drawn(volume.key) for _ in range(options.repeat)]
        yield Row(f"`ccf-assets view`, three planes, {volume.title}", samples, target=SECONDS.get(size))
        memory = [Sample(sample.peak_mb or 0.0) for sample in samples]
        yield Row(f"its memory, {volume.title}", memory, target=MEGABYTES.get(size), unit="MB")
    key = place.volume(options.standard_um).key
    samples = [apart(points, key, options.points) for _ in range(options.repeat)]
    yield Row(f"`Atlas.view` with {options.points:,} points, {key}", samples, target=POINTS_S)


def until_drawn(key: str) -> Sample:
    """From the command to the last chunk of the planes."""
    started = time.perf_counter()
    command = [*PROGRAM, "view", "--atlas", key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            printed = time.perf_counter() - started
            fetch_planes(address)
            took = time.perf_counter() - started
            status = Path(f"/proc/{process.pid}/status")
            lines = status.read_text().splitlines() if status.exists() else []
            peak = next(
                (int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), None
            )
        finally:
            process.send_signal(signal.SIGINT)
    return Sample(took, peak, {"address_s": printed})


def fetch_planes(address: str) -> None:
    """Ask for the chunks of three planes through the middle of the volume, as a browser would."""
    files = address.replace("/v/", "/ccf/") + "atlas/"
    info = json.loads(gzip.decompress(_get(f"{files}info")))
    fine = [scale for scale in info["scales"] if min(scale["resolution"]) >= NM_PER_PIXEL / 2]
    scale = (fine or info["scales"])[0]
    (chunk,), shape = scale["chunk_sizes"], scale["size"]
    starts = [range(0, voxels, edge) for voxels, edge in zip(shape, chunk, strict=True)]
    middle = [voxels // 2 // edge * edge for voxels, edge in zip(shape, chunk, strict=True)]
    names = {
        "_".join(f"{a}-{min(a + edge, n)}" for a, edge, n in zip(place, chunk, shape, strict=True))
        for place in np.stack(np.meshgrid(*starts), axis=-1).reshape(-1, 3).tolist()
        if any(a == m for a, m in zip(place, middle, strict=True))
    }
    with ThreadPoolExecutor(CONNECTIONS) as connections:
        list(connections.map(lambda name: _get(f"{files}{scale['key']}/{name}"), sorted(names)))


def points(key: str, count: int) -> Sample:
    """Open a viewer with points, and get the coarsest level of them."""
    atlas = Atlas(key)
    places = np.random.default_rng(18).uniform(0, atlas.grid.extent_um, (count, 3))

    def opened() -> None:
        with atlas.view(places) as view:
            _get(view.url.replace("/v/", "/ccf/") + "sites/spatial0/0_0_0")

    return Sample(timed(opened), peak_mb())


def _get(address: str) -> bytes:
    """A file as a browser asks for it: packed."""
    wanted = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(wanted) as answer:
        content: bytes = answer.read()
    return content
