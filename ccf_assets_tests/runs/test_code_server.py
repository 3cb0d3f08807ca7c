"""The code server is started again whenever it ends; a lab's own workspace is left to Dagster."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from dagster._grpc.client import DagsterGrpcClient

from ccf_assets import settings
from ccf_assets.runs import code_server
from ccf_assets.runs.code_server import CodeServer, only_module
from ccf_assets_tests.support.program import wait_for

OURS = "- python_module:\n      module_name: ccf_assets.definitions\n      location_name: ccf_assets\n"


def test_a_code_server_is_told_that_it_is_needed_and_started_again_when_it_was_killed(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_server, "_PAUSE_S", 0.0)
    monkeypatch.setattr(code_server, "_BEAT_S", 0.0)
    beats: list[str] = []
    beat = DagsterGrpcClient.heartbeat
    monkeypatch.setattr(DagsterGrpcClient, "heartbeat", lambda client, echo: beats.append(beat(client, echo)))
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(settings.dagster_file("dagster.yaml"), home)
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    server = CodeServer("ccf_assets.definitions", "ccf_assets", tmp_path, environment)
    try:
        server.keep()
        wait_for(lambda: server.listens, 60)
        first = server.processes[-1]
        server.keep()
        assert server.processes == [first]
        assert beats == ["ping"]
        os.killpg(first.pid, signal.SIGKILL)
        wait_for(lambda: server.has_ended, 10)
        assert not server.listens
        server.keep()
        server.keep()
        assert first not in server.processes, "nothing of its session is left"
        wait_for(lambda: server.listens, 60)
    finally:
        os.killpg(server.processes[-1].pid, signal.SIGKILL)
        server.processes[-1].wait(10)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_what_the_ui_started_ends_when_the_command_is_killed() -> None:
    script = (
        "import subprocess, sys, time\n"
        "from ccf_assets.runs.code_server import end_with_parent\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "child = subprocess.Popen(sleep, start_new_session=True, preexec_fn=end_with_parent)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.communicate()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 20)


def test_definitions_that_cannot_be_loaded_end_the_code_server(tmp_path: Path) -> None:
    server = CodeServer("no.such.module", "lab", tmp_path, {**os.environ, "PYTHONWARNINGS": "ignore"})
    server.keep()
    wait_for(lambda: server.has_ended, 60)
    server.keep()
    assert len(server.processes) == 1, "it is started again after a pause"


def test_the_workspace_that_is_shipped_is_one_module() -> None:
    assert only_module(settings.dagster_file("workspace.yaml")) == ("ccf_assets.definitions", "ccf_assets")


@pytest.mark.parametrize(
    "load_from",
    [
        OURS + "  - python_file: own.py",
        "- python_file: own.py",
        OURS + "      working_directory: /lab",
        "- python_module: lab.definitions",
        "python_module",
        "- [",
    ],
    ids=["ours and another", "another", "with an option", "in short", "another shape", "no YAML"],
)
def test_a_lab_s_own_workspace_is_left_to_dagster(tmp_path: Path, load_from: str) -> None:
    file = tmp_path / "workspace.yaml"
    file.write_text(f"load_from:\n  {load_from}\n", "utf-8")
    assert only_module(file) is None
