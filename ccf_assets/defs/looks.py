"""How often the folder of recordings is looked at: often where it costs little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from ccf_assets.settings import Place

LOOK_S = 5
"""Between two looks. Dagster's daemon asks its sensors no more often."""

LOOK_SHARE = 20
"""A folder is left alone for so many times as long as the last look took: looking at very many files, or over
a slow network, takes at most a twentieth of the time."""

LIST_S = 15
"""The least between two looks at an object store, where each is a request that somebody pays for."""


@dataclass
class Looks:
    """When a process last looked at each folder, by the monotonic clock, and how long that took, s."""

    last: dict[str, tuple[float, float]] = field(default_factory=dict)

    def why_not(self, place: Place) -> str | None:
        """The reason not to look now, in words; None if it is time."""
        if str(place) not in self.last:
            return None
        ended, took = self.last[str(place)]
        pause = max(LOOK_SHARE * took, 0 if isinstance(place, Path) else LIST_S)
        # Ticks are never exactly as far apart as they should be.
        if pause <= LOOK_S or monotonic() - ended >= pause - LOOK_S / 2:
            return None
        return f"The last look at {place} took {took:.1f} s; the next is {pause:.0f} s after it."

    @contextmanager
    def look(self, place: Place) -> Iterator[None]:
        """Note how long a look takes, whether or not it succeeds."""
        begin = monotonic()
        try:
            yield
        finally:
            self.last[str(place)] = (monotonic(), monotonic() - begin)
