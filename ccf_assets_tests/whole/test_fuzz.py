"""What the fuzzer starts from, and little changes of it: a result or a sentence, whatever the bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccf_assets.errors import CcfError
from fuzz.target import Fault, Target, judge
from fuzz.targets import NAMES, target_of


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_is_read_or_refused_in_a_sentence_and_some_are_read(name: str, tmp_path: Path) -> None:
    target, read = target_of(name), 0
    for seed in target.seeds():
        assert judge(target, seed, tmp_path) is None
        try:
            target.read(seed, tmp_path)
        except CcfError:
            continue
        read += 1
    assert 0 < read < len(target.seeds())


@pytest.mark.parametrize("name", NAMES)
def test_so_is_any_seed_with_something_changed(name: str, tmp_path: Path) -> None:
    target = target_of(name)
    words = st.sampled_from([word.encode() for word in target.words]) | st.binary(max_size=4)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sampled_from(target.seeds()), st.floats(0, 1), st.integers(0, 30), words)
    def changed(seed: bytes, where: float, gone: int, put: bytes) -> None:
        place = int(where * len(seed))
        assert judge(target, seed[:place] + put + seed[place + gone :], tmp_path) is None

    changed()


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (KeyError("x"), "KeyError"),
        (RecursionError(), "RecursionError"),
        (CcfError("no sentence"), "no sentence"),
        (CcfError(""), "no sentence"),
    ],
)
def test_anything_else_is_a_fault(error: Exception, place: str, tmp_path: Path) -> None:
    def read(data: bytes, folder: Path) -> object:
        raise error

    fault = judge(Target(read, list, ()), b"", tmp_path)
    assert isinstance(fault, Fault)
    assert fault.place.startswith(place)
