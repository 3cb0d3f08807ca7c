"""Files of TOML that people write: whatever is in one, there is a table or a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccf_assets.files import TomlError, read_toml


def refusal(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    with pytest.raises(TomlError) as refused:
        read_toml(path)
    return str(refused.value)


def test_a_byte_order_mark_as_editors_write_it_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1", "utf-8-sig")
    assert read_toml(path) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = ", "Invalid value (at end of document)"),
        ("a = " + 2000 * "[", "it is nested too deeply"),
        ("a = " + 2000 * "{a=", "it is nested too deeply"),
        ("a = " + 5000 * "1", "Exceeds the limit"),
        ("a = 0x" + 5000 * "f", "it has a whole number of more than 64 bits"),
        ("[a]\nb = [{c = 9223372036854775808}]", "it has a whole number of more than 64 bits"),
        ("b = 1\n" + 101 * "a." + "a = 1", "line 2 has more than 100 dots"),
        (f"[{101 * 'a.'}a]", "line 1 has more than 100 dots"),
        ("# long enough\n" * 80_000, "it has more than 1,000,000 bytes"),
        (5000 * "a" + "=1\n" + 5000 * "a" + "=2\n", "Cannot overwrite a value"),
    ],
)
def test_what_is_no_toml_is_said_in_a_few_words(tmp_path: Path, text: str, says: str) -> None:
    sentence = refusal(tmp_path / "a.toml", text)
    assert says in sentence
    assert len(sentence) < 300


def test_the_largest_and_smallest_whole_numbers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 9223372036854775807\nb = -9223372036854775808\n")
    assert read_toml(path) == {"a": 2**63 - 1, "b": -(2**63)}


def test_dots_in_comments_and_numbers_are_as_many_as_you_like(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    rows = 300 * "  1.5,\n"
    path.write_text(f"# {200 * '.'}\na = [\n{rows}]\n")
    assert read_toml(path) == {"a": 300 * [1.5]}
