"""When work is requested: each key in one batch, nothing while its run is alive, then ever more slowly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.runs.requests import FIRST_WAIT_S, LONGEST_WAIT_S, Request, batches, due, request

KEYS = st.text("abcdefgh", min_size=1, max_size=3)
ORDERS = st.lists(KEYS, unique=True, max_size=40)


@st.composite
def orders_with_keys(draw: st.DrawFn) -> tuple[list[str], set[str], set[str]]:
    order = draw(ORDERS)
    keys = draw(st.sets(st.sampled_from(order))) if order else set()
    also = draw(st.sets(st.sampled_from(order))) if order else set()
    return order, keys, also - keys


@given(orders_with_keys(), st.integers(1, 10), st.integers(0, 4))
def test_batches_cover_each_key_once_in_stretches_without_a_gap(
    case: tuple[list[str], set[str], set[str]], most: int, gap: int
) -> None:
    order, keys, also = case
    groups = batches(keys, order, most, also, gap)
    flat = [key for group in groups for key in group]
    assert len(flat) == len(set(flat))
    assert keys <= set(flat) <= keys | also
    assert flat == [key for key in order if key in set(flat)]
    for group in groups:
        assert 1 <= len(group) <= most
        assert group[0] in keys
        assert group[-1] in keys
        start = order.index(group[0])
        assert group == order[start : start + len(group)]


@given(orders_with_keys(), st.integers(1, 10))
def test_without_a_gap_closed_there_are_as_few_stretches_as_can_be(
    case: tuple[list[str], set[str], set[str]], most: int
) -> None:
    order, keys, _ = case
    lengths, run = [], 0
    for key in [*order, None]:
        if key in keys:
            run += 1
        elif run:
            lengths.append(run)
            run = 0
    assert len(batches(keys, order, most)) == sum(-(-length // most) for length in lengths)


def test_unchanged_files_between_changed_ones_are_done_again_to_save_runs() -> None:
    order = [f"f{number}" for number in range(1000)]
    changed = set(order[::2])
    assert len(batches(changed, order, 100)) == 500
    assert len(batches(changed, order, 100, set(order), 10)) <= 11


def test_a_gap_is_not_closed_over_what_must_not_be_done_again() -> None:
    assert batches({"a", "c"}, ["a", "inserted", "c"], 100, {"x"}, 10) == [["a"], ["c"]]


LACKING = st.dictionaries(KEYS, st.sampled_from(["one", "two"]), max_size=8)
REQUESTS = st.dictionaries(
    KEYS,
    st.builds(
        Request,
        digest=st.sampled_from(["one", "two"]),
        batch=st.sampled_from(["b1", "b2"]),
        times=st.integers(1, 60),
        at=st.floats(0, 1e4),
    ),
    max_size=8,
)


@given(LACKING, REQUESTS, st.sets(st.sampled_from(["b1", "b2"])), st.floats(0, 1e5))
def test_nothing_is_requested_while_its_run_is_alive(
    lacking: dict[str, str], requests: dict[str, Request], alive: set[str], now: float
) -> None:
    found = due(lacking, requests, alive, now)
    assert found == [key for key in lacking if key in found]
    for key in found:
        assert key not in requests or requests[key].batch not in alive
    never = [key for key in lacking if key not in requests]
    assert set(never) <= set(found)


@given(LACKING, REQUESTS)
def test_whatever_lacks_work_is_requested_again_in_the_end(
    lacking: dict[str, str], requests: dict[str, Request]
) -> None:
    assert due(lacking, requests, (), 1e4 + LONGEST_WAIT_S) == list(lacking)


def test_each_repetition_waits_twice_as_long_up_to_an_hour() -> None:
    waits, requests, now = [], {}, 0.0
    for _ in range(10):
        _, requests = request(["a"], {"a": "one"}, requests, now)
        low, high = 0.0, 2 * LONGEST_WAIT_S
        while high - low > 0.01:
            middle = (low + high) / 2
            low, high = (low, middle) if due({"a": "one"}, requests, (), now + middle) else (middle, high)
        waits.append(round(high))
        now += high
    assert waits == [min(FIRST_WAIT_S * 2**n, LONGEST_WAIT_S) for n in range(10)]


def test_other_content_is_requested_at_once_unless_its_run_is_alive() -> None:
    _, requests = request(["a"], {"a": "one"}, {}, 100.0)
    assert due({"a": "one"}, requests, (), 101.0) == []
    assert due({"a": "two"}, requests, (), 101.0) == ["a"]
    assert due({"a": "two"}, requests, {requests["a"].batch}, 101.0) == []


@given(LACKING.filter(bool), st.floats(0, 1e6), st.floats(0.001, 1e6))
def test_no_two_requests_have_one_name(lacking: dict[str, str], now: float, later: float) -> None:
    batch = list(lacking)
    first, requests = request(batch, lacking, {}, now)
    again, requests = request(batch, lacking, requests, now + later)
    changed_back, _ = request(batch, lacking, {}, now + 2 * later)
    assert len({first, again, changed_back}) == 3 or now + later == now
    assert {each.times for each in requests.values()} == {2}


def test_only_what_lacks_work_is_remembered() -> None:
    _, requests = request(["a", "unchanged", "b"], {"a": "1", "b": "1"}, {}, 0.0)
    assert set(requests) == {"a", "b"}


@given(orders_with_keys(), st.integers(1, 30), st.integers(0, 4), st.data())
def test_no_stretch_of_several_keys_is_larger_than_told(
    case: tuple[list[str], set[str], set[str]], largest: int, gap: int, data: st.DataObject
) -> None:
    order, keys, also = case
    sizes = {key: data.draw(st.integers(0, 20), key) for key in order}
    groups = batches(keys, order, 100, also, gap, sizes, largest)
    assert keys <= {key for group in groups for key in group}
    for group in groups:
        assert len(group) == 1 or sum(sizes[key] for key in group) <= largest


def test_a_large_number_of_sites_is_several_stretches_and_a_small_one_is_one() -> None:
    order = list("abcdef")
    sizes = {"a": 400, "b": 400, "c": 400, "d": 5_000, "e": 1}
    assert batches(set(order), order, 100, (), 0, sizes, 1_000) == [["a", "b"], ["c"], ["d"], ["e", "f"]]
    assert batches(set(order), order, 100, (), 0, sizes, 10_000) == [order]
