"""Which work to ask for, and when to ask again: pure bookkeeping for sensors.

A sensor sees what lacks something (a file not yet read, sites without a region) and asks for runs. Until the
run has done its work the lack stays visible; asking again at once would be wrong, and never asking again
would leave it for ever when a run is killed. So a request is remembered, waited for while its run is alive,
and repeated, ever more slowly, when the run ended without curing the lack.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

FIRST_WAIT_S = 30.0
"""Pause before a request is repeated; each further pause is twice as long."""

LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True)
class Asked:
    """A request for the work on one key.

    Attributes:
        digest: the content it was for; other content is other work.
        batch: the batch it went into.
        times: how often it has been asked for.
        at: when it was last asked for, seconds since 1970.
    """

    digest: str
    batch: str
    times: int
    at: float


def due(
    lacking: Mapping[str, str], asked: Mapping[str, Asked], alive: Collection[str], now: float
) -> list[str]:
    """The keys to ask for now, in the order of ``lacking``.

    Args:
        lacking: key → digest of what lacks work.
        asked: earlier requests.
        alive: batches whose runs are queued or running.
        now: the time, in seconds since 1970.
    """

    def is_due(key: str, digest: str) -> bool:
        before = asked.get(key)
        if before is None or before.digest != digest:
            return before is None or before.batch not in alive
        wait = min(FIRST_WAIT_S * 2 ** (before.times - 1), LONGEST_WAIT_S)
        return before.batch not in alive and now - before.at >= wait

    return [key for key, digest in lacking.items() if is_due(key, digest)]


def batches(
    keys: Collection[str],
    in_order: Sequence[str],
    most: int,
    also: Collection[str] = (),
    widest_gap: int = 0,
) -> list[list[str]]:
    """Group keys into stretches without a gap, so that each can be one run over a range of partitions.

    Args:
        keys: the keys to group.
        in_order: all partition keys, in the order of the partition set; holds every one of ``keys``.
        most: longest stretch.
        also: keys that may be done again to close a gap, where that saves a run.
        widest_gap: most of those in one gap.

    Returns:
        Stretches of ``in_order`` that begin and end with one of ``keys`` and hold each of them once.
    """
    groups: list[list[str]] = []
    gap: list[str] | None = None  # what lies between the last stretch and here; None if it cannot be closed
    for key in in_order:
        if key in keys:
            if gap is not None and len(groups[-1]) + len(gap) < most:
                groups[-1] += [*gap, key]
            else:
                groups.append([key])
            gap = []
        elif gap is not None:
            gap = [*gap, key] if key in also and len(gap) < widest_gap else None
    return groups


def ask(
    batch: Sequence[str], lacking: Mapping[str, str], asked: Mapping[str, Asked], now: float
) -> tuple[str, dict[str, Asked]]:
    """The name of a batch, which no other request has, and the requests for what lacks work in it.

    The time is part of the name: work done once may have to be done again with the same content (a file that
    is changed and changed back), and Dagster starts no second run of one name.
    """
    lack = [key for key in batch if key in lacking]
    times = {
        key: asked[key].times + 1 if key in asked and asked[key].digest == lacking[key] else 1 for key in lack
    }
    content = "\n".join(f"{key}\t{lacking[key]}\t{times[key]}" for key in lack)
    name = hashlib.sha256(f"{now!r}\n{content}".encode()).hexdigest()
    return name, {key: Asked(lacking[key], name, times[key], now) for key in lack}
