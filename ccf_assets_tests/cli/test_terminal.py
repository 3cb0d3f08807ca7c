"""Terminals of every encoding: what one cannot show has a stand-in, and files and JSON lose nothing."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.cli import terminal
from ccf_assets_tests.support.program import COMMAND, ROOT


def shown(encoding: str, *arguments: str, typed: bytes = b"") -> bytes:
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=typed,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize(
    ("encoding", "path", "unit"),
    [
        ("latin-1", "root -> grey -> CH", "mm³"),
        ("koi8-r", "root -> grey", "mm3"),
        ("utf-8", "root → grey", "mm³"),
    ],
)
def test_a_region_is_told_of_with_stand_ins_where_they_are_needed(
    phantom_database: sa.Engine, encoding: str, path: str, unit: str
) -> None:
    said = shown(encoding, "region", "VISp").decode(encoding)
    assert path in said
    assert unit in said


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_files_and_json_hold_every_character(phantom_database: sa.Engine, encoding: str) -> None:
    frames = json.loads(shown(encoding, "frames", "--json").decode(encoding))
    assert "µm" in frames[0]["description"]
    points = "ap,dv,ml,name\n6600,3000,4000,Ωé→\n"
    assert "Ωé→" in shown(encoding, "locate", typed=points.encode()).decode()


@given(
    text=st.text(), encoding=st.sampled_from(["latin-1", "cp1252", "koi8-r", "shift_jis", "ascii", "utf-8"])
)
def test_every_text_can_be_shown_and_what_an_encoding_has_stays_as_it_is(text: str, encoding: str) -> None:
    terminal.show_anything()
    said = text.encode(encoding, "stand_in").decode(encoding)
    for character in text:
        try:
            assert character.encode(encoding).decode(encoding) in said
        except UnicodeEncodeError:
            continue
    assert terminal._plain("é") == "e"
    assert terminal._plain("→") == "->"
    assert terminal._plain("日") == "?"
