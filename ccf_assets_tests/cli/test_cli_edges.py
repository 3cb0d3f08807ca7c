"""Edges of the command line that once ended in a traceback or a wrong answer."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.cli import load, main
from ccf_assets.cli.outcome import Outcome
from ccf_assets.db import database, loaded, schema
from ccf_assets.errors import CcfError

ASK = CliRunner()


def test_an_atlas_that_is_still_loading_is_not_asked(phantom_database: sa.Engine) -> None:
    finer = atlas_entry("phantom_25um")
    with phantom_database.begin() as connection:
        connection.execute(
            sa.insert(schema.atlas).values(
                ccf_id=finer.ccf_id,
                key=finer.key,
                ccf_version=finer.version,
                ccf_resolution=finer.resolution_um,
                ccf_description=finer.description,
                shape_ap=finer.shape[0],
                shape_dv=finer.shape[1],
                shape_ml=finer.shape[2],
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
