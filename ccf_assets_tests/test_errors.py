"""Sentences quote what stands in files, and go to terminals, logs and the database all the same."""

from __future__ import annotations

import pickle

import pytest

from ccf_assets.errors import CcfError, SourceUnreachableError


@pytest.mark.parametrize("kind", [CcfError, SourceUnreachableError])
def test_what_no_log_or_table_holds_is_written_out(kind: type[CcfError]) -> None:
    error = kind("a\0b\x1b[31m\ud800\x85: µm,\n\ttwo lines.")
    assert str(error) == "a\\x00b\\x1b[31m\\ud800\\x85: µm,\n\ttwo lines."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_of_a_quotation_without_end_the_middle_is_left_out() -> None:
    sentence = str(CcfError(f"/a/file.csv: {100_000 * 'x'} is not a number. Write a number."))
    assert len(sentence) < 4_100
    assert sentence.startswith("/a/file.csv: xxx")
    assert " … " in sentence
    assert sentence.endswith("xxx is not a number. Write a number.")


def test_a_sentence_that_fits_stays_as_it_is() -> None:
    sentence = "Its columns are: " + ", ".join(f"column {i}" for i in range(280)) + "."
    assert str(CcfError(sentence)) == sentence
