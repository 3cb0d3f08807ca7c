"""Scenarios of runs on several hosts: where they run, how they end, and what happens when a host does not come back."""

from __future__ import annotations

import time
from collections.abc import Callable

from ccf_assets.ccf.catalogue import BUILT_IN
from ccf_assets.files import sha256_of
from drills.cluster import Cluster
from drills.hosts_lab import Lab, Run
from drills.lab import expect, say

OFFICIAL = ("ccf_2017_100um", "ccf_2017_50um", "ccf_2017_25um")

_RUNS_OF = {"ccf_2017_100um": 149_885, "ccf_2017_50um": 663_219, "ccf_2017_25um": 2_793_695}
"""Rows of voxel_run: counted in the official volumes."""

_ROOT_VOXELS_25 = 32_387_385

REFRESH = {"ops": {"structure_graph": {"config": {"refresh": True}}}}

_PHANTOM = "phantom_50um"

_COPYING = (
    "SELECT host(a.client_addr) FROM pg_stat_progress_copy c JOIN pg_stat_activity a USING (pid) "
    "WHERE c.command = 'COPY FROM' AND c.bytes_processed > 0 AND a.datname = current_database()"
)


def three_atlases(cluster: Cluster) -> None:
    """1: three atlases over two workers with empty disks."""
    with Lab.anew(cluster, CCF_SOURCE=cluster.source, CCF_SLOTS="2") as lab:
        lab.up()
        lab.work("BC", "--slots", "1")
        start = time.monotonic()
        status = lab.ended(lab.ui.launch("refresh_ontology", config=REFRESH), 120)
        expect(status == "SUCCESS", f"refresh_ontology: {status}, {time.monotonic() - start:.0f} s")
        for key in OFFICIAL:
            lab.ui.add_partition(key)
        start = time.monotonic()
        lab.ui.backfill("load_atlas", OFFICIAL)
        lab.until(lambda: all_ended(lab.runs("load_atlas"), len(OFFICIAL)), 400, "three runs end")
        runs = lab.runs("load_atlas")
        took = time.monotonic() - start
        told = ", ".join(f"{run.partition} {run.status} on {run.host or '?'}" for run in runs)
        expect(
            {run.status for run in runs} == {"SUCCESS"}, f"backfill of three atlases, {took:.0f} s: {told}"
        )
        expect({run.host for run in runs} == {"B", "C"}, f"runs were on {sorted({r.host for r in runs})}")
        for key in OFFICIAL:
            counted = lab.one("SELECT count(*) FROM ccf.voxel_run WHERE ccf_id = :n", n=BUILT_IN[key].ccf_id)
            expect(
                counted == _RUNS_OF[key], f"{key}: {counted:,} runs of voxels, {_RUNS_OF[key]:,} in the file"
            )
        root = lab.one(
            "SELECT voxels FROM ccf.region_volume JOIN ccf.brain_region USING (ccf_id, region_id) "
            "WHERE ccf_id = 1 AND acronym = 'root' AND hemisphere = 'both'"
        )
        expect(root == _ROOT_VOXELS_25, f"root has {root:,} voxels at 25 µm, {_ROOT_VOXELS_25:,} in the file")
        for letter in "BC":
            for key in OFFICIAL:
                file = lab.seen(letter, "downloads", BUILT_IN[key].annotation)
                if file.exists():
                    same = sha256_of(file) == BUILT_IN[key].sha256
                    expect(same, f"{key} in the cache of host {letter} has the catalogue's checksum")
        lab.leaves_nothing()


def all_ended(runs: list[Run], count: int) -> bool:
    """Whether there are so many runs, and all have ended."""
    return len(runs) >= count and all(run.ended for run in runs)


