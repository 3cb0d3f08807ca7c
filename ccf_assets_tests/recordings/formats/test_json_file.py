"""JSON within limits: whatever the bytes, a value or one sentence."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.errors import CcfError
from ccf_assets.recordings.formats import json_file
from ccf_assets.recordings.formats.json_file import json_kind, read_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(VALUES, st.booleans())
def test_a_value_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, value: object, escaped: bool
):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(json.dumps(value, ensure_ascii=escaped).encode())
    assert read_json(path) == value


@given(st.binary(max_size=60))
def test_whatever_the_bytes_there_is_a_value_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(content)
    with contextlib.suppress(CcfError):
        read_json(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not readable as JSON (Expecting value"),
        (b"[1, 2", "is not readable as JSON"),
        (100_000 * b"[", "is nested too deeply"),
        (b"[" + 5_000 * b"1" + b"]", "is not readable as JSON (Exceeds the limit"),
        (b'{"a": 1, "b": 2, "a": 3}', "the name 'a' is twice in one object"),
        (b'["\xe9"]', "byte 2 (0xE9) is not UTF-8"),
        (b'["\\ud800"]', "is half of a character"),
        (b'["\\udc00\\ud800"]', "is half of a character"),
    ],
)
def test_what_is_not_readable_is_said_in_one_sentence(tmp_path: Path, content: bytes, sentence: str):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(CcfError) as refused:
        read_json(path)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_byte_order_mark_and_a_whole_character_in_two_escapes_are_fine(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf["\\ud83d\\udc2d"]')
    assert read_json(path) == ["\U0001f42d"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(CcfError, match="has more than 100,000,000 bytes; divide it"):
        read_json(path)
    path.write_text("[[],[],[],[]]")
    monkeypatch.setattr(json_file, "_MOST_VALUES", 7)
    with pytest.raises(CcfError, match="has more than 7 values; divide it"):
        read_json(path)


def test_a_file_that_is_gone_is_said(tmp_path: Path):
    with pytest.raises(CcfError, match="cannot be read: No such file"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'[{"idx": 0, "triplets" : [1', "meshview"),
        (b'\xef\xbb\xbf\n [{"triplets":[]}]', "meshview"),
        (b'{"triplets": []}', ""),
        (b'{"comment": "", "neurons": [{"idString": "AA1"', "mouselight"),
        (b'{"neuron": {"idString": "AA1"', "mouselight"),
        (b'{"specification": "probeinterface", "version"', "probeinterface"),
        (b'{"name": "a", "target": "b.cutlas", "slices": [{', "alignment"),
        (b'{"slices": [{"anchoring": [1', "alignment"),
        (b"\xff\xfe\x00", ""),
        (b"", ""),
    ],
)
def test_what_a_file_is_shows_in_its_beginning(head: bytes, kind: str):
    assert json_kind(head) == kind
