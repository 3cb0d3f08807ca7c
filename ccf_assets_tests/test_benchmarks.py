"""The command that measures: what it prints and writes can be relied on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ccf_assets_tests.program import ROOT


def test_a_job_gives_a_table_and_every_sample_in_json(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--repeat", "2", "--only", "commands", "--json", file],
        check=False,
        cwd=ROOT,
        env={**os.environ, "CCF_SOURCE": "phantom"},
        capture_output=True,
        text=True,
    )
    told = json.loads(file.read_text("utf-8"))
    rows = {row["job"]: row for row in told["rows"]}