def new_ontology(cluster: Cluster) -> None:
    """5: an ontology that is accepted on C is in all atlases within 90 s."""
    with Lab.anew(cluster, *OFFICIAL, CCF_SLOTS="2") as lab:
        lab.up()
        lab.work("B", "--slots", "1")
        # B accepts the old one first, and keeps it in its cache and in its processes.
        status = lab.ended(lab.ui.launch("refresh_ontology", config=REFRESH), 120)
        expect(status == "SUCCESS", f"B has the old one: {status}")
        graph = cluster.mirror / "ontology" / "structure_graph.csv"
        before, last = graph.read_text(), lab.last_run()
        graph.write_text(before.replace("Primary visual area", "Primary visual area of the drill"))
        try:
            lab.work("C", "--slots", "1", "--queue", "of_c", "--queue", "dagster")
            of_c = {"dagster-celery/queue": "of_c"}
            status = lab.ended(lab.ui.launch("refresh_ontology", config=REFRESH, tags=of_c), 120)
            start = time.monotonic()
            where = lab.runs("refresh_ontology", last)[-1].host
            expect(status == "SUCCESS" and where == "C", f"the new ontology: {status} on {where}")
            named = (
                "SELECT count(DISTINCT ccf_id) FROM ccf.brain_region WHERE full_name LIKE '%of the drill%' "
                "AND acronym = 'VISp'"
            )
            lab.until(lambda: lab.one(named) == len(OFFICIAL), 240, "the new name is in all three atlases")
            took = time.monotonic() - start
            expect(took <= 90, f"the new name is in all three atlases after {took:.0f} s (90 are allowed)")
            lab.until(lambda: all(run.ended for run in lab.runs(since=last)), 120, "the runs end")
            loads = lab.runs("load_atlas", last)
            told = ", ".join(f"{run.partition} {run.status} on {run.host}" for run in loads)
            fresh = len(loads) == len(OFFICIAL) and {run.status for run in loads} == {"SUCCESS"}
            expect(fresh, f"one run for each atlas, none of an older copy: {told}")
            time.sleep(65)  # a further tick of outdated_atlases
            expect(
                lab.one(named) == len(OFFICIAL) and len(lab.runs("load_atlas", last)) == len(loads),
                f"a minute later: {lab.ui.sensors()['outdated_atlases']}",
            )
        finally:
            graph.write_text(before)


# ---- lost workers and hosts


def worker_killed(cluster: Cluster) -> None:
    """8: the worker is killed during COPY."""
    _lost(
        cluster, lambda lab, letter: lab.workers[letter].kill(), "kill -9 of the worker and its children", 45
    )


def host_lost(cluster: Cluster) -> None:
    """9: the link of the host is cut, then the host dies: nobody hears of it."""

    def lose(lab: Lab, letter: str) -> None:
        lab.hosts[letter].cut()
        time.sleep(0.2)
        lab.hosts[letter].kill()

    _lost(cluster, lose, "the link is cut and the host killed", 90)


def _lost(cluster: Cluster, lose: Callable[[Lab, str], object], what: str, allowed_s: int) -> None:
    with Lab.anew(cluster, _PHANTOM, CCF_SLOTS="2") as lab:
        lab.up()
        lab.work("BC", "--slots", "1")
        lost = copying(lab)
        letter = "B" if lost[1].endswith(".2") else "C"
        start, last = time.monotonic(), lab.last_run()
        lose(lab, letter)
        say(f"     on host {letter}, during COPY: {what}")
        status = lab.ended(lost[0], 300)
        failed = time.monotonic() - start
        expect(
            status == "FAILURE" and failed <= allowed_s,
            f"the run is {status} after {failed:.0f} s ({allowed_s} are allowed)",
        )
        lab.until(lambda: lab.runs("load_voxel_rows", last), 120, "the run is retried")
        again = lab.runs("load_voxel_rows", last)[0]
        status = lab.ended(again.id, 240)
        took, where = time.monotonic() - start, lab.run(again.id).host
        expect(
            status == "SUCCESS" and where in "BC" and (where != letter or lab.hosts[letter].is_up),
            f"it is repeated on host {where}: {status} {took:.0f} s after the fault",
        )
        complete(lab)
        if lab.hosts[letter].is_up is False:
            lab.workers.pop(letter)
        lab.leaves_nothing()


