"""What the command was told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Options of the command that jobs look at.

    Attributes:
        repeat: turns of each job.
        sizes: resolutions, µm.
        points: that are located.
        sites: that are registered.
    """

    repeat: int
    sizes: tuple[int, ...]
    points: int
    sites: int

    @property
    def standard_um(self) -> int:
        """The resolution of what is not measured at every size: 25 µm, or the nearest that is asked for."""
        return min(self.sizes, key=lambda size: abs(size - 25))
