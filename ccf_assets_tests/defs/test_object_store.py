"""Recordings and region sets in an object store, from the sensor to the regions; and a store that is not there."""

from __future__ import annotations

import time

import pytest

from ccf_assets.cli import load, loading
from ccf_assets.defs.sensors import changed_region_sets, new_recordings
from ccf_assets.recordings import sources
from ccf_assets.recordings.scan.stamps import SETTLE_S
from ccf_assets.settings import recordings_place
from ccf_assets_tests.support.object_store import SECRET, ObjectStore
from ccf_assets_tests.support.recordings_lab import RecordingsLab

HEADER = "recording_id,site_id,x,y,z\n"

BRAIN = "m,0,6600,4000,6700\n"

STATUSES = "SELECT source, site_id, status FROM ccf.recording_region ORDER BY 1, 2, ccf_id"

STORED = (
    "SELECT (SELECT count(*) FROM ccf.recording_site), (SELECT count(*) FROM ccf.recording_region), "
    "(SELECT count(*) FROM ccf.recording_file), (SELECT count(*) FROM ccf.recording_finding)"
)


@pytest.fixture
def lab(lab: RecordingsLab, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> RecordingsLab:
    """A lab whose recordings are in the bucket: a good file, and one that is refused."""
    monkeypatch.setenv("CCF_RECORDINGS", "s3://lab/rec")
    monkeypatch.setattr("ccf_assets.defs.sensors._memo", {})
    store.put("rec/recordings.toml", 'frame = "ccf"\n')
    store.put("rec/day 1/a.csv", HEADER + BRAIN)
    store.put("rec/bad.csv", "recording_id,x\nr,1\n")
    return lab


def test_objects_are_registered_once_and_again_when_they_change(
    lab: RecordingsLab, store: ObjectStore
) -> None:
    store.forget()
    lab.serve(new_recordings)
    assert lab.ask(STATUSES) == [("day 1/a.csv", 0, "assigned")] * 2
    ((sentence,),) = lab.ask("SELECT sentence FROM ccf.recording_finding WHERE source = 'bad.csv'")
    assert str(sentence).startswith("s3://lab/rec/bad.csv"), sentence
    read = store.read
    assert read == ["rec/bad.csv", "rec/day 1/a.csv", *["rec/recordings.toml"] * 2]
    store.forget()
    assert lab.tick(new_recordings)[0] == []
    assert store.read == []
    store.put("rec/day 1/a.csv", HEADER + BRAIN + BRAIN.replace("m,0", "m,1"))
    lab.serve(new_recordings)
    assert lab.ask(STATUSES) == [("day 1/a.csv", 0, "assigned")] * 2 + [("day 1/a.csv", 1, "assigned")] * 2
    assert store.read == ["rec/day 1/a.csv", "rec/recordings.toml"]


def test_an_object_that_is_gone_leaves_its_sites(lab: RecordingsLab, store: ObjectStore) -> None:
    lab.serve(new_recordings)
    before = lab.ask(STATUSES)
    store.delete("rec/day 1/a.csv")
    store.delete("rec/bad.csv")
    store.put("rec/c.csv", HEADER + "c,0,6600,4000,6700\n")
    lab.serve(new_recordings)
    assert lab.ask(STATUSES) == [("c.csv", 0, "assigned")] * 2 + before
    assert lab.ask("SELECT source FROM ccf.recording_finding") == []
    states = {each.source: each.state for each in sources.sources(lab.engine, recordings_place())}
    assert states["day 1/a.csv"] == "the file is gone; its sites stay"


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("empty", "There is no object below s3://lab/rec; put files of sites there"),
        ("bucket", "There is no bucket gone for s3://gone/rec"),
        ("denied", "The store refuses access to s3://lab/rec (AccessDenied)"),
        ("unreachable", "The object store of s3://lab/rec cannot be reached: "),
    ],
)
def test_a_store_that_cannot_be_read_is_said_and_nothing_is_deleted(
    lab: RecordingsLab,
    store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
    sentence: str,
) -> None:
    lab.serve(new_recordings)
    before = lab.ask(STORED)
    store.put("rec/new.csv", HEADER + "n,0,6600,4000,6700\n")
    (request,), _ = lab.tick(new_recordings)
    monkeypatch.setattr("ccf_assets.objects.RETRY_S", 0.1)
    if trouble == "empty":
        for name in ("recordings.toml", "day 1/a.csv", "bad.csv", "new.csv"):
            store.delete(f"rec/{name}")
    elif trouble == "bucket":
        monkeypatch.setenv("CCF_RECORDINGS", "s3://gone/rec")
    elif trouble == "denied":
        store.refuse = "403 Forbidden", "AccessDenied"
    else:
        store.refuse = "503 Service Unavailable", ""
    requests, said = lab.tick(new_recordings)
    assert requests == []
    assert sentence in said
    result = lab.run(new_recordings, request)
    assert not result.success
    failed = "".join(event.message or "" for event in result.all_events if event.is_failure)
    data = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert sentence in str(data) or "another folder" in str(data) or "from the folder of recordings" in str(data)
    assert lab.ask(STORED) == before
    assert SECRET not in f"{failed}{data}{caplog.text}{said}"


