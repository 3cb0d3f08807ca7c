"""Scenarios of what the hosts must have in common: recordings, region maps, frames, and a folder that one has not."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

from drills.cluster import RECORDINGS, Cluster
from drills.hosts_lab import Lab
from drills.hosts_runs import OFFICIAL
from drills.lab import expect, say

IBL_SITES = 34_944

PHANTOM = "phantom_100um"

_IBL = 'frame = "ibl"\n[columns]\nx = "x_m"\ny = "y_m"\nz = "z_m"\nreported_region = "atlas_id"\n'

_FRAME = """\
[rig_um]
description = "{0} µm to posterior of the corner of the volume"
source = "the drill"
xyz = ["ap", "dv", "ml"]
unit = "um"
dv_from = "corner"
ap = "posterior"
dv = "down"
ml = "right"
shift_um = [{0}, 0, 0]
"""

_OF_SITES = "SELECT count(*), coalesce(sum(hashtextextended(s::text, 0)), 0) FROM ccf.recording_site s"


def recordings_on_a_share(cluster: Cluster) -> None:
    """2: 34,944 labelled sites on a share that all hosts mount."""
    folder = empty(cluster)
    with Lab.anew(
        cluster,
        *OFFICIAL,
        shares=[RECORDINGS],
        CCF_RECORDINGS=str(cluster.network.mounted(RECORDINGS)),
        CCF_SLOTS="2",
    ) as lab:
        lab.up()
        lab.work("BC", "--slots", "1")
        drop_ibl(cluster, folder)
        all_ibl_registered(lab)
        lab.until(lambda: all(run.ended for run in lab.runs()), 90, "the runs end")
        runs = lab.runs("register_recordings")
        told = ", ".join(f"{run.status} on {run.host or '?'}" for run in runs)
        good = {run.status for run in runs} == {"SUCCESS"} and all(run.host in {"B", "C"} for run in runs)
        expect(good, f"{len(runs)} runs read the file: {told}")
        lab.leaves_nothing()


def drop_ibl(cluster: Cluster, folder: Path) -> None:
    """Put the file of the International Brain Laboratory into a folder, with its settings."""
    assert cluster.official is not None
    (folder / "ibl_channels.toml").write_text(_IBL)
    shutil.copyfile(cluster.official / "recordings" / "ibl_channels.csv", folder / "ibl_channels.csv")


def all_ibl_registered(lab: Lab) -> None:
    """Wait until every site of the file has its region in three atlases, and compare it with the published one."""
    query = "SELECT count(*) FROM ccf.recording_region WHERE source LIKE '%ibl_channels.csv'"
    took = lab.until(lambda: lab.one(query) == 3 * IBL_SITES, 240, "the file's sites are in three atlases")
    expect(took <= 120, f"{IBL_SITES:,} sites are in three atlases after {took:.0f} s (120 are allowed)")
    wrong = lab.one(
        "SELECT count(*) FROM ccf.recording_region r JOIN ccf.recording_site s USING (recording_id, site_id) "
        "WHERE r.ccf_id = 1 AND coalesce(r.region_id, 0) <> coalesce(nullif(s.reported_region, '')::int, 0)"
    )
    expect(wrong == 0, f"{IBL_SITES - wrong:,} of {IBL_SITES:,} have the published region at 25 µm")


def worker_without_the_folder(cluster: Cluster) -> None:
    """3: a run lands on a host that does not have the folder of recordings."""
    folder = empty(cluster)
    place = cluster.network.mounted(RECORDINGS)
    with Lab.anew(cluster, PHANTOM, CCF_RECORDINGS=str(place), CCF_SLOTS="2") as lab:
        drop(folder, "day1.csv", "mouse_1", 5)
        drop(folder, "refused.csv", "mouse_2", 5, ap=-50_000)
        code, _ = lab.command("A", "load", PHANTOM, "--no-rows", CCF_ENGINE="")
        known = lab.one("SELECT count(*) FROM ccf.recording_file")
        expect(code == 0 and known == 2, f"{known} files are known before")
        before = _all_rows(lab)
        lab.up()
        lab.work("B", "--slots", "1")
        last = lab.last_run()
        drop(folder, "day2.csv", "mouse_3", 5)
        start = time.monotonic()
        lab.until(
            lambda: [run for run in lab.runs("register_recordings", last) if run.status == "FAILURE"],
            120,
            "a run fails",
        )
        took, run = time.monotonic() - start, lab.runs("register_recordings", last)[0]
        said = lab.said(run.id)
        sentences = [each for each in re.findall(r'"message": "([^"]+)"', said) if str(place) in each]
        say(f"     it says: {sentences[0] if sentences else said[:400]}")
        expect(
            took <= 60 and bool(sentences),
            f"the run on {run.host} fails after {took:.0f} s (60 are allowed) with a sentence that names the folder",
        )
        expect(_all_rows(lab) == before, f"no row of sites, files and findings is gone: {before}")
        lab.workers.pop("B").end()
        lab.boot("C", RECORDINGS)
        lab.work("C", "--slots", "1")
        registered = "SELECT count(*) FROM ccf.recording_region WHERE recording_id = 'mouse_3'"
        took = lab.until(lambda: lab.one(registered) == 5, 300, "the new file is registered")
        sites = lab.one("SELECT count(*) FROM ccf.recording_site")
        expect(
            sites == 10,
            f"a worker that has the folder registers the file {took:.0f} s after it is ready; {sites} of 10 sites",
        )
        lab.leaves_nothing()


def _all_rows(lab: Lab) -> list[tuple[object, ...]]:
    """Rows of the tables of recordings, and a hash of those of sites."""
    return [
        *lab.rows(_OF_SITES),
        *lab.rows("SELECT count(*) FROM ccf.recording_file"),
        *lab.rows("SELECT count(*) FROM ccf.recording_finding"),
    ]


def drop(folder: Path, name: str, recording: str, sites: int, *, frame: str = "ccf", ap: int = 6600) -> None:
    """Put a small file of sites into a folder, as old as if it had been there for a minute."""
    rows = [f"{recording},{number},{ap},4000,{6700 + number}" for number in range(sites)]
    (folder / name).write_text("\n".join(["recording_id,site_id,ap,dv,ml", *rows]) + "\n")
    (folder / name).with_suffix(".toml").write_text(f'frame = "{frame}"\n')
    for path in folder.iterdir():
        if not path.name.startswith("."):
            os.utime(path, (time.time() - 60,) * 2)


def empty(cluster: Cluster) -> Path:
    """The share for recordings, with nothing in it."""
    folder = cluster.network.share(RECORDINGS)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return folder


def same_names(cluster: Cluster) -> None:
    """4: two hosts with a folder each of the same path, a file of the same name in both, and no engine."""
    with Lab.anew(cluster, PHANTOM, CCF_ENGINE="") as lab:
        for letter, recording, sites in (("B", "mouse_b", 3), ("C", "mouse_c", 4)):
            lab.seen(letter, "recordings").mkdir()
            drop(lab.seen(letter, "recordings"), "day1.csv", recording, sites)
        of_b = _OF_SITES + " WHERE recording_id = 'mouse_b'"
        before: list[tuple[object, ...]] = []
        for letter in "BCBC":
            code, said = lab.command(letter, "load", PHANTOM, "--no-rows")
            before = before or lab.rows(of_b)
            said = next((line for line in said.splitlines() if "folder" in line), f"exit code {code}")
            say(f"     load on {letter}: {said[:200]}")
            expect(
                lab.rows(of_b) == before and before[0][0] == 3,
                f"after the load on {letter} B's sites are as they were: {before[0][0]}",
            )
        theirs = lab.one("SELECT count(*) FROM ccf.recording_site WHERE recording_id = 'mouse_c'")
        expect(theirs in {0, 4}, f"of C's file {theirs} sites: all under a name of its own, or none, refused")


def region_map(cluster: Cluster) -> None:
    """6: a region map on A only."""
    keys = (PHANTOM, "phantom_50um")
    with Lab.anew(cluster, *keys, CCF_SLOTS="2") as lab:
        lab.up()
        lab.work("BC", "--slots", "1")
        acronyms = [
            a for (a,) in lab.rows("SELECT DISTINCT acronym FROM ccf.brain_region ORDER BY 1 LIMIT 2")
        ]
        sets = lab.seen("A", "region_sets")
        sets.mkdir(exist_ok=True)
        regions = "".join(f"drill,{acronym},{group}\n" for acronym, group in zip(acronyms, "xy", strict=True))
        last = lab.last_run()
        (sets / "drill.csv").write_text(f"set,region,group\n{regions}")
        query = "SELECT count(DISTINCT ccf_id) FROM ccf.region_set WHERE set_name = 'drill'"
        took = lab.until(lambda: lab.one(query) == len(keys), 180, "the set is in all atlases")
        lab.until(lambda: all(run.ended for run in lab.runs(since=last)), 60, "the runs end")
        runs = lab.runs("load_region_sets", last)
        told = ", ".join(f"{run.status} on {run.host or '?'}" for run in runs)
        expect(took <= 120, f"the set is in both atlases after {took:.0f} s (120 are allowed): {told}")
        expect(len(runs) == len(keys), f"one round of the sensor: {len(runs)} runs")
        checked = lab.rows(
            "SELECT evaluation_event FROM ccf_dagster.asset_check_executions "
            "WHERE check_name = 'region_maps_taken' AND run_id = ANY(:runs)",
            runs=[run.id for run in runs],
        )
        counted = sum("1 files of a lab's own maps, none refused" in str(event) for (event,) in checked)
        expect(counted == len(keys), f"{counted} of {len(keys)} checks say that there was one file")


def frames(cluster: Cluster) -> None:
    """7: a frame on A only, then another of that name on C."""
    folder = empty(cluster)
    place = str(cluster.network.mounted(RECORDINGS))
    with Lab.anew(cluster, PHANTOM, shares=[RECORDINGS], CCF_RECORDINGS=place, CCF_SLOTS="2") as lab:
        lab.seen("A", "frames.toml").write_text(_FRAME.format(100))
        lab.up()
        lab.work("BC", "--slots", "1")
        last = lab.last_run()
        drop(folder, "day1.csv", "mouse_1", 5, frame="rig_um")
        registered = "SELECT count(*) FROM ccf.recording_region WHERE recording_id = 'mouse_1'"
        took = lab.until(lambda: lab.one(registered) == 5, 120, "the sites are registered")
        lab.until(lambda: all(run.ended for run in lab.runs(since=last)), 60, "the run ends")
        runs = lab.runs("register_recordings", last)
        told = ", ".join(f"{run.status} on {run.host or '?'}" for run in runs)
        expect(len(runs) == 1, f"sites in the frame of A are registered after {took:.0f} s: {told}")
        before = _registered(lab)
        shift = lab.rows("SELECT * FROM ccf.coordinate_frame WHERE name = 'rig_um'")
        lab.workers.pop("B").end()
        lab.seen("C", "frames.toml").write_text(_FRAME.format(3000))
        lab.workers.pop("C").end()
        code, said = lab.command("C", "load", PHANTOM, "--no-rows", CCF_ENGINE="")
        told = next((line for line in said.splitlines() if "rig_um" in line), said[-200:])
        expect(code != 0 and "rig_um" in said, f"a load on C with another frame of that name: {told[:250]}")
        lab.work("C", "--slots", "1")
        last = lab.last_run()
        drop(folder, "day2.csv", "mouse_2", 5, frame="rig_um")
        lab.until(
            lambda: lab.one(registered.replace("mouse_1", "mouse_2")) == 5, 120, "a second file is registered"
        )
        time.sleep(120)
        expect(
            lab.rows("SELECT * FROM ccf.coordinate_frame WHERE name = 'rig_um'") == shift,
            "the frame is that of A, two minutes after C had another of that name",
        )
        same = lab.one(
            "SELECT count(*) FROM ccf.recording_region a JOIN ccf.recording_region b USING (ccf_id, site_id) "
            "WHERE a.recording_id = 'mouse_1' AND b.recording_id = 'mouse_2' AND a.region_id = b.region_id"
        )
        expect(same == 5, f"{same} of 5 sites at the same place got the same region on both hosts")
        runs = lab.runs("register_recordings", last) + lab.runs("register_sites", last)
        expect(
            len(runs) == 1 and _registered(lab) == before,
            f"{len(runs)} run since then, of the second file; the first was registered once",
        )


def _registered(lab: Lab) -> list[tuple[object, ...]]:
    query = (
        "SELECT r.ctid::text, r.* FROM ccf.recording_region r WHERE recording_id = 'mouse_1' ORDER BY site_id"
    )
    return lab.rows(query)
