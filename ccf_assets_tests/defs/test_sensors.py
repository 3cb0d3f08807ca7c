"""Sensors: every new file, changed file and unregistered site is asked for once, and again if that failed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from ccf_assets import settings
from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.db import holdings
from ccf_assets.definitions import defs
from ccf_assets.defs import freshness, sensors
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.defs.sensors import (
    changed_region_sets,
    lost_runs,
    new_recordings,
    outdated_atlases,
    unregistered_sites,
)
from ccf_assets.pg.connect import libpq_url
from ccf_assets.recordings import backlog, sources
from ccf_assets.recordings.scan.keys import partition_key_of
from ccf_assets.runs import liveness
from ccf_assets.runs.liveness import alive
from ccf_assets.runs.tags import keys_of_run, range_tags
from ccf_assets_tests.support.recordings_lab import RecordingsLab, checks

BRAIN = (6600, 4000, 6700)
"""A point in the phantom."""


class Clock:
    """The time that sensors see."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    import time

    clock = Clock(time.time())
    monkeypatch.setattr(sensors, "time", clock)
    monkeypatch.setattr(liveness, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def forget_scans() -> Iterator[None]:
    yield
    sensors._memo.clear()


def statuses(lab: RecordingsLab) -> list[tuple[object, ...]]:
    return lab.ask("SELECT recording_id, site_id, ccf_id, status FROM ccf.recording_region ORDER BY 1, 2, 3")


def insert(lab: RecordingsLab, recording: str, number: int = 1, source: str = "inserted") -> None:
    lab.tell(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source) "
        "SELECT :recording, n, 6600, 4000, 6700, 'ccf', :source FROM generate_series(0, :last) AS n",
        recording=recording,
        last=number - 1,
        source=source,
    )


# --- new_recordings ---------------------------------------------------------------------------------------


def test_a_dropped_file_is_registered_in_every_loaded_atlas(lab: RecordingsLab) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN), ("m1", 1, -1, 0, 0))
    (result,) = lab.serve(new_recordings)
    assert result.success
    assert "inserted_sites" not in checks(result), "a run of files does not read all inserted rows"
    assert [row[3] for row in statuses(lab)] == ["assigned"] * 2 + ["outside_volume"] * 2
    assert lab.tick(new_recordings) == ([], "1 file, nothing new.")
    assert lab.tick(unregistered_sites)[0] == []


def test_a_thousand_files_are_few_runs_and_each_is_asked_for_once(lab: RecordingsLab) -> None:
    (lab.folder / "recordings.toml").write_text('frame = "ccf"\n')
    for number in range(1000):
        lab.write(f"{number // 100}/m{number}.csv", (f"m{number}", 0, *BRAIN), toml=None)
    lab.age(lab.folder / "recordings.toml")
    requests, _ = lab.tick(new_recordings)
    assert len(requests) <= 20
    in_order = lab.instance.get_dynamic_partitions("recording")
    keys = [key for request in requests for key in keys_of_run(request.tags, in_order) or ()]
    assert len(keys) == len(set(keys)) == 1000
    for request in requests:
        lab.queue("register_recordings", request.tags)
    for _ in range(3):
        assert lab.tick(new_recordings) == ([], "Runs for 1000 have been requested.")
        assert lab.tick(unregistered_sites)[0] == []
    assert len(json.dumps(lab.cursors["new_recordings"])) < 300_000


def test_a_run_over_a_range_registers_each_of_its_files(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "FILES_PER_RUN", 10)
    for number in range(30):
        lab.write(f"m{number}.csv", (f"m{number}", 0, *BRAIN))
    assert len(lab.serve(new_recordings)) == 3
    assert lab.ask("SELECT status, count(*) FROM ccf.recording_region GROUP BY 1") == [("assigned", 60)]
    assert lab.ask("SELECT count(*) FROM ccf.recording_file WHERE NOT refused") == [(30,)]
    assert lab.tick(new_recordings) == ([], "30 files, nothing new.")
    assert len(lab.cursors["new_recordings"] or "") < 100


def test_a_large_registration_is_read_in_slices_and_registered_by_runs_of_their_own(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = ("m", 0, 6600, 4000, 6700)
    for number in range(4):
        lab.write(f"m{number}.csv", (f"m{number}", *site[1:]), (f"m{number}", 1, *site[2:]))
    one = (lab.folder / "m0.csv").stat().st_size
    monkeypatch.setattr(backlog, "BYTES_PER_RUN", 2 * one)
    monkeypatch.setattr(backlog, "SITES_PER_RUN", 2)
    results = lab.serve(new_recordings)
    lab.write("later.csv", ("m3", 1, *site[2:]))  # the file that is read first keeps the site
    results += lab.serve(new_recordings)
    assert len(results) == 3
    assert lab.ask("SELECT source, count(*) FROM ccf.recording_site GROUP BY 1 ORDER BY 1") == [
        (f"m{number}.csv", 2) for number in range(4)
    ]
    assert lab.ask("SELECT source FROM ccf.recording_claim") == [("later.csv",)]
    assert lab.ask("SELECT count(*) FROM ccf.recording_region") == [(0,)], "that is left to other runs"
    assert all("duplicate_sites" in checks(result) for result in results), "every check of files was made"
    assert len(lab.serve(unregistered_sites)) == 4, "two files are four sites, too many for one run"
    assert lab.ask("SELECT count(*) FROM ccf.recording_region") == [(16,)]
    assert lab.serve(new_recordings) == lab.serve(unregistered_sites) == []


def test_changed_files_among_unchanged_ones_share_runs(lab: RecordingsLab) -> None:
    for number in range(18):
        lab.write(f"m{number:02d}.csv", (f"m{number}", 0, *BRAIN))
    lab.serve(new_recordings)
    for number in range(0, 18, 3):
        lab.write(f"m{number:02d}.csv", (f"m{number}", 0, 1, 1, 1))
    assert len(lab.serve(new_recordings)) == 1
    moved = lab.ask(
        "SELECT count(DISTINCT recording_id) FROM ccf.recording_region WHERE status = 'outside_brain'"
    )
    assert moved == [(6,)]
    assert lab.tick(new_recordings)[0] == []


def test_a_source_of_inserted_rows_is_never_read_as_a_file(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN))
    lab.serve(new_recordings)
    insert(lab, "own")
    lab.serve(unregistered_sites)
    lab.write("b.csv", ("b", 0, *BRAIN))
    lab.serve(new_recordings)
    assert lab.instance.get_dynamic_partitions("recording") == ["a.csv", "inserted", "b.csv"]
    lab.write("a.csv", ("a", 0, 1, 1, 1))
    lab.write("b.csv", ("b", 0, 1, 1, 1))
    requests, _ = lab.tick(new_recordings)
    in_order = lab.instance.get_dynamic_partitions("recording")
    assert [keys_of_run(r.tags, in_order) for r in requests] == [["a.csv"], ["b.csv"]]


