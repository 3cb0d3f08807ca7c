"""``python -m fuzz TARGET [--seconds 1800]``: fuzz one target, or judge inputs given by ``--input``.

Exit code 1: there are findings.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.target import judge
from fuzz.targets import NAMES, target_of

MOST_RUNS = 50
"""A process that ends is started anew; one that cannot start is not, for ever."""


def main() -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument(
        "target", choices=[*NAMES, "all"], help="what reads the bytes; all: one after the other"
    )
    parser.add_argument("--seconds", type=int, default=1800, help="how long, each (1800)")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="of corpora and findings (.fuzz)")
    parser.add_argument("--input", type=Path, nargs="+", help="judge these files and do not fuzz")
    args = parser.parse_args()
    names = NAMES if args.target == "all" else (args.target,)
    if args.input:
        return max(_judged(name, path) for name in names for path in args.input)
    return max(_fuzzed(name, args.seconds, args.folder / name) for name in names)


def _judged(name: str, path: Path) -> int:
    with TemporaryDirectory() as scratch:
        fault = judge(target_of(name), path.read_bytes(), Path(scratch))
    print(f"{path}: {'as it should be' if fault is None else fault.text}")
    return int(fault is not None)


def _fuzzed(name: str, seconds: int, folder: Path) -> int:
    """Fuzz until the time is over, through whatever ends the process; 1 if there are findings."""
    folder.mkdir(parents=True, exist_ok=True)
    until, executions, runs = time.monotonic() + seconds, 0, 0
    reached = "nothing"
    while (left := int(until - time.monotonic())) > 0 and runs < MOST_RUNS:
        runs += 1
        log = folder / f"log_{runs}"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "fuzz.engine", name, str(left), str(folder)]
            subprocess.run(command, stderr=output, stdout=output, check=False)
        said = log.read_text("utf-8", "replace")
        progress = re.findall(r"^#(\d+)\s.*cov: (\d+) ft: (\d+)", said, re.MULTILINE)
        counted = re.findall(r"^stat::number_of_executed_units: (\d+)", said, re.MULTILINE)
        executions += int(counted[-1]) if counted else int(progress[-1][0]) if progress else 0
        reached = f"{progress[-1][1]} edges, {progress[-1][2]} features" if progress else reached
    findings = sorted(path for path in (folder / "findings").glob("*") if path.suffix != ".txt")
    print(
        f"{name}: {seconds} s, {executions:,} inputs, {reached}, processes: {runs}, findings: {len(findings)}"
    )
    for path in findings:
        why = path.with_suffix(".txt")
        print(f"  {path}: {why.read_text('utf-8').splitlines()[0] if why.exists() else 'ended the process'}")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
