"""How things are measured: in turns, side by side, each in a fresh process."""

from __future__ import annotations

import importlib.util
import multiprocessing
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")

median = statistics.median


@dataclass(frozen=True)
class Sample:
    """One measurement.

    Attributes:
        value: seconds, unless the row says another unit.
        peak_mb: the most memory that its process had, where that was looked at.
        details: figures of its parts; they go into the JSON only.
    """

    value: float
    peak_mb: float | None = None
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """One way of doing a job.

    Attributes:
        name: as it stands in the table.
        take: does it once.
        needs: the module of a peer; where it is not installed, the way is not taken.
    """

    name: str
    take: Callable[[], Sample]
    needs: str = ""

    @property
    def missing(self) -> bool:
        """Whether its peer is not installed."""
        return bool(self.needs) and importlib.util.find_spec(self.needs) is None


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        job: what was done.
        ours: our samples.
        yardstick: what it is compared with; "" if it stands by itself.
        theirs: the yardstick's samples, taken in the same turns as ours; None if it has none.
        target: the most that the ratio, or without a yardstick our figure, may be; None for no target.
        unit: of the samples.
        note: what else is to be known.
    """

    job: str
    ours: Sequence[Sample]
    yardstick: str = ""
    theirs: Sequence[Sample] | None = None
    target: float | None = None
    unit: str = "s"
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over theirs: the median of the turns, because what else the machine did then met both."""
        if not self.theirs:
            return None
        return median([our.value / their.value for our, their in zip(self.ours, self.theirs, strict=True)])

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing to compare with."""
        reached = self.ratio if self.yardstick else middle(self.ours)
        return None if self.target is None or reached is None else reached <= self.target


def middle(samples: Sequence[Sample] | None) -> float | None:
    """The median of the samples."""
    return median([sample.value for sample in samples]) if samples else None


def peak(samples: Sequence[Sample]) -> float | None:
    """The median of the samples' peak memory, MB."""
    peaks = [sample.peak_mb for sample in samples if sample.peak_mb is not None]
    return median(peaks) if peaks else None


def in_turns(ways: Sequence[Way], repeat: int) -> dict[str, list[Sample]]:
    """Take every way that can be taken, ``repeat`` times; the order is turned round each time.

    Returns:
        Samples by name of the way.
    """
    there = [way for way in ways if not way.missing]
    samples: dict[str, list[Sample]] = {way.name: [] for way in there}
    for turn in range(repeat):
        for way in there if turn % 2 == 0 else reversed(there):
            sample = way.take()
            samples[way.name].append(sample)
            say(f"{turn + 1}/{repeat}  {way.name}: {sample.value:.3g}")
    return samples


def against(ours: Way, way: Way, samples: Mapping[str, Sequence[Sample]], target: float | None = None) -> Row:
    """The row that compares one way with another, as `in_turns` measured them."""
    note = f"{way.needs} is not installed" if way.missing else ""
    return Row(ours.name, samples[ours.name], way.name, samples.get(way.name), target, note=note)


def sampled_title(title: str, sampled: int, total: int) -> str:
    """The title of a way that is measured with a sample, whose time is scaled."""
    return title if sampled == total else f"{title} (scaled from {sampled:,})"


def apart(function: Callable[..., _T], *arguments: object) -> _T:
    """Call a function of a module in a fresh process, with the environment as it is now."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_told, function, *arguments).result()


def _told(function: Callable[..., _T], *arguments: object) -> _T:
    try:
        return function(*arguments)
    except Exception as error:
        # In words: not every exception can be sent to another process.
        raise RuntimeError("".join(traceback.format_exception(error))) from None


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def peak_mb() -> float:
    """The most memory this process ever had resident, MB (10⁶ bytes)."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux's ru_maxrss starts from what the parent had.
        high_water = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(high_water.split()[1]) * 1024 / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def say(line: str) -> None:
    """Progress, apart from the figures."""
    print(line, file=sys.stderr, flush=True)
