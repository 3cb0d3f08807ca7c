"""Progress of long work as a log line every few seconds, and what worker processes report to a command."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

SECONDS_BETWEEN_LINES = 2.0

ROWS_KEY = b"rows"
"""Arrow schema metadata under which a stream may say how many rows it will bring."""

_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def _scaled(count: float) -> str:
    for size, prefix in _UNITS:
        if count >= size:
            return f"{count / size:.1f} {prefix}"
    return f"{count:.0f}"


class Progress:
    """Counts work done and reports a sentence at most every ``every_s`` seconds.

    A line reads ``copied 12.1 M of 32.4 M voxels, 3.1 M/s, about 7 s left``. Work shorter than the
    interval reports nothing, so that a small table does not fill a run's log.

    Args:
        report: receives each sentence (a logger's ``info``, or ``print``).
        verb: what is being done, in the past tense: ``copied``.
        unit: what is counted: ``voxels``, ``bytes``.
        total: how many there will be, when known.
        every_s: seconds between lines.
    """

    def __init__(
        self,
        report: Callable[[str], object],
        verb: str,
        unit: str,
        total: int | None = None,
        every_s: float = SECONDS_BETWEEN_LINES,
    ) -> None:
        self._report = report
        self._verb = verb
        self._unit = unit
        self.total = total
        self.count = 0
        self._every_s = every_s
        self._start = self._last = time.monotonic()

    def advance(self, more: int) -> None:
        """Count ``more`` units as done and report if it is time to."""
        self.count += more
        now = time.monotonic()
        if now - self._last >= self._every_s:
            self._last = now
            self._report(self._sentence(now - self._start))

    def _sentence(self, elapsed_s: float) -> str:
        rate = self.count / elapsed_s if elapsed_s else 0.0
        done = f"{self._verb} {_scaled(self.count)}"
        if not self.total:
            return f"{done} {self._unit}, {_scaled(rate)}/s"
        done = f"{done} of {_scaled(self.total)} {self._unit}, {_scaled(rate)}/s"
        left = max(self.total - self.count, 0)
        return f"{done}, about {left / rate:.0f} s left" if rate else done


@contextmanager
def going_on(report: Callable[[str], object], what: str) -> Iterator[None]:
    """Report every few seconds that ``what`` is still going on, for work that reports nothing itself."""
    done, started = threading.Event(), time.monotonic()

    def say() -> None:
        while not done.wait(SECONDS_BETWEEN_LINES):
            report(f"{what}, {time.monotonic() - started:.0f} s so far")

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Note(NamedTuple):
    """What a task of a load reports while it works.

    Here, because the command that receives one imports the module of its class, and not Dagster (0.7 s).

    Attributes:
        label: of the task: an atlas, for example.
        kind: ``steps`` is how many a run will have, ``step`` the name of one that begins, ``progress`` a line
            that the next replaces, ``warning`` one that stays.
        text: the line, the name or the number.
    """

    label: str
    kind: Literal["steps", "step", "progress", "warning"]
    text: str
