"""The code server is started again whenever it ends; a lab's own workspace is left to Dagster."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ccf_assets import settings
from ccf_assets.runs.code_server import CodeServer, only_module
from ccf_assets_tests.support.program import wait_for

OURS = "- python_module:\n      module_name: ccf_assets.definitions\n      location_name: ccf_assets\n"


def test_a_code_server_that_was_killed_is_started_again(tmp_path: Path) -> None:
    server = CodeServer("ccf_assets.definitions", "ccf_assets", tmp_path, {**os.environ})
    listens = tmp_path / "code"
    server.keep()
    first = server.process
    assert first is not None
    try:
        wait_for(listens.exists, 60)
        server.keep()
        assert server.process is first
        os.killpg(first.pid, signal.SIGKILL)
        wait_for(lambda: server.has_ended, 10)
        server.keep()
        assert server.process is not first
        assert not server.has_ended
        wait_for(listens.exists, 60)
    finally:
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(10)


def test_the_workspace_that_is_shipped_is_one_module() -> None:
    assert only_module(settings.dagster_file("workspace.yaml")) == ("ccf_assets.definitions", "ccf_assets")


@pytest.mark.parametrize(
    "load_from",
    [
        OURS + "  - python_file: own.py",
        "- python_file: own.py",
        OURS + "      working_directory: /lab",
        "- python_module: lab.definitions",
    ],
    ids=["ours and another", "another", "with an option", "in short"],
)
def test_a_lab_s_own_workspace_is_left_to_dagster(tmp_path: Path, load_from: str) -> None:
    file = tmp_path / "workspace.yaml"
    file.write_text(f"load_from:\n  {load_from}\n", "utf-8")
    assert only_module(file) is None
