"""Which runs a sensor requests, and when it requests one again. Pure bookkeeping, without Dagster.

A sensor sees what lacks work (a file not yet read, sites without a region) and requests runs. It goes on
seeing it until a run has done the work. To request another run at once would be wrong; never to request one
again would leave the work undone after a run was killed. So a request is remembered, nothing is requested
while its run is queued or in progress, and the request is repeated, at growing intervals, when the run has
ended and the work is still to be done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

FIRST_WAIT_S = 30.0
"""Pause before a request is repeated for the first time; each further pause is twice as long."""

LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True)
class Request:
    """A request for the work on one key.

    Attributes:
        digest: of the content it was for; other content is other work.
        batch: name of the batch it was part of.
        times: how often the work was requested.
        at: when it was last requested, in seconds since 1970.
    """

    digest: str
    batch: str
    times: int
    at: float


def due(
    lacking: Mapping[str, str], requests: Mapping[str, Request], alive: Collection[str], now: float
) -> list[str]:
    """The keys to request work for now, in the order of ``lacking``.

    Args:
        lacking: key → digest of what lacks work.
        requests: earlier requests by key.
        alive: batches whose runs are queued or running.
        now: the time, in seconds since 1970.
    """

    def is_due(key: str, digest: str) -> bool:
        before = requests.get(key)
        if before is None:
            return True
        if before.batch in alive:
            return False
        if before.digest != digest:
            return True
        wait: float = min(FIRST_WAIT_S * 2 ** (before.times - 1), LONGEST_WAIT_S)
        return now - before.at >= wait

    return [key for key, digest in lacking.items() if is_due(key, digest)]


def batches(
    keys: Collection[str],
    in_order: Sequence[str],
    most: int,
    also: Collection[str] = (),
    widest_gap: int = 0,
    sizes: Mapping[str, int] = MappingProxyType({}),
    largest: int = 0,
) -> list[list[str]]:
    """Group keys into stretches without a gap, so that each can be one run over a range of partitions.

    Of a large number of sites each stretch is a slice, so that runs can work on several at once.

    Args:
        keys: the keys to group.
        in_order: all partition keys, in the order of the partition set; holds every one of ``keys``.
        most: longest stretch.
        also: keys that may be done again to close a gap, where that saves a run.
        widest_gap: most of those in one gap.
        sizes: how large the work on a key is; 0 for a key that is missing.
        largest: the largest size of a stretch with more than one of ``keys``.

    Returns:
        Stretches of ``in_order`` that begin and end with one of ``keys`` and hold each of them once.
    """
    groups: list[list[str]] = []
    gap: list[str] | None = None  # the keys since the last stretch; None if the gap cannot be closed
    total = 0  # the size of the last stretch
    for key in in_order:
        if key in keys:
            more = sum(sizes.get(each, 0) for each in (*(gap or ()), key))
            if gap is not None and len(groups[-1]) + len(gap) < most and total + more <= largest:
                groups[-1] += [*gap, key]
                total += more
            else:
                groups.append([key])
                total = sizes.get(key, 0)
            gap = []
        elif gap is not None:
            gap = [*gap, key] if key in also and len(gap) < widest_gap else None
    return groups


def request(
    batch: Sequence[str], lacking: Mapping[str, str], requests: Mapping[str, Request], now: float
) -> tuple[str, dict[str, Request]]:
    """The name of a batch, which no other batch has, and its requests: one for each key that lacks work.

    The time is part of the name: the same work may have to be done twice, when a file is changed and changed
    back, and Dagster starts no second run with the same run key.
    """
    lack = [key for key in batch if key in lacking]
    times = {
        key: requests[key].times + 1 if key in requests and requests[key].digest == lacking[key] else 1
        for key in lack
    }
    content = "\n".join(f"{key}\t{lacking[key]}\t{times[key]}" for key in lack)
    name = hashlib.sha256(f"{now!r}\n{content}".encode()).hexdigest()
    return name, {key: Request(lacking[key], name, times[key], now) for key in lack}