def copying(lab: Lab) -> tuple[str, str]:
    """A run that is copying rows of voxels just now, and the address of the host that does."""
    lab.ui.add_partition(_PHANTOM, of="voxel_rows")
    run = lab.ui.launch("load_voxel_rows", _PHANTOM)
    found: list[tuple[object, ...]] = []

    def copies() -> bool:
        found[:] = lab.rows(_COPYING)
        return bool(found)

    took = lab.until(copies, 120, "the run copies rows")
    say(f"     COPY from {found[0][0]}, {took:.0f} s after the launch")
    return run, str(found[0][0])


def complete(lab: Lab) -> None:
    """Compare the rows of voxels with the runs of voxels that they are made from."""
    rows = lab.one("SELECT count(*) FROM ccf.voxel")
    wanted = lab.one(
        "SELECT sum((z_end - z) / resolution)::bigint FROM ccf.voxel_run JOIN "
        "(SELECT ccf_id, ccf_resolution AS resolution FROM ccf.atlas) a USING (ccf_id)"
    )
    expect(rows == wanted, f"{rows:,} rows of voxels, {wanted:,} in the runs")


def ended_by_hand(cluster: Cluster) -> None:
    """10: a run that is ended in the UI is canceled, and not started again."""
    with Lab.anew(cluster, _PHANTOM, CCF_SLOTS="2") as lab:
        lab.up()
        lab.work("BC", "--slots", "1")
        run, _ = copying(lab)
        start, last = time.monotonic(), lab.last_run()
        lab.ui.terminate(run)
        status = lab.ended(run, 60)
        took = time.monotonic() - start
        expect(
            status == "CANCELED" and took <= 5,
            f"ended in the UI: {status} after {took:.1f} s (5 are allowed)",
        )
        time.sleep(60)
        again = lab.runs("load_voxel_rows", last)
        expect(not again, f"a minute later: {len(again)} runs repeat it")
        rows = lab.one("SELECT count(*) FROM ccf.voxel")
        expect(rows == 0, f"{rows:,} rows of voxels: the transaction was undone")
        lab.leaves_nothing()


# ---- more runs than slots


def no_prefetch(cluster: Cluster) -> None:
    """11: a worker that is busy takes no run that another worker could begin."""
    with Lab.anew(cluster, "phantom_100um", CCF_SLOTS="4") as lab:
        lab.up()
        lab.work("C", "--slots", "1")
        with lab.locked("ccf.region_set"):
            first = lab.ui.launch("load_region_sets", "phantom_100um")
            lab.until(lambda: lab.run(first).status == "STARTED", 60, "C is busy")
            second = lab.ui.launch("load_region_sets", "phantom_100um")
            lab.until(lambda: lab.run(second).status == "STARTING", 60, "the second run is launched")
            time.sleep(5)  # in which a worker that fetches ahead would fetch it
            start = time.monotonic()
            lab.work("B", "--slots", "1")
            ready = time.monotonic()
            lab.until(lambda: lab.run(second).status == "STARTED", 60, "the second run begins")
            where, took = lab.run(second).host, time.monotonic() - ready
            say(f"     {ready - start:.0f} s until the worker on B was ready")
            expect(
                where == "B" and took <= 20, f"the run that waited begins on {where}, {took:.0f} s after that"
            )
        told = [lab.ended(run, 120) for run in (first, second)]
        expect(told == ["SUCCESS"] * 2, f"both end: {told}")


def more_runs_than_slots(cluster: Cluster) -> None:
    """12: runs that wait 200 s for a slot do not fail for that."""
    with Lab.anew(cluster, "phantom_100um", CCF_SLOTS="4") as lab:
        lab.up()
        lab.work("B", "--slots", "1")
        with lab.locked("ccf.region_set"):
            runs = [lab.ui.launch("load_region_sets", "phantom_100um") for _ in range(4)]
            lab.until(lambda: "STARTED" in {lab.run(run).status for run in runs}, 60, "one runs")
            time.sleep(200)
            status = [lab.run(run).status for run in runs]
            expect("FAILURE" not in status, f"four runs on one slot, after 200 s: {', '.join(status)}")
        told = [lab.ended(run, 180) for run in runs]
        expect(told == ["SUCCESS"] * 4, f"then all end: {', '.join(told)}")
        lab.leaves_nothing()
