"""Point lookups in one process: `Atlas.locate` and its peers, fed with the same volume and the same points.

``measuring.apart`` calls what is here. Dagster is not imported: its memory would count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks.measuring import Sample, Way, in_turns, peak_mb, sampled_title, timed
from ccf_assets import Atlas

OURS = "Atlas.locate"

Points = npt.NDArray[np.float64]
"""Shape (N, 3): AP, DV, ML, CCF µm."""

Ask = Callable[[], npt.NDArray[np.integer]]
"""Gives the region of each point, 0 outside the brain."""


@dataclass(frozen=True)
class Peer:
    """Another way of looking points up.

    Attributes:
        call: its name.
        fed: makes its question, given the volume (AP, DV, ML), the edge of a voxel in µm, and the points.
        needs: the module of the peer.
        at_most: points that it is asked for; one that takes them one by one is given fewer.
        target: the most that we may take of its time; None for no target.
    """

    call: str
    fed: Callable[[npt.NDArray[np.uint32], float, Points], Ask]
    needs: str = ""
    at_most: int | None = None
    target: float | None = None

    def asked(self, points: int) -> int:
        """How many of the points it is asked for."""
        return min(points, self.at_most or points)

    def way(self, points: int, take: Callable[[], Sample]) -> Way:
        """The way of asking it for ``points`` points."""
        return Way(sampled_title(self.call, self.asked(points), points), take, self.needs)


def points_in(shape: Sequence[int], edge: float, count: int) -> Points:
    """Points drawn evenly from the volume, the same ones every time.

    None is within a hundredth of a voxel's edge of a face, where rounding in another unit would decide.
    """
    random = np.random.default_rng(0)
    return (random.integers(0, shape, (count, 3)) + random.uniform(0.01, 0.99, (count, 3))) * edge


def side_by_side(key: str, count: int, repeat: int) -> dict[str, list[Sample]]:
    """Seconds that each takes for the points, by name of the way.

    Raises:
        RuntimeError: two answers differ.
    """
    atlas = Atlas(key)
    volume = atlas.volume()
    points = points_in(atlas.shape, atlas.resolution_um, count)
    expected = atlas.locate(points).region_id
    ways = [Way(OURS, lambda: Sample(timed(lambda: atlas.locate(points).region_id)))]
    for peer in PEERS:
        asked = peer.asked(count)
        if peer.way(count, lambda: Sample(0)).missing:
            continue
        ask = peer.fed(volume, atlas.resolution_um, points[:asked])
        if not np.array_equal(ask(), expected[:asked]):
            raise RuntimeError(f"{OURS} and {peer.call} give different answers.")
        ways.append(peer.way(count, partial(_scaled, ask, count / asked)))
    return in_turns(ways, repeat)


def _scaled(ask: Ask, scale: float) -> Sample:
    return Sample(timed(ask) * scale)


def first_call(key: str, count: int) -> Sample:
    """Seconds of a fresh process's first call, which reads the atlas, and of the next; memory after both."""
    atlas = Atlas(key)
    points = points_in(atlas.shape, atlas.resolution_um, count)
    seconds = timed(lambda: atlas.locate(points).region_id)
    again = timed(lambda: atlas.locate(points).region_id)
    return Sample(seconds, peak_mb(), {AGAIN: again})


AGAIN = "again_seconds"
"""Detail of `first_call`: seconds of the second call."""


# ---- the peers


def _numpy(volume: npt.NDArray[np.uint32], edge: float, points: Points) -> Ask:
    """The least one can do: no check, no frame, no status."""

    def ask() -> npt.NDArray[np.integer]:
        i, j, k = (points / edge).astype(np.intp).T
        found: npt.NDArray[np.uint32] = volume[i, j, k]
        return found

    return ask


def _iblatlas(volume: npt.NDArray[np.uint32], edge: float, points: Points) -> Ask:
    """Its BrainAtlas, made as its AllenAtlas makes it, but with one label for both hemispheres."""
    from iblatlas.atlas import ALLEN_CCF_LANDMARKS_MLAPDV_UM, BrainAtlas
    from iblatlas.regions import BrainRegions

    regions = BrainRegions()
    ids, place = np.unique(volume, return_inverse=True)
    index = {int(region): row for row, region in reversed(list(enumerate(regions.id)))}
    labels = np.array([index[int(region)] for region in ids], np.uint16)[place].reshape(volume.shape)
    labels = np.ascontiguousarray(labels.transpose(0, 2, 1))  # AP, ML, DV
    bregma = ALLEN_CCF_LANDMARKS_MLAPDV_UM["bregma"]
    axes = [1, 0, 2]
    peer = BrainAtlas(labels, labels, edge * 1e-6 * np.array([1, -1, -1]), regions, bregma / edge, axes, axes)
    # Metres from bregma; its voxels have their centres where ours have their corners.
    centred = points - edge / 2
    metres = (centred[:, [2, 0, 1]] - bregma) * [1e-6, -1e-6, -1e-6]
    return lambda: peer.get_labels(metres)


def _brainglobe(volume: npt.NDArray[np.uint32], edge: float, points: Points) -> Ask:
    """Its Atlas without its files; it takes one point a call."""
    from brainglobe_atlasapi.core import Atlas as BrainGlobeAtlas

    peer = BrainGlobeAtlas.__new__(BrainGlobeAtlas)
    peer.metadata = {"resolution": [edge] * 3, "shape": volume.shape}
    peer._annotation = volume
    return lambda: np.array([peer.structure_from_coords(point, microns=True) for point in points])


PEERS = (
    Peer("numpy indexing", _numpy, target=1.5),
    Peer("iblatlas get_labels", _iblatlas, "iblatlas", target=2.0),
    Peer("brainglobe structure_from_coords", _brainglobe, "brainglobe_atlasapi", 10_000, 1.0),
)
