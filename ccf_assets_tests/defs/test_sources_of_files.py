"""What is a file and whose sites are whose: names that labs gave their rows, renamed files, killed runs."""

from __future__ import annotations

import pytest

from ccf_assets.defs.sensors import new_recordings, unregistered_sites
from ccf_assets.recordings import ownership
from ccf_assets.recordings.sources import sources
from ccf_assets_tests.support.recordings_lab import RecordingsLab

BRAIN = (6600, 4000, 6700)

INSERT = (
    "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source) "
    "VALUES ('m7', 0, 6600, 4000, 6700, 'ccf', '{}')"
)


def states(lab: RecordingsLab) -> dict[str, str | None]:
    return {each.source: each.state for each in sources(lab.engine, lab.folder)}


def write_tabs(lab: RecordingsLab, name: str, *sites: tuple[object, ...]) -> None:
    path = lab.write(name, *sites)
    path.write_text(path.read_text("utf-8").replace(",", "\t"), "utf-8")
    lab.age(path)


def owners(lab: RecordingsLab) -> list[tuple[object, ...]]:
    return lab.ask("SELECT recording_id, site_id, source FROM ccf.recording_site ORDER BY 1, 2")


def test_rows_that_a_lab_called_after_a_file_stay_its_own(lab: RecordingsLab) -> None:
    lab.tell(INSERT.format("mouse 7.tsv"))
    lab.serve(unregistered_sites)
    assert states(lab) == {"mouse 7.tsv": None}
    write_tabs(lab, "mouse 7.tsv", ("m7", 1, *BRAIN))
    requests, _ = lab.tick(new_recordings)
    assert requests == []
    assert owners(lab) == [("m7", 0, "mouse 7.tsv")]
    assert states(lab) == {"mouse 7.tsv": "not read: rows of this name were inserted by SQL"}
    assert lab.ask("SELECT count(*) FROM ccf.recording_region WHERE source = 'mouse 7.tsv'")[0][0]


def test_a_file_whose_run_was_killed_while_it_stored_is_read_again(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tabs(lab, "a.tsv", ("a", 0, *BRAIN))

    def killed(*_: object) -> object:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("ccf_assets.defs.assets.recordings.findings_of_others", killed)
        requests, _ = lab.tick(new_recordings)
        assert not lab.run(new_recordings, requests[0]).success
    assert owners(lab) == [("a", 0, "a.tsv")]
    assert ownership.of_files(lab.engine, ["a.tsv"]) == {"a.tsv"}
    assert states(lab) == {"a.tsv": "changed since it was read"}
    assert lab.run(new_recordings, requests[0]).success
    assert states(lab) == {"a.tsv": "read"}


def test_the_sites_of_a_renamed_file_follow_it(lab: RecordingsLab) -> None:
    path = lab.write("before.csv", ("m", 0, *BRAIN), ("m", 1, *BRAIN))
    lab.serve(new_recordings)
    path.rename(lab.folder / "after.csv")
    path.with_suffix(".toml").rename(lab.folder / "after.toml")
    lab.serve(new_recordings)
    lab.serve(new_recordings)  # forgets the file that is gone and has no site
    assert owners(lab) == [("m", 0, "after.csv"), ("m", 1, "after.csv")]
    assert states(lab) == {"after.csv": "read"}
    regions = "SELECT DISTINCT source, status FROM ccf.recording_region"
    assert lab.ask(regions) == [("after.csv", "assigned")]


def test_sites_that_only_the_gone_file_had_stay_with_it(lab: RecordingsLab) -> None:
    path = lab.write("before.csv", ("m", 0, *BRAIN), ("m", 1, *BRAIN))
    lab.serve(new_recordings)
    path.unlink()
    lab.write("after.csv", ("m", 1, *BRAIN), ("m", 2, *BRAIN))
    lab.serve(new_recordings)
    assert owners(lab) == [("m", 0, "before.csv"), ("m", 1, "after.csv"), ("m", 2, "after.csv")]
    assert states(lab)["before.csv"] == "the file is gone; its sites stay"


def test_the_settings_of_a_folder_do_not_overrule_what_a_format_states(lab: RecordingsLab) -> None:
    lab.write("recordings.toml", toml=None).write_text(
        'frame = "ccf"\nkeep = ["x"]\n[columns]\nrecording_id = "subject"\n', "utf-8"
    )
    place = '{"channel_0": {"x": 2000, "y": -3000, "z": -1000}, "origin": {"bregma": [0, 0, 0]}}'
    path = lab.write("channel_locations.json", toml=None)
    path.write_text(place, "utf-8")
    lab.age(path, lab.folder / "recordings.toml")
    lab.serve(new_recordings)
    assert lab.ask("SELECT frame, details FROM ccf.recording_site") == [("ibl_um", None)]
    path.with_suffix(".toml").write_text('frame = "ibl_ccf"\nrecording_id = "mine"\n', "utf-8")
    lab.age(path.with_suffix(".toml"))
    path.write_text(place.replace("2000", "6600").replace("-3000", "4000").replace("-1000", "6700"), "utf-8")
    lab.age(path)
    lab.serve(new_recordings)
    assert lab.ask("SELECT recording_id, frame, ap FROM ccf.recording_site") == [("mine", "ibl_ccf", 6600.0)]
