"""The command that measures: what it prints and writes can be relied on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import page
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
    asked, of_duckdb, of_polars, row = told["rows"]
    assert [each["yardstick"] for each in (of_duckdb, of_polars)] == [
        "DuckDB over Parquet",
        "polars over Parquet",
    ]
    assert of_polars["ratio"] > 0
    assert asked["job"] == "voxels and mm³ of all regions, phantom_100um"
    assert asked["median_ours"] > 0
    assert row["job"] == "region volumes, phantom_100um"
    assert [sample["value"] for sample in row["ours"]] == pytest.approx([row["median_ours"]])
    assert row["ours"][0]["peak_mb"] > 0
    assert (row["theirs"], row["ratio"], row["met"]) == (None, None, None)
    (line,) = (line for line in done.stdout.splitlines() if row["job"] in line)
    assert "AllenSDK is not there" in line
    assert f"{row['median_ours']:.3g} s" in line
    assert line in page.table_of([file]).splitlines(), "the page has the table that was printed"


def test_the_page_gets_the_table_of_the_last_file_and_keeps_its_other_text(tmp_path: Path) -> None:
    machine = {"cores": 2, "memory_gb": 24.0, "load_average": 0.1}
    about = {
        "measured_at": "2026-01-02T03:04:05+00:00",
        "machine": machine,
        "versions": {"postgresql": "18.4", "python": "3.11.7"},
        "options": {"source": "the phantom", "repeat": 3},
    }
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for file, seconds in zip(files, (1.0, 2.0), strict=True):
        sample = {"value": seconds, "peak_mb": None, "details": {}}
        line = {"job": "looking", "ours": [sample], "yardstick": "", "theirs": None}
        told = {**about, "rows": [{**line, "target": 1.5, "unit": "s", "note": ""}]}
        file.write_text(json.dumps(told), "utf-8")
    text = page.PAGE.read_text("utf-8")

    written = page.written(text, page.table_of(files))

    before, after = text.partition(page.BEGIN)[0], text.partition(page.END)[2]
    assert before.startswith("# Performance")
    assert written.startswith(before)
    assert written.endswith(after)
    assert "| looking | 2 s |  |  |  |  | ≤ 1.5 s | **no** |  |" in written.splitlines()
    assert "Atlas.locate" not in written.removeprefix(before).removesuffix(after)

    kept = page.written(text, page.table_of(files), keep=True).splitlines()

    line = "| looking | 2 s |  |  |  |  | ≤ 1.5 s | **no** |  |"
    assert [each for each in kept if each not in text.splitlines()] == [
        page.table_of(files).splitlines()[0],
        line,
    ]
    assert [each for each in kept if each in text.splitlines()] == text.splitlines()
    again = page.written("\n".join(kept), page.table_of(files[:1]), keep=True).splitlines()
    assert [each for each in again if "looking" in each] == [
        line.replace("2 s", "1 s").replace("**no**", "yes")
    ]