def test_a_failed_run_is_asked_for_again_ever_more_slowly(lab: RecordingsLab, clock: Clock) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    keys = set()
    for waited in (0, 30, 60, 120):
        clock.now += waited - 1
        assert waited == 0 or lab.tick(new_recordings)[0] == []
        clock.now += 1.5
        (request,), _ = lab.tick(new_recordings)
        keys.add(request.run_key)
        run = lab.queue("register_recordings", request.tags)
        clock.now += 100_000
        assert lab.tick(new_recordings)[0] == []  # as long as it runs
        lab.instance.report_run_failed(run)
        clock.now -= 100_000
    assert len(keys) == 4


def test_a_file_that_is_changed_back_is_read_again(lab: RecordingsLab) -> None:
    for content in (BRAIN, (1, 1, 1), BRAIN):
        lab.write("m1.csv", ("m1", 0, *content))
        assert len(lab.serve(new_recordings)) == 1
    assert {row[3] for row in statuses(lab)} == {"assigned"}


def test_a_lost_cursor_costs_nothing_but_a_scan(lab: RecordingsLab) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    lab.serve(new_recordings)
    lab.cursors.clear()
    sensors._memo.clear()
    assert lab.tick(new_recordings)[0] == []


def test_a_restart_between_the_request_and_its_run_asks_for_nothing_twice(lab: RecordingsLab) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    (request,), _ = lab.tick(new_recordings)
    sensors._memo.clear()
    lab.queue("register_recordings", request.tags)
    assert lab.tick(new_recordings)[0] == []


def test_a_file_that_was_just_written_waits(lab: RecordingsLab) -> None:
    path = lab.write("m1.csv", ("m1", 0, *BRAIN))
    os.utime(path)
    requests, said = lab.tick(new_recordings)
    assert not requests
    assert "m1.csv was written less than 5 s ago" in said
    lab.age(path)
    assert len(lab.tick(new_recordings)[0]) == 1


def test_in_a_folder_full_of_faults_the_good_files_are_registered_and_the_rest_is_said(
    lab: RecordingsLab, tmp_path: Path
) -> None:
    head = b"recording_id,site_id,x,y,z\n"
    good = {"plain.csv", "a|b.csv", "two\nlines.csv", "小.csv", f"{'m' * 251}.csv", "x.csv/m.csv"}
    for number, name in enumerate(sorted(good)):
        lab.write(name, (f"m{number}", 0, *BRAIN), toml=None)
    lab.write("odd.csv", ("odd", 0, "nan", 1, 1), ("odd", 1, "inf", 1, 1), ("odd", 2, 1e308, 1, 1), toml=None)
    bad = {
        "empty.csv": b"",
        "header.csv": head,
        "ragged.csv": head + b"r,0,1,2,3\nr,1,2\n",
        "semicolons.csv": head.replace(b",", b";") + b"r;0;1;2\n",
        "commas.csv": head + b'r,0,"1,5","2,5","3,5"\n',
        "excel.csv": (head + b"r,0,1,2,3\n").decode().replace(",", "\t").encode("utf-16"),
        "xlsx.csv": b"PK\x03\x04\x14\x00\x06\x00",
        "latin.csv": head + "été,0,1,2,3\n".encode("latin-1"),
        "text.csv": head + b"r,0,deep,2,3\n",
        "twice.csv": head + b"r,0,1,2,3\nr,0,1,2,3\n",
        "quote.csv": head + b'r,0,1,2,"3\n',
        "damaged.parquet": b"PAR1" + bytes(range(256)) + b"PAR1",
    }
    for name, content in bad.items():
        (lab.folder / name).write_bytes(content)
    (lab.folder / "out.csv").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(head)
    (lab.folder / "round.csv").symlink_to("round.csv")
    os.mkfifo(lab.folder / "pipe.csv")
    (lab.folder / os.fsdecode(b"caf\xe9.csv")).write_bytes(head)
    (lab.folder / "recordings.toml").write_text('frame = "ccf"\n')
    lab.age(lab.folder / "recordings.toml", *(path for path in lab.folder.iterdir() if path.exists()))

    lab.serve(new_recordings)
    lab.serve(unregistered_sites)  # those of the good files, beside which others were refused
    files = dict(lab.ask("SELECT source, refused FROM ccf.recording_file"))
    assert {source for source, refused in files.items() if refused} == bad.keys()
    taken = {partition_key_of(name) for name in (*good, "odd.csv")}
    assert {source for source, refused in files.items() if not refused} == taken
    told = {source for (source,) in lab.ask("SELECT source FROM ccf.recording_finding WHERE blocking")}
    assert told == bad.keys()
    registered = (
        "SELECT CASE recording_id WHEN 'odd' THEN site_id END, status, count(DISTINCT recording_id) "
        "FROM ccf.recording_region GROUP BY 1, 2 ORDER BY 1"
    )
    assert lab.ask(registered) == [
        (0, "invalid_nan", 1),
        (1, "invalid_infinite", 1),
        (2, "invalid_infinite", 1),
        (None, "assigned", len(good)),
    ]
    requests, said = lab.tick(new_recordings)
    assert requests == []
    assert "is not UTF-8" in said
    assert "out.csv cannot be read: it is a link out of the folder" in said
    assert "pipe.csv cannot be read: it is not a regular file" in said
    assert said.endswith(f"… and 1 more such files. {len(files)} files, nothing new.")


def test_a_deleted_file_keeps_its_sites_and_is_said_to_be_gone(lab: RecordingsLab) -> None:
    path = lab.write("m1.csv", ("m1", 0, *BRAIN))
    lab.serve(new_recordings)
    path.unlink()
    assert lab.tick(new_recordings) == ([], "1 file was deleted; its sites stay. 0 files, nothing new.")
    assert len(statuses(lab)) == 2
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    assert lab.tick(new_recordings)[0] == []  # back as it was


