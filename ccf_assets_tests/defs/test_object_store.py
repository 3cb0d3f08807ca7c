"""Recordings and region sets in an object store, from the sensor to the regions; and no store at all."""

from __future__ import annotations

import pytest

from ccf_assets.cli import load, load_tasks
from ccf_assets.defs.sensors import changed_region_sets, new_recordings
from ccf_assets.errors import PassingError
from ccf_assets.recordings import sources
from ccf_assets.settings import recordings
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
    """A lab whose recordings are in the bucket: one file, and settings of its folder."""
    monkeypatch.setenv("CCF_RECORDINGS", "s3://lab/rec")
    monkeypatch.setattr("ccf_assets.defs.sensors._memo", {})
    store.put("rec/recordings.toml", 'frame = "ccf"\n')
    store.put("rec/day 1/a.csv", HEADER + BRAIN)
    store.forget()
    return lab


def states(lab: RecordingsLab) -> dict[str, str | None]:
    """What `ccf-assets recordings` says of each source."""
    return {each.source: each.state for each in sources.sources(lab.engine, recordings())}


def test_objects_are_registered_once_and_again_when_they_change(
    lab: RecordingsLab, store: ObjectStore
) -> None:
    lab.serve(new_recordings)
    assert lab.ask(STATUSES) == [("day 1/a.csv", 0, "assigned")] * 2
    assert store.read == ["rec/day 1/a.csv", "rec/recordings.toml"]
    store.forget()
    assert lab.tick(new_recordings) == ([], "1 file, nothing new.")
    assert states(lab) == {"day 1/a.csv": "read"}
    assert store.read == []
    store.put("rec/day 1/a.csv", HEADER + BRAIN + BRAIN.replace("m,0", "m,1"))
    assert states(lab) == {"day 1/a.csv": "changed since it was read"}
    lab.serve(new_recordings)
    assert lab.ask(STATUSES) == [("day 1/a.csv", 0, "assigned")] * 2 + [("day 1/a.csv", 1, "assigned")] * 2
    assert store.read == ["rec/day 1/a.csv", "rec/recordings.toml"]


def test_objects_that_are_refused_or_gone_leave_all_sites(lab: RecordingsLab, store: ObjectStore) -> None:
    lab.serve(new_recordings)
    before = lab.ask(STORED)
    store.put("rec/day 1/a.csv", "recording_id,x\nr,1\n")
    lab.serve(new_recordings)
    ((sentence,),) = lab.ask("SELECT sentence FROM ccf.recording_finding WHERE blocking")
    assert "s3://lab/rec/day 1/a.toml" in str(sentence)
    store.delete("rec/day 1/a.csv")
    assert states(lab) == {"day 1/a.csv": "the file is gone; its sites stay"}
    lab.serve(new_recordings)
    assert lab.ask(STORED)[0][:2] == before[0][:2] == (1, 2)


def test_a_store_that_cannot_be_read_is_said_and_nothing_is_deleted(
    lab: RecordingsLab,
    store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lab.serve(new_recordings)
    before = lab.ask(STORED)
    store.put("rec/new.csv", HEADER + "n,0,6600,4000,6700\n")
    (request,), _ = lab.tick(new_recordings)
    monkeypatch.setattr("ccf_assets.objects.RETRY_S", 0.1)

    def said() -> str:
        requests, sentence = lab.tick(new_recordings)
        assert requests == []
        return sentence

    store.refuse = "403 Forbidden", "AccessDenied"
    assert said().startswith(
        "The store refuses access to s3://lab/rec (AccessDenied); check AWS_ACCESS_KEY_ID"
    )
    result = lab.run(new_recordings, request)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "The store refuses access to s3://lab/rec (AccessDenied)" in str(failure)
    store.refuse = "503 Service Unavailable", ""
    assert said().startswith(
        "The object store of s3://lab/rec cannot be reached: it answered with HTTP status"
    )
    with pytest.raises(PassingError, match="cannot be reached"):
        states(lab)
    store.refuse = None
    monkeypatch.setenv("CCF_RECORDINGS", "s3://gone/rec")
    assert said().startswith("There is no bucket gone for s3://gone/rec")
    monkeypatch.setenv("CCF_RECORDINGS", "s3://lab/rec")
    for name in ("recordings.toml", "day 1/a.csv", "new.csv"):
        store.delete(f"rec/{name}")
    assert said().startswith(
        "There is no object below s3://lab/rec; put files of sites there, or correct CCF_"
    )
    assert states(lab) == {"day 1/a.csv": "its folder does not exist; its sites stay"}
    monkeypatch.setattr(load_tasks, "_dagster", lambda: (lab.definitions, lab.instance))
    load.report(load_tasks.register_recordings("recordings", False))
    out, err = capfd.readouterr()
    assert "There is no object below s3://lab/rec; put files" in err
    assert lab.ask(STORED) == before
    assert SECRET not in f"{out}{err}{failure}"


def test_an_object_that_may_not_be_read_is_asked_for_again_though_it_stays_the_same(
    lab: RecordingsLab, store: ObjectStore
) -> None:
    def refuse_file(path: str) -> None:
        store.refuse = ("403 Forbidden", "AccessDenied") if path.endswith("a.csv") else None

    store.before = refuse_file
    lab.serve(new_recordings)
    ((digest, refused),) = lab.ask("SELECT digest, refused FROM ccf.recording_file")
    assert (digest, refused) == ("", True)
    assert "changed since" in str(states(lab)["day 1/a.csv"])


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
    store.put("maps/README", "The maps of the lab; none now.")
    lab.serve(changed_region_sets)
    assert lab.ask(mine) == []
