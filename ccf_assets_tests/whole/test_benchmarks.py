"""The command that measures: what it prints and writes can be relied on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ccf_assets_tests.support.program import ROOT


def test_a_job_gives_a_line_of_the_table_and_all_its_samples_in_json(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "regions", "--json", str(file)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "CCF_SOURCE": "phantom"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(file.read_text("utf-8"))
    assert told["options"]["sizes"] == [100]
    assert told["versions"]["postgresql"].startswith("18")
    assert told["machine"]["cores"] == os.cpu_count()
    asked, row = told["rows"]
    assert asked["job"] == "voxels and mm³ of all regions, phantom_100um"
    assert asked["median_ours"] > 0
    assert row["job"] == "region volumes, phantom_100um"
    assert [sample["value"] for sample in row["ours"]] == pytest.approx([row["median_ours"]])
    assert row["ours"][0]["peak_mb"] > 0
    assert (row["theirs"], row["ratio"], row["met"]) == (None, None, None)
    (line,) = (line for line in done.stdout.splitlines() if row["job"] in line)
    assert "AllenSDK is not there" in line
    assert f"{row['median_ours']:.3g} s" in line