def test_a_refused_file_that_is_deleted_leaves_no_red_check(lab: RecordingsLab) -> None:
    bad = lab.write("bad.csv", ("m", 0, "left", 1, 1))
    taken = lab.write("taken.csv", ("n", 0, *BRAIN), ("n", 1, 1, 1, 1), ("n", 2, 1, 1, 1))
    (result,) = lab.serve(new_recordings)
    assert not checks(result)["readable"].passed
    bad.unlink()
    taken.unlink()
    (result,) = lab.serve(new_recordings)
    assert checks(result)["readable"].passed
    assert not checks(result)["inside_brain"].passed  # said of sites that are there
    assert lab.ask("SELECT source FROM ccf.recording_file") == [("taken.csv",)]
    assert lab.tick(new_recordings)[0] == []
    lab.tell("DELETE FROM ccf.recording_site")
    (result,) = lab.serve(new_recordings)
    assert checks(result)["inside_brain"].passed
    assert lab.ask("SELECT source FROM ccf.recording_file") == []
    assert lab.tick(new_recordings) == ([], "0 files, nothing new.")


def test_the_partition_of_a_deleted_file_goes_with_the_last_that_is_stored_of_it(lab: RecordingsLab) -> None:
    def partitions() -> list[str]:
        return list(lab.instance.get_dynamic_partitions("recording"))

    bad = lab.write("bad.csv", ("m", 0, "left", 1, 1))
    taken = lab.write("taken.csv", ("n", 0, *BRAIN))
    lab.write("kept.csv", ("k", 0, *BRAIN))
    lab.serve(new_recordings)
    bad.unlink()
    taken.unlink()
    assert set(partitions()) == {"bad.csv", "taken.csv", "kept.csv"}
    (request,), _ = lab.tick(new_recordings)
    run = lab.queue("register_recordings", request.tags)
    lab.tell("DELETE FROM ccf.recording_file WHERE source = 'bad.csv'")  # as that run does, which goes on
    lab.tell("DELETE FROM ccf.recording_finding WHERE source = 'bad.csv'")
    lab.tick(new_recordings)
    assert "bad.csv" in partitions()
    lab.instance.delete_run(run.run_id)
    lab.tick(new_recordings)
    assert set(partitions()) == {"taken.csv", "kept.csv"}, "sites of a deleted file stay, and its partition"
    lab.tell("DELETE FROM ccf.recording_site WHERE source = 'taken.csv'")
    lab.serve(new_recordings)
    lab.tick(new_recordings)
    assert partitions() == ["kept.csv"]


def test_the_partition_of_inserted_rows_stays(lab: RecordingsLab) -> None:
    insert = "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) VALUES "
    lab.tell(insert + "('m', 0, 1, 1, 1, 'ccf')")
    lab.serve(unregistered_sites)
    lab.tell("DELETE FROM ccf.recording_site")
    lab.tick(new_recordings)
    assert lab.instance.get_dynamic_partitions("recording") == ["inserted"]


def test_examples_do_not_come_back_when_the_last_partition_is_gone(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCF_RECORDINGS", "")
    folder = settings.recordings()
    lab.serve(new_recordings)
    examples = [path for path in folder.iterdir() if path.suffix == ".csv"]
    assert examples
    for path in folder.iterdir():
        if not path.name.startswith("."):
            path.unlink()
    lab.tell("DELETE FROM ccf.recording_site")
    lab.serve(new_recordings)
    lab.tick(new_recordings)
    assert lab.instance.get_dynamic_partitions("recording") == []
    lab.tick(new_recordings)
    assert not [path for path in folder.iterdir() if path.suffix == ".csv"]


def test_a_file_that_is_rewritten_before_its_run_is_left_to_the_next_tick(
    lab: RecordingsLab, clock: Clock
) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN), ("a", 1, 1, 1, 1), ("a", 2, 1, 1, 1))
    lab.write("b.csv", ("b", 0, *BRAIN))
    lab.serve(new_recordings)
    before = lab.ask(
        "SELECT * FROM ccf.recording_file, ccf.recording_finding, ccf.recording_site ORDER BY 1, 12"
    )
    path = lab.write("a.csv", ("a", 0, *BRAIN), ("a", 1, *BRAIN))
    (request,), _ = lab.tick(new_recordings)
    path.write_text("recording_id,site_id,x,y,z\na,0,66", "utf-8")  # an editor saves it, part by part
    result = lab.run(new_recordings, request)
    assert result.success
    assert not checks(result)["inside_brain"].passed
    assert before == lab.ask(
        "SELECT * FROM ccf.recording_file, ccf.recording_finding, ccf.recording_site ORDER BY 1, 12"
    )
    lab.write("a.csv", ("a", 0, *BRAIN), ("a", 1, *BRAIN))
    clock.now += 60
    lab.serve(new_recordings)
    assert lab.ask("SELECT count(*) FROM ccf.recording_site WHERE recording_id = 'a'") == [(2,)]
    assert lab.tick(new_recordings)[0] == []


def test_whichever_command_comes_first_makes_the_folder_with_the_examples(lab: RecordingsLab) -> None:
    lab.folder.rmdir()
    assert len(lab.serve(new_recordings)) == 1
    files = sorted(path.name for path in lab.folder.glob("*.csv"))
    assert files == ["example_probe.csv", "example_tutorial_sites.csv"]
    for path in lab.folder.iterdir():
        path.unlink()
    lab.tell("DELETE FROM ccf.recording_site")
    requests, said = lab.tick(new_recordings)
    assert (requests, "If its files were deleted, put the next one there." in said) == ([], True)
    assert not list(lab.folder.glob("*.csv")), "what a lab took away stays away"


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    lab.serve(new_recordings)
    cursor = lab.cursors["new_recordings"]

    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ccf_assets.recordings.scan.walk.os.scandir", refuse)
    requests, said = lab.tick(new_recordings)
    assert (requests, "cannot be read: Permission denied" in said) == ([], True)
    assert lab.cursors["new_recordings"] == cursor
    assert len(statuses(lab)) == 2