def test_the_commands_know_the_bucket(
    lab: RecordingsLab,
    store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lab.serve(new_recordings)
    found = {each.source: each for each in sources.sources(lab.engine, recordings_place())}
    assert found["day 1/a.csv"].state == "read"
    assert found["bad.csv"].refused
    assert sources.missing_folder(recordings_place(), []) is None
    for name in ("recordings.toml", "day 1/a.csv", "bad.csv"):
        store.delete(f"rec/{name}")
    states = {each.source: each.state for each in sources.sources(lab.engine, recordings_place())}
    assert states["day 1/a.csv"] == "its folder does not exist; its sites stay"
    monkeypatch.setattr(loading, "_dagster", lambda: (lab.definitions, lab.instance))
    load.report(loading._register_recordings("recordings", False))
    assert "There is no object below s3://lab/rec" in capsys.readouterr().err


def test_region_sets_in_a_bucket_are_taken_and_stay_when_it_cannot_be_reached(
    lab: RecordingsLab, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = "SELECT ccf_id, source FROM ccf.region_set WHERE set_name = 'mine' ORDER BY 1"
    monkeypatch.setenv("CCF_REGION_SETS", "s3://lab/maps")
    store.put("maps/m.csv", "set,region,group\nmine,CTX,x\n")
    assert all(result.success for result in lab.serve(changed_region_sets))
    assert lab.ask(mine) == [(903, "m.csv"), (904, "m.csv")]
    store.forget()
    assert lab.tick(changed_region_sets) == ([], "The region maps have not changed.")
    assert store.read == []
    monkeypatch.setattr("ccf_assets.objects.RETRY_S", 0.1)
    store.refuse = "403 Forbidden", "AccessDenied"
    requests, said = lab.tick(changed_region_sets)
    assert requests == []
    assert said.startswith("The store refuses access to s3://lab/maps (AccessDenied)")
    store.refuse = None
    store.delete("maps/m.csv")
    requests, said = lab.tick(changed_region_sets)
    assert requests == []
    assert said.startswith("There is no object below s3://lab/maps; put files of region sets there")
    assert lab.ask(mine) == [(903, "m.csv"), (904, "m.csv")]
    monkeypatch.setenv("CCF_REGION_SETS", "")
    lab.serve(changed_region_sets)
    assert lab.ask(mine) == []


def test_nothing_waits_in_a_store(lab: RecordingsLab) -> None:
    """An object is whole when it appears."""
    from ccf_assets.recordings.folders import folder_of

    scan = folder_of(lab.engine, recordings_place()).scan(time.time(), SETTLE_S)
    assert scan.waiting == {}
    assert list(scan.files) == ["bad.csv", "day 1/a.csv"]
