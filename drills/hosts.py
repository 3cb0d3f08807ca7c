"""Several hosts, of which one, two or all are lost, cut off, or lack something that the others have.

    CCF_TEST_DATA=/data/ccf .venv/bin/python -m drills.hosts [SCENARIO …]     as root
    .venv/bin/python -m drills.hosts --list

The hosts are namespaces of this machine (network), with PostgreSQL, Redis and a mirror on A (cluster), the UI on
A and workers on B and C (hosts_lab). CCF_TEST_DATA is a folder with the official files, as CCF_SOURCE takes it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drills import hosts_files, hosts_runs, hosts_services, hosts_speed
from drills.cluster import Cluster, NeverError
from drills.lab import end_when_told, expect, failed, say, verdict
from drills.network import FOLDER, alone, why_not
from drills.servers import programs


@dataclass(frozen=True)
class Scenario:
    """One thing that is done to the hosts.

    Attributes:
        name: its number, as it is given on the command line.
        what: what is done, in words.
        do: does it.
        official: whether it needs the official files.
        needs: programs, beside those of every scenario.
    """

    name: str
    what: str
    do: Callable[[Cluster], None]
    official: bool = False
    needs: Sequence[str] = ()


SCENARIOS = [
    Scenario("1", "three atlases over two workers with empty disks", hosts_runs.three_atlases, official=True),
    Scenario("2", "34,944 labelled sites on a share", hosts_files.recordings_on_a_share, official=True),
    Scenario("3", "a worker without the folder", hosts_files.worker_without_the_folder),
    Scenario("4", "two hosts, own folders, files of the same name", hosts_files.same_names),
    Scenario("5", "a new ontology is accepted on C", hosts_runs.new_ontology, official=True),
    Scenario("6", "a region map on A only", hosts_files.region_map),
    Scenario("7", "a frame on A only, another of that name on C", hosts_files.frames),
    Scenario("8", "a worker is killed during COPY", hosts_runs.worker_killed),
    Scenario("9", "a host is cut off and dies", hosts_runs.host_lost),
    Scenario("10", "a run is ended in the UI", hosts_runs.ended_by_hand),
    Scenario("11", "one worker is busy, another comes", hosts_runs.no_prefetch),
    Scenario("12", "more runs than slots, for 200 s", hosts_runs.more_runs_than_slots),
    Scenario(
        "13", "pgbouncer in each of its modes (drills.poolers)", hosts_services.poolers, needs=("pgbouncer",)
    ),
    Scenario("14", "questions to a replica (drills.poolers)", hosts_services.replica, needs=("pgbouncer",)),
    Scenario("15", "a pod of Kubernetes, against a stand-in API", hosts_services.kubernetes),
    Scenario("16", "SLURM starts the workers", hosts_services.slurm, needs=("slurmctld", "slurmd", "munged")),
    Scenario("17", "recordings in an object store", hosts_services.object_store, official=True),
    Scenario("18", "the files in deploy/", hosts_services.deploy),
    Scenario("19", "eight atlases on two hosts, against one", hosts_speed.two_hosts),
]


def main(arguments: Sequence[str]) -> int:
    """Run the scenarios that are named, or all; the exit code."""
    by_name = {scenario.name: scenario for scenario in SCENARIOS}
    if "--list" in arguments:
        for scenario in SCENARIOS:
            print(f"{scenario.name:>3}  {scenario.what}")
        return 0
    if unknown := [name for name in arguments if name not in by_name]:
        print(f"There is no scenario {', '.join(unknown)}; --list names them.", file=sys.stderr)
        return 2
    if reason := why_not() or _missing():
        say(f"The drill on several hosts is skipped: {reason}.")
        return 0
    end_when_told()
    if FOLDER not in os.environ:
        return alone("drills.hosts", arguments)
    named = os.environ.get("CCF_TEST_DATA")
    official = Path(named).expanduser().resolve() if named else None
    cluster, ended = Cluster(official), []
    for scenario in [by_name[name] for name in arguments] or SCENARIOS:
        ended.append((scenario, _do(scenario, cluster)))
    say("")
    for scenario, how in ended:
        say(f"{scenario.name:>3}  {scenario.what}: {how}")
    return verdict()


def _missing() -> str:
    """What every scenario needs and is not here, in words; empty if nothing is."""
    if programs() is None:
        return "there is no PostgreSQL server of Debian's (apt-get install postgresql)"
    if not shutil.which("redis-server"):
        return "there is no Redis server (apt-get install redis-server)"
    if importlib.util.find_spec("dagster_celery") is None:
        return "dagster-celery is not installed (pip install 'ccf_assets[celery]')"
    return ""


def _do(scenario: Scenario, cluster: Cluster) -> str:
    """Run a scenario; how it ended, in words."""
    missing = [name for name in scenario.needs if not shutil.which(name)]
    if missing or (scenario.official and cluster.official is None):
        reason = f"{', '.join(missing)} not found" if missing else "CCF_TEST_DATA names no official files"
        say(f"{scenario.name}: {scenario.what}: skipped, {reason}")
        return f"skipped, {reason}"
    say(f"{scenario.name}: {scenario.what}")
    before, start = failed(), time.monotonic()
    try:
        scenario.do(cluster)
    except NeverError as error:
        expect(False, str(error))
    except Exception:
        expect(False, traceback.format_exc())
    wrong, took = failed() - before, time.monotonic() - start
    return f"{f'{wrong} NOT AS IT SHOULD BE' if wrong else 'held'}, {took:.0f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