def test_a_named_folder_that_is_missing_is_not_made(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CCF_RECORDINGS", str(tmp_path / "not mounted" / "sites"))
    requests, said = lab.tick(new_recordings)
    assert not requests
    assert "does not exist" in said
    assert not (tmp_path / "not mounted").exists()


def test_a_refused_file_is_read_again_once_its_frame_is_known(lab: RecordingsLab, tmp_path: Path) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN), toml='frame = "ours"\n')
    lab.serve(new_recordings)
    assert lab.tick(new_recordings)[0] == []
    (tmp_path / "ccf" / "frames.toml").write_text(
        '[ours]\ndescription = "d"\nsource = "s"\nxyz = ["ap", "dv", "ml"]\nunit = "um"\n'
        'dv_from = "corner"\nap = "posterior"\ndv = "down"\nml = "right"\n'
    )
    lab.serve(unregistered_sites)  # brings the frame into the database
    lab.serve(new_recordings)
    assert [row[3] for row in statuses(lab)] == ["assigned"] * 2
    assert lab.tick(new_recordings)[0] == []


OURS = (
    '[ours]\ndescription = "d"\nsource = "s"\nxyz = ["ap", "dv", "ml"]\nunit = "um"\n'
    'dv_from = "corner"\nap = "posterior"\ndv = "down"\nml = "right"\norigin_um = [{}, 0, 0]\n'
)


def test_a_file_is_looked_at_again_when_its_frame_changes(lab: RecordingsLab, tmp_path: Path) -> None:
    frames = tmp_path / "ccf" / "frames.toml"
    frames.write_text(OURS.format(0))
    lab.tick(unregistered_sites)  # brings the frame into the database
    lab.write("ours.csv", ("m", 0, *BRAIN), toml='frame = "ours"\n')
    lab.write("theirs.csv", ("n", 0, *BRAIN))
    lab.serve(new_recordings)
    assert lab.tick(new_recordings)[0] == []
    frames.write_text(OURS.format(-13_000))
    lab.serve(unregistered_sites)
    (result,) = lab.serve(new_recordings)
    assert "ours.csv: Every site lies outside" in (checks(result)["outside_volume"].description or "")
    assert lab.tick(new_recordings)[0] == []
    frames.write_text(OURS.format(0))
    lab.serve(unregistered_sites)
    (result,) = lab.serve(new_recordings)
    assert checks(result)["outside_volume"].passed
    assert lab.tick(new_recordings)[0] == []
    frames.write_text("[ours\n")
    requests, said = lab.tick(new_recordings)
    assert (requests, "not valid TOML" in said) == ([], True)


def test_a_file_is_looked_at_again_when_another_atlas_serves_as_the_brain(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN))
    lab.serve(new_recordings)
    assert lab.tick(new_recordings)[0] == []
    lab.tell("UPDATE ccf.recording_file SET looked_at_with = replace(looked_at_with, 'phantom_50um', 'x')")
    assert len(lab.serve(new_recordings)) == 1
    assert lab.tick(new_recordings)[0] == []


def test_a_site_that_its_file_gives_up_goes_to_the_file_that_claimed_it(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("m", 0, *BRAIN), ("m", 1, *BRAIN))
    lab.serve(new_recordings)
    lab.write("b.csv", ("m", 1, *BRAIN), ("m", 2, *BRAIN))
    lab.serve(new_recordings)
    assert lab.tick(new_recordings)[0] == []
    owner = "SELECT source FROM ccf.recording_site WHERE site_id = 1"
    assert lab.ask(owner) == [("a.csv",)]
    lab.write("a.csv", ("m", 0, *BRAIN))
    lab.serve(new_recordings)
    lab.serve(new_recordings)
    assert lab.ask(owner) == [("b.csv",)]
    assert lab.tick(new_recordings)[0] == []
    assert len(statuses(lab)) == 6


# --- unregistered_sites -----------------------------------------------------------------------------------


def test_inserted_rows_are_registered_by_the_next_run(lab: RecordingsLab) -> None:
    insert(lab, "own", 100_000)
    assert len(lab.serve(unregistered_sites)) == 1
    rows = "SELECT count(DISTINCT ccf_id), count(*) FROM ccf.recording_region WHERE status = 'assigned'"
    assert lab.ask(rows) == [(2, 200_000)]
    assert lab.tick(unregistered_sites) == ([], "Every site is registered in every loaded atlas.")


def green(lab: RecordingsLab) -> dict[str, tuple[int, int]]:
    """Asset → its partitions that are materialized, and all; of those in the group of recordings."""
    found = {}
    for key in defs.resolve_asset_graph().asset_keys_for_group("recordings"):
        keys = lab.instance.get_dynamic_partitions("recording")
        status = lab.instance.get_status_by_partition(key, keys, recording_partitions) or {}
        done = [one for one in status.values() if one == AssetPartitionStatus.MATERIALIZED]
        found[key.path[-1]] = len(done), len(keys)
    return found


def test_every_asset_of_recordings_is_whole_also_after_an_insert(lab: RecordingsLab) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    lab.serve(new_recordings)
    assert set(green(lab).values()) == {(1, 1)}
    insert(lab, "own", 3)
    lab.serve(unregistered_sites)
    assert set(green(lab).values()) == {(2, 2)}, green(lab)
    (last,) = lab.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("recording_site"), asset_partitions=["inserted"]), 1
    ).records
    assert last.asset_materialization is not None
    assert last.asset_materialization.metadata["dagster/partition_row_count"].value == 3


def test_all_sites_are_registered_in_an_atlas_that_comes_later(lab: RecordingsLab) -> None:
    last = "WHERE ccf_id = (SELECT max(ccf_id) FROM ccf.atlas)"
    lab.tell(f"CREATE TABLE later AS SELECT * FROM ccf.brain_surface {last}")
    lab.tell(f"DELETE FROM ccf.brain_surface {last}")
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    lab.serve(new_recordings)
    insert(lab, "own")
    lab.serve(unregistered_sites)
    assert len(statuses(lab)) == 2
    lab.tell("INSERT INTO ccf.brain_surface SELECT * FROM later")
    lab.tell("DROP TABLE later")
    lab.serve(unregistered_sites)
    assert len(statuses(lab)) == 4
    assert lab.tick(unregistered_sites)[0] == []


def test_files_without_sites_break_no_run_in_two(lab: RecordingsLab) -> None:
    in_order = [f"m{number}.csv" for number in range(1000)]
    lab.instance.add_dynamic_partitions("recording", in_order)
    lab.tell(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source) "
        "SELECT n, 0, 6600, 4000, 6700, 'ccf', 'm' || n || '.csv' "
        "FROM generate_series(0, 999) n WHERE n % 10 > 0"
    )
    requests, _ = lab.tick(unregistered_sites)
    assert len(requests) == 10
    keys = [key for request in requests for key in keys_of_run(request.tags, in_order) or ()]
    assert len(keys) == len(set(keys))
    assert set(keys) >= {key for number, key in enumerate(in_order) if number % 10}


