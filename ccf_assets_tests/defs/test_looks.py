"""The folder of recordings is looked at often where it costs little."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from ccf_assets.defs import looks
from ccf_assets.defs.looks import Looks
from ccf_assets.objects import Address, address_of

FOLDER = Path("/data/recordings")


class Clock:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(looks, "monotonic", clock)
    return clock


def looked(clock: Clock, place: Path | Address, took_s: float) -> Looks:
    seen = Looks()
    assert seen.why_not(place) is None
    with suppress(OSError), seen.look(place):  # one that fails counts, too
        clock.now += took_s
        raise OSError("gone")
    return seen


def test_a_folder_that_is_quickly_looked_at_is_looked_at_with_every_tick(clock: Clock) -> None:
    seen = looked(clock, FOLDER, 0.2)
    clock.now += 0.1
    assert seen.why_not(FOLDER) is None


def test_a_look_that_takes_long_is_followed_by_a_pause_of_twenty_times_as_long(clock: Clock) -> None:
    seen = looked(clock, FOLDER, 2)
    clock.now += 36
    assert seen.why_not(FOLDER) == f"The last look at {FOLDER} took 2.0 s; the next is 40 s after it."
    assert seen.why_not(Path("/data/others")) is None
    clock.now += 2
    assert seen.why_not(FOLDER) is None


def test_an_object_store_is_asked_four_times_a_minute_at_most(clock: Clock) -> None:
    store = address_of("s3://lab/recordings", "CCF_RECORDINGS")
    seen = looked(clock, store, 0.1)
    asked = 0
    for _ in range(12):
        clock.now += 5
        if seen.why_not(store) is None:
            asked += 1
            with seen.look(store):
                clock.now += 0.1
    assert asked == 4
