"""Edges of the command line that once ended in a traceback or a wrong answer."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.ccf.space import AXES
from ccf_assets.cli import load, main
from ccf_assets.cli.outcome import Outcome
from ccf_assets.db import database, loaded, schema
from ccf_assets.errors import CcfError
from ccf_assets_tests.support.grids import grid_of
from ccf_assets_tests.support.program import COMMAND, new_home, read_until, server

ASK = CliRunner()


def test_an_atlas_that_is_still_loading_is_not_asked(phantom_database: sa.Engine) -> None:
    finer, grid = atlas_entry("phantom_25um"), grid_of("phantom_25um")
    with phantom_database.begin() as connection:
        connection.execute(
            sa.insert(schema.atlas).values(
                ccf_id=finer.ccf_id,
                key=finer.key,
                ccf_version=finer.version,
                ccf_resolution=grid.resolution_um,
                ccf_description=finer.description,
                **{f"shape_{axis}": voxels for axis, voxels in zip(AXES, grid.shape, strict=True)},
                **{f"edge_{axis}": edge for axis, edge in zip(AXES, grid.edges_um, strict=True)},
                source_url="",
                sha256="",
            )
        )
    assert loaded.pick_atlas(phantom_database).key == "phantom_50um"
    answer = ASK.invoke(main.app, ["locate", "8900", "1300", "8200"])
    assert answer.exit_code == 0, answer.output


def test_a_csv_without_a_row_is_refused_in_a_sentence(phantom_database: sa.Engine) -> None:
    answer = ASK.invoke(main.app, ["locate"], input="ap,dv,ml\n")
    assert isinstance(answer.exception, CcfError)
    assert "header and no row" in str(answer.exception)


@pytest.mark.parametrize("header", ["AP,DV,ML", "Ap,dV,ML", "X,Y,Z", "AP,DV,ML,x"])
def test_the_columns_of_points_may_be_in_capitals(phantom_database: sa.Engine, header: str) -> None:
    row = ",".join(["6600", "3000", "4000", "5"][: header.count(",") + 1])
    answer = ASK.invoke(main.app, ["locate"], input=f"{header}\n{row}\n")
    assert answer.exit_code == 0, answer.exception
    first, second = answer.stdout.splitlines()
    assert first.startswith(f"{header},atlas,")
    assert second.startswith(f"{row},phantom_50um,6600.0,3000.0,4000.0,assigned,")


@pytest.mark.parametrize("header", ["AP,Ap,dv,ml", "Ap,AP,DV,ML"])
def test_a_column_that_is_there_in_two_spellings_is_not_guessed(
    phantom_database: sa.Engine, header: str
) -> None:
    answer = ASK.invoke(main.app, ["locate"], input=f"{header}\n1,2,3,4\n")
    assert "has the column ap more than once; drop or rename one" in str(answer.exception)


def test_things_to_try_are_commands_also_in_a_folder_with_blanks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "my atlas" / "ccf-assets"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(program), "load"])
    load._print_things_to_try("")
    commands = [line.strip() for line in capsys.readouterr().out.splitlines()[2:]]
    assert len(commands) == 4
    for command in commands:
        done = subprocess.run(
            command.split("   ")[0], shell=True, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_a_server_that_a_script_holds_in_the_background_is_let_go_by_ctrl_c_and_by_sigterm() -> None:
    for number in ("INT", "TERM"):
        with new_home() as home:
            command = " ".join(shlex.quote(part) for part in [*COMMAND, "url", "--hold"])
            script = f"{command} & echo $!; wait"
            shell = subprocess.Popen(
                ["sh", "-c", script],
                env={**os.environ, "CCF_HOME": str(home)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            pid = int(read_until(shell, "\n"))
            read_until(shell, "Holding the server")
            os.kill(pid, getattr(signal, f"SIG{number}"))
            shell.communicate(timeout=30)
            assert server(home) is None


def test_a_csv_that_begins_as_compressed_data_do_is_refused_in_a_sentence(
    phantom_database: sa.Engine,
) -> None:
    answer = ASK.invoke(main.app, ["locate"], input="x^2,ap,dv,ml\n9,1,2,3\n")
    assert isinstance(answer.exception, CcfError)
    assert "The CSV on standard input cannot be read as a CSV with a header" in str(answer.exception)


def test_a_loaded_phantom_does_not_pass_for_the_atlas_when_offline(phantom_database: sa.Engine) -> None:
    out_of_reach = Outcome("structure_graph", error="no network", unreachable=True)
    assert load._nothing_reachable([out_of_reach])


def test_a_misspelt_region_is_an_error_in_sql_too(phantom_database: sa.Engine) -> None:
    with phantom_database.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="no region 'th'"):
        connection.execute(sa.text("SELECT * FROM ccf.sites_in('th')"))


def test_a_password_in_the_query_of_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCF_POSTGRES_URL", "postgresql://u@localhost/db?password=secret")
    with pytest.raises(CcfError) as refused:
        database.database_url()
    assert "secret" not in str(refused.value)
