"""What the command was told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Options of the command that jobs look at.

    Attributes:
        repeat: turns of each job.
        sizes: resolutions, µm.
        points: that are located.
        sites: that are registered.
        allensdk: a Python that has AllenSDK, which needs an older numpy than ours; None if there is none.
        quick: leave out what takes long beside what it says.
    """

    repeat: int
    sizes: tuple[int, ...]
    points: int
    sites: int
    allensdk: Path | None
    quick: bool = False

    @property
    def few(self) -> int:
        """Turns of what takes minutes."""
        return (self.repeat + 1) // 2

    @property
    def standard_um(self) -> int:
        """The resolution of what is measured at one only; never 10 µm, where rows take 47 GB."""
        return min((size for size in self.sizes if size >= 25), default=25)
