"""How much faster two workers on two hosts are than one.

Every worker's host has the same share of a core, by a cgroup, and one slot; the server, the UI and the mirror on A
have the rest of the machine. Workers have less than a core each where the machine has no three cores: what is
measured is how work spreads, and that needs a server that is not the bound, as a lab's is.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ccf_assets.ccf.phantom import ontology, volume
from drills.cluster import Cluster
from drills.hosts_lab import Lab
from drills.hosts_runs import all_ended
from drills.lab import expect, say

_ATLASES, _RESOLUTION_UM = 8, 50

_ALLOWED = 0.6
"""Of the time of one worker, for two."""

_ENTRY = """\
[drill_{number}]
ccf_id = {ccf_id}
version = "the drill's {number}"
annotation = "{source}/drill/{number}.nrrd"
ontology = "{source}/drill/regions.csv"
axes = ["posterior", "inferior", "right"]
resolution_um = {resolution}

"""


def two_hosts(cluster: Cluster) -> None:
    """19: a backfill of eight atlases by a worker on one host, and by workers on two hosts."""
    files = cluster.mirror / "drill"
    files.mkdir(exist_ok=True)
    (files / "regions.csv").write_bytes(ontology.structure_graph_csv())
    volume.write_annotation(files / "0.nrrd", _RESOLUTION_UM, lambda _line: None)
    for number in range(1, _ATLASES):
        (files / f"{number}.nrrd").write_bytes((files / "0.nrrd").read_bytes())
    took = {letters: _backfill(cluster, letters) for letters in ("B", "BC")}
    share = took["BC"] / took["B"]
    expect(
        share <= _ALLOWED,
        f"{_ATLASES} atlases of {_RESOLUTION_UM} µm: {took['B']:.0f} s on one host, {took['BC']:.0f} s on two, "
        f"{share:.2f} of it ({_ALLOWED} are allowed)",
    )


def _backfill(cluster: Cluster, letters: str) -> float:
    """Seconds from the first run's begin to the last one's end."""
    cores = os.cpu_count() or 1
    budget = 1.0 if cores > 2 else 0.5
    entries = [
        _ENTRY.format(number=n, ccf_id=1001 + n, source=cluster.source, resolution=_RESOLUTION_UM)
        for n in range(_ATLASES)
    ]
    keys = [f"drill_{number}" for number in range(_ATLASES)]
    with Lab.anew(cluster, CCF_SLOTS=str(_ATLASES)) as lab:
        for letter in "ABC":
            lab.seen(letter, "atlases.toml").write_text("".join(entries))
        limited = [lab.hosts[letter].limit(budget, cluster.network.lab.name) for letter in letters]
        expect(all(limited), f"{', '.join(letters)}: {budget:g} of {cores} cores each, by a cgroup")
        lab.up()
        for key in keys:
            lab.ui.add_partition(key)
        lab.work(letters, "--slots", "1")
        time.sleep(10)  # the sensors have looked once
        lab.ui.backfill("load_atlas", keys)
        lab.until(lambda: all_ended(lab.runs("load_atlas"), _ATLASES), 900, "eight runs end")
        runs = lab.runs("load_atlas")
        told = sorted({f"{run.status} on {run.host or '?'}" for run in runs})
        expect({run.status for run in runs} == {"SUCCESS"}, f"{len(runs)} runs: {', '.join(told)}")
        times = [lab.events(run.id) for run in runs]
        begun = min(each["PIPELINE_START"] for each in times)
        took = max(each["PIPELINE_SUCCESS"] for each in times) - begun
        say(
            f"     {took:.0f} s with {', '.join(letters)}; load of the machine {Path('/proc/loadavg').read_text()[:4]}"
        )
        return took
