"""Job *locate*: the regions of many points in Python, beside other tools, whose answers must be the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks import lookups
from benchmarks.measuring import Row, Sample, Way, against, apart, say
from benchmarks.options import Options
from benchmarks.place import Place


def measure(place: Place, options: Options) -> Iterator[Row]:
    """The lines of the one size."""
    volume = place.volume(options.standard_um)
    count = options.points
    name = f"{lookups.OURS}, {count:,} points, {volume.title}"
    samples = apart(lookups.side_by_side, volume.key, count, options.repeat)
    ours = Way(lookups.OURS, lambda: Sample(0))
    for peer in lookups.PEERS:
        target = peer.target if options.standard_um == 25 else None
        yield replace(against(ours, peer.way(count, lambda: Sample(0)), samples, target), job=name)
    first = []
    for turn in range(options.repeat):
        first.append(apart(lookups.first_call, volume.key, count))
        say(f"{turn + 1}/{options.repeat}  the first call: {first[-1].value:.3g}")
    yield Row(f"{name}: first call", first, note="in a fresh process, which reads the atlas")
