"""Job *together*: the rows of two atlases loaded at once, beside one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from multiprocessing.managers import SyncManager
from typing import Any

from benchmarks import loads
from benchmarks.measuring import Row, Sample, Way, against, apart, in_turns
from benchmarks.options import Options
from benchmarks.place import Place
from benchmarks.volumes import Volume

OF_SEQUENCE = {25: 0.75}
"""Resolution, µm → the most that both at once may take of the time of one after the other."""


def measure(place: Place, options: Options) -> Iterator[Row]:
    """The one line."""
    volumes = [place.volume(options.standard_um), Volume(f"phantom_{options.standard_um}um")]
    name = f"rows of two atlases at once, {options.standard_um} µm"
    if volumes[0] == volumes[1]:
        yield Row(name, [], "one after the other", note="needs a source with the official volume")
        return
    place.load(volumes[1])
    with get_context("spawn").Manager() as manager:
        at_once = Way(name, partial(_at_once, place, volumes, manager))
        in_sequence = Way("one after the other", partial(_in_sequence, place, volumes, manager))
        samples = in_turns([at_once, in_sequence], options.few)
    yield against(at_once, in_sequence, samples, OF_SEQUENCE.get(options.standard_um))


def _at_once(place: Place, volumes: Sequence[Volume], manager: SyncManager) -> Sample:
    place.settle()
    ready = manager.Barrier(len(volumes))
    with ThreadPoolExecutor(len(volumes)) as threads:
        spans = list(threads.map(lambda volume: apart(_span, volume, ready), volumes))
    starts, ends = zip(*spans, strict=True)
    return Sample(max(ends) - min(starts))


def _in_sequence(place: Place, volumes: Sequence[Volume], manager: SyncManager) -> Sample:
    seconds = {}
    for volume in volumes:
        place.settle()
        start, end = apart(_span, volume, manager.Barrier(1))
        seconds[volume.key] = end - start
    return Sample(sum(seconds.values()), details=seconds)


def _span(volume: Volume, ready: Any) -> tuple[float, float]:
    """When the load of an atlas's rows began, which is once all are ready, and when it ended."""
    load = loads.OneAsset("voxel", volume)
    ready.wait()
    started = time.time()
    load()
    return started, time.time()