def test_a_site_that_is_moved_by_sql_is_registered_anew(lab: RecordingsLab) -> None:
    insert(lab, "own", 3)
    lab.serve(unregistered_sites)
    lab.tell("UPDATE ccf.recording_site SET ap = -1 WHERE site_id = 1")
    assert len(statuses(lab)) == 4
    lab.serve(unregistered_sites)
    assert [row[3] for row in statuses(lab) if row[1] == 1] == ["outside_volume"] * 2
    assert lab.tick(unregistered_sites)[0] == []


def test_regions_reported_by_sql_are_compared_until_the_last_is_gone(lab: RecordingsLab) -> None:
    insert(lab, "own", 3)
    insert(lab, "silent", source="without reports")
    lab.serve(unregistered_sites)
    reports = "SELECT source, compared, agreeing FROM ccf.recording_agreement"
    assert lab.ask(reports) == []

    def compared() -> tuple[list[tuple[object, ...]], bool]:
        (result,) = lab.serve(unregistered_sites)
        assert lab.tick(unregistered_sites)[0] == []
        return lab.ask(reports), checks(result)["reported_region"].passed

    lab.tell("UPDATE ccf.recording_site SET reported_region = 'void' WHERE recording_id = 'own'")
    assert compared() == ([("inserted", 3, 0)], False)
    lab.tell("DELETE FROM ccf.recording_site WHERE site_id = 2")
    assert compared() == ([("inserted", 2, 0)], False)
    lab.tell(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, reported_region) "
        "VALUES ('own', 9, 1, 1, 1, 'ccf', 'void')"
    )
    assert compared() == ([("inserted", 3, 1)], False)
    lab.tell("UPDATE ccf.recording_site SET inserted_at = now()")
    assert lab.tick(unregistered_sites)[0] == [], "no report changed"
    lab.tell("DELETE FROM ccf.recording_agreement")  # as when the finest atlas is dropped
    assert compared() == ([("inserted", 3, 1)], False)
    lab.tell("UPDATE ccf.recording_site SET reported_region = NULL")
    assert compared() == ([], True)


def test_who_may_only_insert_sites_can(lab: RecordingsLab) -> None:
    lab.tell("DROP ROLE IF EXISTS guest")
    lab.tell("CREATE ROLE guest")
    lab.tell("GRANT USAGE ON SCHEMA ccf TO guest")
    lab.tell("GRANT INSERT ON ccf.recording_site TO guest")
    try:
        with lab.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL ROLE guest")
            connection.exec_driver_sql(
                "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, reported_region) "
                "VALUES ('own', 1, 6600, 4000, 6700, 'ccf', 'root')"
            )
    finally:
        lab.tell("DROP OWNED BY guest")
        lab.tell("DROP ROLE guest")


def test_the_sites_of_a_changed_frame_are_registered_anew(lab: RecordingsLab, tmp_path: Path) -> None:
    frames = tmp_path / "ccf" / "frames.toml"
    frames.write_text(OURS.format(0))
    lab.tick(unregistered_sites)
    insert(lab, "other")
    insert(lab, "own", source="own software")
    lab.tell("UPDATE ccf.recording_site SET frame = 'ours' WHERE recording_id = 'own'")
    lab.serve(unregistered_sites)
    assert {row[3] for row in statuses(lab)} == {"assigned"}
    assert lab.tick(unregistered_sites)[0] == []
    frames.write_text(OURS.format(-13_000))
    (request,), _ = lab.tick(unregistered_sites)
    assert lab.run(unregistered_sites, request).success
    assert [row[3] for row in statuses(lab)] == ["assigned"] * 2 + ["outside_volume"] * 2
    frames.write_text("[ours\n")
    requests, said = lab.tick(unregistered_sites)
    assert not requests
    assert "not valid TOML" in said


def test_sites_of_a_file_whose_run_is_alive_are_left_to_it(lab: RecordingsLab) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    lab.serve(new_recordings)
    lab.tell("DELETE FROM ccf.recording_region")
    run = lab.queue("register_recordings", range_tags("m1.csv", "m1.csv"))
    assert lab.tick(unregistered_sites)[0] == []
    lab.instance.report_run_failed(run)
    assert len(lab.tick(unregistered_sites)[0]) == 1


