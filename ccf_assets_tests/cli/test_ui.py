"""The UI as one command: it serves what the definitions say, does what it is asked, and ends completely."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import sqlalchemy as sa

from ccf_assets.cli import ui
from ccf_assets.definitions import defs
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect, embedded
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.program import new_home, read_until, server, start, wait_for

Ask = Callable[..., Any]


@contextmanager
def running(**settings: str) -> Iterator[tuple[subprocess.Popen[str], Ask]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = start("up", "--port", str(port), CCF_SOURCE="phantom", **settings)

    def ask(query: str, **variables: object) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        return found["data"]

    try:
        said = read_until(process, "The UI is at")
        assert f"The UI is at http://127.0.0.1:{port} — stop it with Ctrl-C." in said
        yield process, ask
    finally:
        children = family(process)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=60)
        for child in children:
            if child.is_running():
                child.kill()
        process.kill()


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The command and everything it started: Dagster's processes are in a session of their own."""
    try:
        command = psutil.Process(process.pid)
        return [command, *command.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _backfill(ask: Ask, assets: list[str], partitions: list[str]) -> None:
    """Ask for assets of some atlases, as the dialog "Materialize" does with keys that are typed into it."""
    add = """
        mutation ($set: String!, $key: String!) {
            addDynamicPartition(
                repositorySelector: {
                    repositoryName: "__repository__", repositoryLocationName: "ccf_assets"
                },
                partitionsDefName: $set, partitionKey: $key
            ) { __typename }
        }
    """
    there = ask("{ assetNodes { partitionDefinition { name } partitionKeys assetKey { path } } }")[
        "assetNodes"
    ]
    (node,) = [node for node in there if node["assetKey"]["path"] == assets[:1]]
    for key in set(partitions) - set(node["partitionKeys"]):
        added = ask(add, set=node["partitionDefinition"]["name"], key=key)["addDynamicPartition"]
        assert added["__typename"] == "AddDynamicPartitionSuccess", added
    launch = """
        mutation ($wanted: LaunchBackfillParams!) {
            launchPartitionBackfill(backfillParams: $wanted) {
                __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
            }
        }
    """
    wanted = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": partitions}
    launched = ask(launch, wanted=wanted)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched


def _runs(ask: Ask) -> list[dict[str, Any]]:
    """The runs of backfills, the latest first; sensors ask for others."""
    query = "{ runsOrError { ... on Runs { results { status tags { key value } } } } }"
    runs = ask(query)["runsOrError"]["results"]
    return [run for run in runs if "dagster/backfill" in {tag["key"] for tag in run["tags"]}]


def _end(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """End the command by ``number`` and return what it said; nothing of it may be left."""
    children = family(process)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [child for child in children if child.is_running() and child.status() != "zombie"] == []
    return said


FAILURES = """{
    runsOrError { ... on Runs { results {
        status eventConnection { events {
            ... on ErrorEvent { error { message stack causes { message } } }
        } }
    } } }
}"""


@pytest.fixture
def up() -> Iterator[tuple[Path, subprocess.Popen[str], Ask]]:
    """Its home, the running UI, and how to ask it; temporary files are in a folder too long for a socket."""
    with new_home() as home:
        temporary = home / ("t" * 120)
        temporary.mkdir()
        with running(CCF_HOME=str(home), TMPDIR=str(temporary)) as (process, ask):
            yield home, process, ask


def test_it_serves_the_definitions_runs_a_backfill_and_ends_also_with_a_load_in_progress(
    up: tuple[Path, subprocess.Popen[str], Ask],
) -> None:
    home, process, ask = up
    # What it serves.
    nodes = wait_for(lambda: ask("{ assetNodes { assetKey { path } groupName description } }")["assetNodes"])
    assert {node["assetKey"]["path"][-1] for node in nodes} == {
        key.path[-1] for key in defs.resolve_asset_graph().get_all_asset_keys()
    }
    assert {"files", "regions", "voxels"} <= {node["groupName"] for node in nodes}
    assert all(node["description"] for node in nodes)
    jobs = ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } } } } }")
    named = {job["name"] for node in jobs["repositoriesOrError"]["nodes"] for job in node["jobs"]}
    assert {"refresh_ontology", "load_atlas", "load_voxel_rows"} <= named

    # What it is asked to do.
    assets = ["annotation", "atlas", "brain_region", "voxel_run"]
    _backfill(ask, assets, ["phantom_100um", "phantom_50um"])
    wait_for(lambda: [run["status"] for run in _runs(ask)].count("SUCCESS") == 2, 120)
    assert _voxel_runs(home) == [(903, 162_260), (904, 39_516)]

    # How it ends.
    _backfill(ask, ["voxel"], ["phantom_50um"])
    wait_for(lambda: "STARTED" in [run["status"] for run in _runs(ask)], 60)
    _end(process, signal.SIGTERM)
    assert server(home) is None
    embedded.join(home / "postgres")
    assert _unfinished(home) == 0
    embedded.leave()


