"""Sentences quote what stands in files, and go to terminals, logs and the database all the same."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import sqlalchemy as sa

from ccf_assets.errors import CcfError, SourceUnreachableError, first_line, server_said, why


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


def test_the_reason_of_an_error_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "nothing").read_text()
    assert why(caught.value) == "No such file or directory"
    assert why(OSError("a reason without a number")) == "a reason without a number"
    assert first_line(ValueError("\n one \ntwo")) == "one"


def test_what_the_server_said_is_one_line_without_the_statement() -> None:
    cause = ValueError('relation "x" does not exist\nLINE 1: SELECT')
    error = sa.exc.DBAPIError("SELECT * FROM x WHERE name = %s", ["secret"], cause)
    assert server_said(error) == 'The database answers: relation "x" does not exist LINE 1: SELECT.'
    assert server_said(cause) == server_said(error)
    assert server_said(OSError("refused. Is it running?")) == "The database answers: refused. Is it running?"