def test_inserted_rows_are_looked_at_as_files_are_and_stay(lab: RecordingsLab) -> None:
    insert(lab, "own", 10)
    lab.tell("UPDATE ccf.recording_site SET ap = ap / 1000, dv = dv / 1000, ml = ml / 1000")
    (result,) = lab.serve(unregistered_sites)
    check = checks(result)["inserted_sites"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "inserted, unit: The numbers look like mm" in (check.description or "")
    assert len(statuses(lab)) == 20
    assert lab.tick(unregistered_sites)[0] == []
    lab.tell("UPDATE ccf.recording_site SET ap = ap * 1000, dv = dv * 1000, ml = ml * 1000")
    (result,) = lab.serve(unregistered_sites)
    assert checks(result)["inserted_sites"].passed


def test_one_more_row_is_registered_and_no_other_touched(lab: RecordingsLab) -> None:
    insert(lab, "own", 1_000)
    lab.serve(unregistered_sites)
    before = lab.ask("SELECT recording_id, site_id, ccf_id, xmin FROM ccf.recording_region ORDER BY 1, 2, 3")
    insert(lab, "one more", 1)
    (result,) = lab.serve(unregistered_sites)
    events = result.get_asset_materialization_events()
    (made,) = [event.materialization for event in events if event.asset_key.path[-1] == "recording_region"]
    assert made.metadata["rows"].value == "0 deleted, 0 updated, 2 inserted"
    assert made.metadata["dagster/partition_row_count"].value == 2_002
    after = lab.ask("SELECT recording_id, site_id, ccf_id, xmin FROM ccf.recording_region ORDER BY 1, 2, 3")
    assert [row for row in after if row[0] == "own"] == before


def test_what_was_found_in_inserted_rows_is_said_until_they_change(lab: RecordingsLab) -> None:
    insert(lab, "own", 10)
    lab.tell("UPDATE ccf.recording_site SET ap = ap / 1000, dv = dv / 1000, ml = ml / 1000, source = 'rig'")
    lab.serve(unregistered_sites)
    insert(lab, "more", 10)
    (result,) = lab.serve(unregistered_sites)
    check = checks(result)["inserted_sites"]
    assert check.metadata["sites"].value == 10, "only the source of the run is looked at again"
    assert "rig, unit: The numbers look like mm" in (check.description or "")
    lab.write("a.csv", ("a", 0, 6600.0, 4000.0, 7000.0))
    (result,) = lab.serve(new_recordings)
    assert checks(result)["unit"].passed, "the rows are no file's"
    told = {source.source: source.warnings for source in sources.sources(lab.engine, lab.folder)}
    assert len(told["rig"]) > 0
    assert (told["inserted"], told["a.csv"]) == ([], [])
    lab.tell("DELETE FROM ccf.recording_site WHERE source = 'rig'")
    insert(lab, "most", 10)
    (result,) = lab.serve(unregistered_sites)
    assert checks(result)["inserted_sites"].passed


def test_a_run_whose_partition_was_deleted_stops_no_sensor(lab: RecordingsLab) -> None:
    lab.instance.add_dynamic_partitions("recording", ["a.csv", "b.csv"])
    lab.queue("register_recordings", range_tags("a.csv", "gone.csv"))
    lab.queue("register_recordings", range_tags("gone.csv", "gone.csv"))
    insert(lab, "own")
    assert len(lab.tick(unregistered_sites)[0]) == 1


def test_sources_that_look_strange_are_registered(lab: RecordingsLab) -> None:
    names = ["a,b", "[x]", 'say "hi"', "été", " blank ", "*", "100%", "a|b", "probe.csv"]
    for number, name in enumerate(names):
        insert(lab, f"r{number}", source=name)
    lab.serve(unregistered_sites)
    assert len(statuses(lab)) == 2 * len(names)
    assert lab.tick(unregistered_sites)[0] == []


# --- lost_runs --------------------------------------------------------------------------------------------


def test_a_run_whose_process_is_gone_is_ended(lab: RecordingsLab, clock: Clock) -> None:
    gone, going_on = lab.queue("register_sites", {}), lab.queue("register_sites", {})
    with alive(lab.instance, going_on.run_id):
        with alive(lab.instance, gone.run_id):
            assert lab.tick(lost_runs)[1] == "No run has lost its process."
        assert (
            lab.tick(lost_runs)[1]
            == f"Recorded as failed, because their processes were killed: {gone.run_id}."
        )
        assert lab.tick(lost_runs)[1] == "No run has lost its process."
        assert lab.status(gone) == dg.DagsterRunStatus.FAILURE
        assert lab.status(going_on) == dg.DagsterRunStatus.STARTED


def test_a_run_that_ends_just_after_it_let_go_of_its_lock_is_left_as_it_is(
    lab: RecordingsLab, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lab.queue("register_sites", {})
    with alive(lab.instance, run.run_id):
        pass
    succeeded = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
    monkeypatch.setattr(clock, "sleep", lambda _: lab.instance.report_dagster_event(succeeded, run.run_id))
    assert lab.tick(lost_runs)[1] == "No run has lost its process."
    assert lab.status(run) == dg.DagsterRunStatus.SUCCESS


def test_a_run_that_lost_its_connection_takes_its_lock_again(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "BEAT_S", 0.1)
    monkeypatch.setattr(liveness, "SECOND_LOOK_S", 1)
    run = lab.queue("register_sites", {})
    holders = (
        "FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE locktype = 'advisory' AND datname = current_database()"
    )
    with alive(lab.instance, run.run_id):
        ((holder,),) = lab.ask(f"SELECT pid {holders}")
        lab.tell("SELECT pg_terminate_backend(:pid)", pid=holder)
        assert lab.tick(lost_runs)[1] == "No run has lost its process."
        ((other,),) = lab.ask(f"SELECT pid {holders}")
    assert other != holder
    assert lab.ask(f"SELECT count(*) {holders}") == [(0,)]
    assert lab.tick(lost_runs)[1] == f"Recorded as failed, because their processes were killed: {run.run_id}."


def test_a_run_whose_process_was_killed_before_it_began_is_ended(lab: RecordingsLab, clock: Clock) -> None:
    run = lab.queue("load_atlas", {}, dg.DagsterRunStatus.NOT_STARTED)
    lab.instance.add_run_tags(run.run_id, liveness.alive_tag(run.run_id))
    with liveness.held(run.run_id):
        assert lab.tick(lost_runs)[1] == "No run has lost its process."
    assert lab.tick(lost_runs)[1] == f"Recorded as failed, because their processes were killed: {run.run_id}."
    assert lab.status(run) == dg.DagsterRunStatus.FAILURE


def test_a_run_that_repeats_a_lost_one_is_given_time_to_begin(lab: RecordingsLab, clock: Clock) -> None:
    lost = lab.queue("load_atlas", {})
    again = lab.queue("load_atlas", liveness.alive_tag(lost.run_id), dg.DagsterRunStatus.STARTING)
    lab.instance.report_engine_event("Started process", again)
    assert lab.tick(lost_runs)[1] == "No run has lost its process."


def test_a_run_that_was_made_and_never_begun_nor_heard_of_is_lost(lab: RecordingsLab, clock: Clock) -> None:
    run = lab.queue("load_atlas", {}, dg.DagsterRunStatus.NOT_STARTED)
    clock.now = time.time()
    assert lab.tick(lost_runs)[1] == "No run has lost its process."
    clock.now += liveness.SILENT_S + 1
    assert run.run_id in lab.tick(lost_runs)[1]


def test_a_process_that_was_killed_while_it_started_is_not_waited_for_long(
    lab: RecordingsLab, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as by the end of the UI: Dagster's own monitoring notices after five minutes."""
    monkeypatch.setattr(dg.DagsterInstance, "run_launcher", dg.DefaultRunLauncher())
    run = lab.queue("load_atlas", {}, dg.DagsterRunStatus.STARTING)
    lab.instance.report_engine_event("Started process", run)
    clock.now = time.time() + 30
    assert lab.tick(lost_runs)[1] == "No run has lost its process."
    clock.now += 31
    assert run.run_id in lab.tick(lost_runs)[1]


def test_a_run_that_waits_for_a_worker_is_not_lost_however_long_it_waits(
    lab: RecordingsLab, clock: Clock
) -> None:
    tags = {"dagster-celery/task_id": "1"}
    run = lab.queue("load_atlas", tags, dg.DagsterRunStatus.STARTING)
    clock.now = time.time() + liveness.SILENT_S + 1
    assert lab.tick(lost_runs)[1] == "No run has lost its process."
    with alive(lab.instance, run.run_id):  # the worker, which is killed before the run has begun
        pass
    assert run.run_id in lab.tick(lost_runs)[1]


def test_a_run_that_never_said_it_was_alive_is_lost_when_it_has_been_silent(
    lab: RecordingsLab, clock: Clock
) -> None:
    run = lab.queue("register_sites", {})
    lab.instance.report_engine_event("Started process", run)
    assert lab.tick(lost_runs)[1] == "No run has lost its process."
    clock.now += liveness.SILENT_S + 1
    assert run.run_id in lab.tick(lost_runs)[1]
    assert lab.status(run) == dg.DagsterRunStatus.FAILURE


# --- outdated_atlases -------------------------------------------------------------------------------------


@pytest.fixture
def loaded(lab: RecordingsLab, phantom_database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> RecordingsLab:
    """The phantom at 100 µm only, loaded in this lab's own Dagster instance."""
    lab.engine = phantom_database
    monkeypatch.setenv("CCF_POSTGRES_URL", libpq_url(phantom_database.url))
    holdings.drop_atlas(lab.engine, atlas_entry("phantom_50um").ccf_id)
    refresh(lab)
    job = defs.resolve_job_def("load_atlas")
    assert job.execute_in_process(instance=lab.instance, partition_key="phantom_100um").success
    return lab


def refresh(lab: RecordingsLab) -> None:
    config = {"ops": {"structure_graph": {"config": {"refresh": True}}}}
    job = defs.resolve_job_def("refresh_ontology")
    assert job.execute_in_process(instance=lab.instance, run_config=config).success


def test_an_unchanged_ontology_starts_nothing(loaded: RecordingsLab) -> None:
    assert loaded.tick(outdated_atlases)[0] == []
    refresh(loaded)
    assert loaded.tick(outdated_atlases) == ([], "Every loaded atlas is up to date.")


def test_a_changed_name_updates_the_regions_and_touches_no_voxel(
    loaded: RecordingsLab, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = loaded.ask("SELECT ('ccf.voxel_run_' || ccf_id)::regclass::oid FROM ccf.atlas")
    text = phantom_ontology.structure_graph_csv().decode()
    monkeypatch.setattr(
        phantom_ontology, "structure_graph_csv", lambda: text.replace("Caudoputamen", "Renamed").encode()
    )
    refresh(loaded)
    (request,), _ = loaded.tick(outdated_atlases)
    names = [key.path[-1] for key in request.asset_selection or ()]
    assert "brain_region" in names
    assert not {"annotation", "voxel_run", "brain_surface", "voxel"} & set(names)

    run = loaded.queue("load_atlas", {"dagster/partition": "phantom_100um"})
    clock.now += 1e6
    assert loaded.tick(outdated_atlases) == (  # while it runs
        [],
        "Runs are queued or in progress for phantom_100um; checked again when they have ended. "
        "Every other loaded atlas is up to date.",
    )
    loaded.instance.report_run_failed(run)
    (request,), _ = loaded.tick(outdated_atlases)  # it was killed
    assert loaded.tick(outdated_atlases)[0] == []
    assert loaded.run(outdated_atlases, request).success
    assert loaded.ask("SELECT count(*) FROM ccf.brain_region WHERE region_name LIKE '%Renamed%'") != [(0,)]
    assert loaded.ask("SELECT ('ccf.voxel_run_' || ccf_id)::regclass::oid FROM ccf.atlas") == before
    clock.now += 1e6
    assert loaded.tick(outdated_atlases)[0] == []


def test_an_atlas_of_another_source_is_left_alone(
    loaded: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phantom that was loaded before the source became the Allen Institute, with a run that was lost."""
    loaded.tell("DELETE FROM ccf.region_volume")
    loaded.instance.report_run_failed(loaded.queue("load_atlas", {"dagster/partition": "phantom_100um"}))
    assert len(loaded.tick(outdated_atlases)[0]) == 1
    loaded.queue("load_atlas", {"dagster/partition": "phantom_100um"})  # and one that is still going on
    monkeypatch.setenv("CCF_SOURCE", "allen")
    assert loaded.tick(outdated_atlases) == ([], "Every loaded atlas is up to date.")
    assert loaded.tick(changed_region_sets) == ([], "The region maps have not changed.")
    assert loaded.tick(unregistered_sites)[0] == []


def keys_of(lab: RecordingsLab, partitions: str) -> list[str]:
    return lab.instance.get_dynamic_partitions(partitions)


def test_an_atlas_in_the_database_becomes_a_partition_and_a_misspelt_key_is_none_for_long(
    loaded: RecordingsLab,
) -> None:
    """As when a database of an older version is used, or somebody adds a key in the UI."""
    for key in keys_of(loaded, "atlas"):
        loaded.instance.delete_dynamic_partition("atlas", key)
    loaded.instance.add_dynamic_partitions("atlas", ["phantom_25um", "phantom25"])
    run = loaded.queue("load_atlas", {"dagster/partition": "phantom25"})
    assert loaded.tick(outdated_atlases)[0] == []
    assert keys_of(loaded, "atlas") == ["phantom_25um", "phantom25", "phantom_100um"]
    loaded.instance.report_run_failed(run)
    assert loaded.tick(outdated_atlases)[0] == []
    assert keys_of(loaded, "atlas") == ["phantom_25um", "phantom_100um"]


def test_a_key_that_is_no_atlas_is_refused_in_one_sentence_that_names_the_keys(lab: RecordingsLab) -> None:
    lab.instance.add_dynamic_partitions("atlas", ["phantom_1mm"])
    done = defs.resolve_job_def("load_atlas").execute_in_process(
        instance=lab.instance, partition_key="phantom_1mm", raise_on_error=False
    )
    (failed,) = [event.step_failure_data for event in done.all_events if event.is_step_failure][:1]
    assert failed.user_failure_data is not None
    said = failed.user_failure_data.description or ""
    assert said.startswith("There is no atlas 'phantom_1mm' in the catalogue; did you mean phantom_")


def test_outdated_rows_follow_in_a_run_of_their_own_when_the_rest_is_done(
    loaded: RecordingsLab, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = defs.resolve_job_def("load_voxel_rows")
    assert rows.execute_in_process(instance=loaded.instance, partition_key="phantom_100um").success
    loaded.tell("DELETE FROM ccf.voxel_run")
    (request,), _ = loaded.tick(outdated_atlases)
    assert request.job_name == "load_atlas"
    assert dg.AssetKey("voxel") not in (request.asset_selection or ())
    assert loaded.run(outdated_atlases, request).success
    monkeypatch.setattr(freshness, "stale", lambda *_, **__: ["voxel"])
    clock.now += 1e6
    (request,), _ = loaded.tick(outdated_atlases)
    assert (request.job_name, request.asset_selection) == ("load_voxel_rows", None)
    assert loaded.run(outdated_atlases, request).success


@pytest.mark.parametrize("asset", ["voxel_run", "brain_surface"])
def test_all_sites_are_registered_anew_when_an_atlas_is_loaded_again(
    loaded: RecordingsLab, asset: str
) -> None:
    insert(loaded, "own", 3)
    loaded.serve(unregistered_sites)
    assert loaded.tick(unregistered_sites)[0] == []
    again = defs.resolve_job_def("load_atlas").execute_in_process(
        instance=loaded.instance, partition_key="phantom_100um", asset_selection=[dg.AssetKey(asset)]
    )
    assert again.success
    loaded.tell("UPDATE ccf.voxel_run SET region_id = 997")  # as if that had brought something else
    assert loaded.ask("SELECT count(*) FROM ccf.recording_region WHERE region_id = 997") == [(0,)]
    assert len(loaded.serve(unregistered_sites)) == 1
    assert loaded.ask("SELECT count(*) FROM ccf.recording_region WHERE region_id = 997") == [(3,)]
    assert loaded.tick(unregistered_sites) == ([], "Every site is registered in every loaded atlas.")


# --- changed_region_sets ----------------------------------------------------------------------------------

PHANTOMS = ["phantom_50um", "phantom_100um"]


@pytest.fixture
def maps(lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder of maps without one; at the end those that a test put there are gone from the database too."""
    folder = tmp_path / "maps"
    monkeypatch.setenv("CCF_REGION_SETS", str(folder))
    lab.serve(changed_region_sets)
    folder.mkdir()
    yield folder
    for file in folder.iterdir():
        file.unlink()
    lab.serve(changed_region_sets)


def asked(lab: RecordingsLab) -> list[str | None]:
    return [request.partition_key for request in lab.tick(changed_region_sets)[0]]


def test_the_maps_are_read_again_when_a_file_comes_changes_or_goes(lab: RecordingsLab, maps: Path) -> None:
    assert lab.tick(changed_region_sets) == ([], "The region maps have not changed.")
    file = maps / "m.csv"
    for text in ("set,region,group\nmine,CTX,x\n", "set,region,group\nmine,CTX,y\n", None):
        file.write_text(text, "utf-8") if text else file.unlink()
        assert len(lab.serve(changed_region_sets)) == len(PHANTOMS)
        assert asked(lab) == []


def test_changed_maps_are_asked_for_again_when_a_run_was_lost(
    lab: RecordingsLab, maps: Path, clock: Clock
) -> None:
    (maps / "m.csv").write_text("set,region,group\nmine,CTX,x\n", "utf-8")
    assert asked(lab) == PHANTOMS
    assert asked(lab) == []
    clock.now += 31
    run = lab.queue("load_region_sets", {"dagster/partition": "phantom_50um"})
    assert asked(lab) == ["phantom_100um"]
    lab.instance.report_run_failed(run)
    assert asked(lab) == ["phantom_50um"]
    clock.now += 61
    assert len(lab.serve(changed_region_sets)) == len(PHANTOMS)
    clock.now += 1e6
    assert lab.tick(changed_region_sets) == ([], "The region maps have not changed.")


def test_a_map_that_was_refused_is_not_read_again_before_it_changes(
    lab: RecordingsLab, maps: Path, clock: Clock
) -> None:
    file = maps / "m.csv"
    file.write_text("set,region,group\nmine,NoSuchRegion,x\n", "utf-8")
    assert len(lab.serve(changed_region_sets)) == len(PHANTOMS)
    clock.now += 1e6
    assert asked(lab) == []
    file.write_text("set,region,group\nmine,CTX,x\n", "utf-8")
    assert asked(lab) == PHANTOMS


# --- tags of runs -----------------------------------------------------------------------------------------


def tags_of(lab: RecordingsLab, result: dg.ExecuteInProcessResult) -> dict[str, str]:
    run = lab.instance.get_run_by_id(result.run_id)
    assert run is not None
    return {tag: value for tag, value in run.tags.items() if tag.startswith("ccf/")}


def test_runs_are_found_by_who_launched_them_their_atlas_their_files_and_those_refused(
    lab: RecordingsLab,
) -> None:
    lab.write("good.csv", ("m", 0, *BRAIN))
    lab.write("bad.csv", ("n", 0, "left", 1, 1))
    (result,) = lab.serve(new_recordings)
    assert tags_of(lab, result) == {
        "ccf/kind": "recordings",
        "ccf/launched_by": "sensor",
        "ccf/files": "2",
        "ccf/refused": "1",
    }
    by_hand = defs.resolve_job_def("load_region_sets").execute_in_process(
        instance=lab.instance, partition_key="phantom_100um"
    )
    assert tags_of(lab, by_hand) == {
        "ccf/kind": "load",
        "ccf/launched_by": "ui",
        "ccf/atlas": "phantom_100um",
    }


def test_a_check_that_looked_at_nothing_is_skipped_not_passed(lab: RecordingsLab) -> None:
    lab.write("m1.csv", ("m1", 0, *BRAIN))
    (result,) = lab.serve(new_recordings)
    assert "reported_region" not in checks(result)
    lab.tell("DELETE FROM ccf.recording_region")
    (result,) = lab.serve(unregistered_sites)
    assert "inserted_sites" not in checks(result)
    grouped = defs.resolve_job_def("load_region_sets").execute_in_process(
        instance=lab.instance, partition_key="phantom_100um"
    )
    assert "region_maps_taken" not in checks(grouped)
