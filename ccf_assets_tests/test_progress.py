"""Progress: a line every few seconds, with the rate and the time that is left."""

from __future__ import annotations

import pytest

from ccf_assets.progress import Progress


class Clock:
    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("ccf_assets.progress.time.monotonic", lambda: clock.now)
    return clock


def test_a_line_tells_what_is_done_how_fast_and_how_long_it_will_take(clock: Clock) -> None:
    lines: list[str] = []
    progress = Progress(lines.append, "copied", "voxels", 32_400_000)
    clock.now += 5
    progress.advance(12_100_000)
    assert lines == ["copied 12.1 M of 32.4 M voxels, 2.4 M/s, about 8 s left"]


def test_work_shorter_than_the_interval_says_nothing(clock: Clock) -> None:
    lines: list[str] = []
    progress = Progress(lines.append, "copied", "rows", 10)
    for _ in range(10):
        clock.now += 0.1
        progress.advance(1)
    assert lines == []
    assert progress.count == 10


def test_lines_come_at_most_once_in_an_interval(clock: Clock) -> None:
    lines: list[str] = []
    progress = Progress(lines.append, "copied", "rows", 1000, every_s=5)
    for _ in range(100):
        clock.now += 0.5
        progress.advance(1)
    assert len(lines) == 10


def test_without_a_total_no_end_is_promised(clock: Clock) -> None:
    lines: list[str] = []
    progress = Progress(lines.append, "fetched", "bytes")
    clock.now += 10
    progress.advance(999)
    assert lines == ["fetched 999 bytes, 100/s"]


def test_more_than_the_total_leaves_nothing_to_do(clock: Clock) -> None:
    lines: list[str] = []
    progress = Progress(lines.append, "fetched", "bytes", 100)
    clock.now += 10
    progress.advance(250)
    assert lines == ["fetched 250 of 100 bytes, 25/s, about 0 s left"]


def test_work_that_has_not_moved_promises_no_end(clock: Clock) -> None:
    lines: list[str] = []
    progress = Progress(lines.append, "fetched", "bytes", 100)
    clock.now += 10
    progress.advance(0)
    assert lines == ["fetched 0 of 100 bytes, 0/s"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (999, "999"),
        (1_000, "1.0 k"),
        (999_900, "999.9 k"),
        (1_000_000, "1.0 M"),
        (506_038_707, "506.0 M"),
        (4_800_000_000, "4.8 G"),
    ],
)
def test_large_counts_are_written_in_thousands(clock: Clock, count: int, shown: str) -> None:
    lines: list[str] = []
    progress = Progress(lines.append, "read", "voxels")
    clock.now += 5
    progress.advance(count)
    assert lines[0].startswith(f"read {shown} voxels")


def test_no_time_at_all_is_no_rate(clock: Clock) -> None:
    lines: list[str] = []
    Progress(lines.append, "read", "voxels", 10, every_s=0).advance(1)
    assert len(lines) == 1