SHOWN = """{
    instance { info }
    runsOrError { ... on Runs { results {
        runConfigYaml tags { key value } eventConnection { events { ... on MessageEvent { message } } }
    } } }
    workspaceOrError { ... on Workspace { locationEntries { displayMetadata { key value } } } }
    repositoriesOrError { ... on RepositoryConnection { nodes {
        allTopLevelResourceDetails { name configuredValues { key value } }
    } } }
}"""
"""What the pages of the UI show of configuration, runs and their logs."""


@dataclass(frozen=True)
class Afternoon:
    """What was to be seen of a UI on a lab's server, in which a backfill succeeded and a file was refused."""

    secret: str
    titles: set[str]
    shown: str
    errors: list[dict[str, Any]]
    said: str


@pytest.fixture(scope="module")
def afternoon(server_url: sa.URL) -> Iterator[Afternoon]:
    secret = "Zq7xW-Yk9wV"
    with new_home() as home, new_database(server_url) as database:
        wrong = home / "recordings" / "wrong.csv"
        wrong.parent.mkdir()
        wrong.write_text("recording_id,site_id,x,y,z\na,0,left,1,1\n", "utf-8")
        os.utime(wrong, (time.time() - 60,) * 2)
        url = connect.libpq_url(database.set(password=secret))  # not asked for on this server
        with running(CCF_HOME=str(home), CCF_POSTGRES_URL=url) as (process, ask):
            titles: set[str] = set()

            def runs(status: str) -> list[dict[str, Any]]:
                for each in family(process):
                    with suppress(psutil.Error):
                        titles.add(" ".join([each.name(), *each.cmdline()]))
                return [run for run in ask(FAILURES)["runsOrError"]["results"] if run["status"] == status]

            _backfill(ask, ["annotation"], ["phantom_100um"])
            wait_for(lambda: runs("SUCCESS"), 240)
            (run,) = wait_for(lambda: runs("FAILURE"), 90)
            errors = [event["error"] for event in run["eventConnection"]["events"] if event.get("error")]
            shown = json.dumps(ask(SHOWN))
            yield Afternoon(secret, titles, shown, errors, _end(process, signal.SIGINT))


def test_the_password_is_in_no_process_title_and_on_no_page(afternoon: Afternoon) -> None:
    # dagster dev hands the instance on in an argument; a run is a process that the code server spawns.
    for what in ("dagster_webserver", "dagster._daemon", "--instance-ref", "spawn_main"):
        assert [title for title in afternoon.titles if what in title], what
    assert not [title for title in afternoon.titles if afternoon.secret in title]
    for page in ("run_monitoring", "dagster/backfill", "annotation", '"postgres"'):
        assert page in afternoon.shown, page
    assert afternoon.secret not in afternoon.shown
    assert afternoon.secret not in afternoon.said


def test_a_refusal_is_the_sentence_alone_on_its_page_and_on_the_terminal(afternoon: Afternoon) -> None:
    assert len(afternoon.errors) == 2, "of the step and of the run"
    for error in afternoon.errors:
        assert error["message"].startswith("wrong.csv was refused: ")
        assert error["stack"] == []
        assert error["causes"] == []
    assert afternoon.said.count("STEP_FAILURE") == 1
    assert afternoon.errors[0]["message"] in afternoon.said.partition("STEP_FAILURE")[2]
    for noise in ("Traceback", "Stack Trace", "did not yield", "Dependencies for step"):
        assert noise not in afternoon.said


def _ask_database(home: Path, query: str) -> list[tuple[Any, ...]]:
    found = server(home)
    assert found is not None
    address = {"host": found.socket_dir, "port": found.port, "user": "postgres", "dbname": "ccf"}
    with psycopg.connect(**address) as connection:
        return connection.execute(query).fetchall()


def _voxel_runs(home: Path) -> list[tuple[Any, ...]]:
    return _ask_database(home, "SELECT ccf_id, count(*) FROM ccf.voxel_run GROUP BY 1 ORDER BY 1")


def _unfinished(home: Path) -> int:
    query = "SELECT count(*) FROM ccf_dagster.runs WHERE status IN ('STARTING', 'STARTED', 'CANCELING')"
    return int(_ask_database(home, query)[0][0])


def test_a_port_that_is_taken_is_refused_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CcfError, match=rf"Cannot listen on 127.0.0.1:{port}: Address already in use"):
            ui.serve("127.0.0.1", port, print)
    assert not Path(os.environ["CCF_HOME"]).exists()


@pytest.mark.parametrize(
    ("host", "port"), [("nowhere.invalid", 3000), ("203.0.113.1", 3000), ("127.0.0.1", 99999)]
)
def test_an_address_that_is_not_ours_is_refused(host: str, port: int) -> None:
    with pytest.raises(
        CcfError, match=rf"Cannot listen on {host}:{port}: .*Choose another --port or --host."
    ):
        ui.serve(host, port, print)
