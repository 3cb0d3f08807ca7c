"""Files to sites to regions: each file for itself, the first keeps a site, and what is wrong is said."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from ccf_assets.atlas.export import export
from ccf_assets.cli import load, recordings
from ccf_assets.cli.outcome import Outcome, failure
from ccf_assets.db import loaded
from ccf_assets.db.frames import keep_frames
from ccf_assets.definitions import defs
from ccf_assets.defs.partitions import recording_partitions
from ccf_assets.defs.sensors import unregistered_sites
from ccf_assets.pg import store as pg_store
from ccf_assets.pg.write import Write
from ccf_assets.recordings import intake, sources
from ccf_assets.runs.tags import range_tags
from ccf_assets_tests.support.recordings_lab import EMPTY, RecordingsLab, checks, refused_in

RECORDINGS = (
    "recording_site",
    "recording_claim",
    "recording_finding",
    "recording_file",
    "recording_region",
    "recording_agreement",
)

BRAIN, OTHER, OUT = (6600, 4000, 6700), (6000, 3500, 4000), (1, 1, 1)


def register(lab: RecordingsLab, *keys: str) -> dg.ExecuteInProcessResult:
    """One run over files, from the first to the last in the order in which they became known.

    It fails where it refuses some, and the sensor then registers the sites of the others.
    """
    there = lab.instance.get_dynamic_partitions("recording")
    lab.instance.add_dynamic_partitions("recording", [key for key in keys if key not in there])
    result = defs.resolve_job_def("register_recordings").execute_in_process(
        instance=lab.instance, tags=range_tags(keys[0], keys[-1]), raise_on_error=False
    )
    if refused_in(result):
        lab.serve(unregistered_sites)
    return result


def sites(lab: RecordingsLab) -> list[tuple[object, ...]]:
    return lab.ask("SELECT recording_id, site_id, ap, source FROM ccf.recording_site ORDER BY 1, 2")


def files(lab: RecordingsLab) -> dict[object, tuple[object, ...]]:
    """Source → rows, why it was refused, what is suspicious about it."""
    rows = lab.ask(
        "SELECT f.source, f.sites, string_agg(d.sentence, ' ') FILTER (WHERE d.blocking), "
        "string_agg(d.sentence, ' ') FILTER (WHERE NOT d.blocking) "
        "FROM ccf.recording_file f LEFT JOIN ccf.recording_finding d USING (source) GROUP BY 1, 2"
    )
    return {source: tuple(rest) for source, *rest in rows}


def test_a_changed_file_replaces_its_own_sites_only(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN), ("a", 1, *BRAIN))
    lab.write("b.csv", ("b", 0, *BRAIN))
    register(lab, "a.csv", "b.csv")
    before = lab.ask("SELECT inserted_at FROM ccf.recording_site WHERE recording_id = 'b'")
    lab.write("a.csv", ("a", 1, *OTHER), ("a", 2, *OUT))
    register(lab, "a.csv")
    assert sites(lab) == [("a", 1, 6000.0, "a.csv"), ("a", 2, 1.0, "a.csv"), ("b", 0, 6600.0, "b.csv")]
    assert lab.ask("SELECT inserted_at FROM ccf.recording_site WHERE recording_id = 'b'") == before
    regions = (
        "SELECT recording_id, site_id, x, status FROM ccf.recording_region WHERE ccf_id = :id ORDER BY 1, 2"
    )
    (ccf_id,) = lab.ask("SELECT min(ccf_id) FROM ccf.atlas")[0]
    assert lab.ask(regions, id=ccf_id) == [
        ("a", 1, 6000.0, "assigned"),
        ("a", 2, 1.0, "outside_brain"),
        ("b", 0, 6600.0, "assigned"),
    ]


def test_a_file_that_becomes_bad_keeps_its_old_sites_and_holds_back_no_other(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN))
    register(lab, "a.csv")
    lab.write("a.csv", ("a", 0, *BRAIN), ("a", 0, *OTHER))
    lab.write("b.csv", ("b", 0, "left", 1, 1))
    lab.write("c.csv", ("c", 0, *BRAIN), toml=None)
    lab.write("d.csv", ("d", 0, *BRAIN))
    (lab.folder / "e.csv").write_bytes(b"\xff\xfe\0")
    lab.age(lab.folder / "e.csv")
    result = register(lab, "a.csv", "b.csv", "c.csv", "d.csv", "e.csv")
    bad = {"a.csv", "b.csv", "c.csv", "e.csv"}
    assert refused_in(result) == bad
    found = checks(result)
    states = {each.source: each.state for each in sources.sources(lab.engine, lab.folder)}
    assert states["a.csv"] == "refused; its sites are those of before"
    assert (states["b.csv"], states["d.csv"]) == ("read", "read")
    assert sites(lab) == [("a", 0, 6600.0, "a.csv"), ("d", 0, 6600.0, "d.csv")]
    assert {key for key, row in files(lab).items() if row[1]} == bad
    assert not found["duplicate_sites"].passed
    assert found["duplicate_sites"].severity == dg.AssetCheckSeverity.ERROR
    text = found["readable"].description or ""
    assert "not a number" in text
    assert "Write this line at the top of" in text
    assert "UTF-8" in text


def test_the_partition_of_a_refused_file_is_not_green_until_it_is_mended(lab: RecordingsLab) -> None:
    def statuses(*keys: str) -> dict[str, dict[str, AssetPartitionStatus | None]]:
        return {
            name: dict(
                lab.instance.get_status_by_partition(dg.AssetKey(name), list(keys), recording_partitions)
                or {}
            )
            for name in RECORDINGS
        }

    good, bad = AssetPartitionStatus.MATERIALIZED, AssetPartitionStatus.FAILED
    lab.write("good.csv", ("g", 0, *BRAIN))
    lab.write("wrong.csv", ("w", 0, "left", 1, 1))
    register(lab, "good.csv", "wrong.csv")
    assert sites(lab) == [("g", 0, 6600.0, "good.csv")]
    for name, status in statuses("good.csv", "wrong.csv").items():
        assert status == {"good.csv": good, "wrong.csv": bad}, name
    lab.write("wrong.csv", ("w", 0, *BRAIN))
    register(lab, "wrong.csv")
    assert {name: status["wrong.csv"] for name, status in statuses("wrong.csv").items()} == dict.fromkeys(
        RECORDINGS, good
    )


def test_checks_that_a_refused_file_did_not_come_to_say_so(lab: RecordingsLab) -> None:
    """They are not skipped, because Dagster shows a skipped check of a failed step as failed."""
    lab.write("wrong.csv", ("w", 0, "left", 1, 1))
    found = checks(register(lab, "wrong.csv"))
    assert [name for name, check in found.items() if not check.passed] == ["readable"]
    said = {check.description for name, check in found.items() if name != "readable"}
    assert said == {"Not looked at: no file of this run came to it."}


def test_the_check_of_a_file_alone_is_refused_in_words(lab: RecordingsLab) -> None:
    """The UI offers to execute it, without a partition."""
    key = dg.AssetCheckKey(dg.AssetKey("recording_finding"), "readable")
    job = defs.get_implicit_global_asset_job_def()
    result = job.get_subset(asset_check_selection={key}, asset_selection=[]).execute_in_process(
        instance=lab.instance, raise_on_error=False
    )
    assert failure(result).sentence == (
        "Files are checked while they are read: materialize recording_finding for a file."
    )


def test_one_table_alone_cannot_be_written_so_the_run_of_one_writes_all_four(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN), ("a", 1, *OUT))
    lab.instance.add_dynamic_partitions("recording", ["a.csv"])
    result = defs.resolve_job_def("register_recordings").execute_in_process(
        instance=lab.instance, partition_key="a.csv", asset_selection=[dg.AssetKey("recording_site")]
    )
    assert checks(result) == {}
    assert sites(lab) == [("a", 0, 6600.0, "a.csv"), ("a", 1, 1.0, "a.csv")]
    assert set(files(lab)) == {"a.csv"}
    made = ("recording_site", "recording_claim", "recording_finding", "recording_file")
    for name in made:
        assert lab.instance.get_materialized_partitions(dg.AssetKey(name)) == {"a.csv"}


def test_the_failure_of_a_run_names_the_refused_file_and_says_what_to_do(lab: RecordingsLab) -> None:
    lab.write("good.csv", ("g", 0, *BRAIN))
    lab.write("wrong.csv", ("w", 0, "left", 1, 1))
    found = failure(register(lab, "good.csv", "wrong.csv"))
    assert found.refused_files
    assert found.sentence.startswith("wrong.csv was refused: ")
    assert found.sentence.endswith(
        "The sites of 1 other file of this run are stored. Correct the file or its .toml; it is read again "
        "when it has changed."
    )


def test_a_failure_that_nobody_thought_of_refuses_its_file_only(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = intake.read_sites

    def fail(folder: Path, key: str, *others: object) -> object:
        if key == "a.csv":
            raise ZeroDivisionError("of some kind")
        return read(folder, key, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(intake, "read_sites", fail)
    lab.write("a.csv", ("a", 0, *BRAIN))
    lab.write("b.csv", ("b", 0, *BRAIN))
    register(lab, "a.csv", "b.csv")
    assert [row[0] for row in sites(lab)] == ["b"]
    assert "ZeroDivisionError: of some kind" in str(files(lab)["a.csv"][1])


def test_a_deleted_file_keeps_its_sites(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN)).unlink()
    lab.write("a.csv", ("a", 0, *BRAIN))
    register(lab, "a.csv")
    (lab.folder / "a.csv").unlink()
    register(lab, "a.csv")
    assert len(sites(lab)) == 1
    assert files(lab) == {}


def test_of_two_files_that_claim_a_site_the_first_keeps_it(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("m", 0, *BRAIN), ("m", 1, *BRAIN))
    lab.write("b.csv", ("m", 1, *OTHER), ("m", 2, *OTHER))
    claimed = checks(register(lab, "a.csv", "b.csv"))["claimed_elsewhere"]
    expected = [("m", 0, 6600.0, "a.csv"), ("m", 1, 6600.0, "a.csv"), ("m", 2, 6000.0, "b.csv")]
    assert sites(lab) == expected
    assert not claimed.passed
    assert "b.csv: 1 of 2 sites (50.0 %) belong to another source already, which keeps them: a.csv (1)" in (
        claimed.description or ""
    )
    assert "belong to another source already" in str(files(lab)["b.csv"][2])
    register(lab, "a.csv", "b.csv")
    assert sites(lab) == expected


def test_of_two_files_in_one_run_the_older_keeps_a_site(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("m", 0, *BRAIN))
    lab.age(lab.write("b.csv", ("m", 0, *OTHER)), seconds=3600)
    register(lab, "a.csv", "b.csv")
    assert sites(lab) == [("m", 0, 6000.0, "b.csv")]


def test_sites_of_a_refused_file_cannot_be_deleted_while_they_are_written_back(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN))
    register(lab, "a.csv")
    lab.write("a.csv", ("a", 0, "left", 1, 1))
    write, told = pg_store.merge, []

    def merge(writing: Write, *rest: Any, **options: Any) -> Any:
        if writing.target.table.name == "recording_site":
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                lab.tell("SET lock_timeout = '50ms'; DELETE FROM ccf.recording_site")
            told.append(writing.target.table.name)
        return write(writing, *rest, **options)

    monkeypatch.setattr(pg_store, "merge", merge)
    register(lab, "a.csv")
    assert told == ["recording_site"]
    assert sites(lab) == [("a", 0, 6600.0, "a.csv")]


def test_a_file_read_later_keeps_its_site_when_both_are_read_again(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("m", 0, *BRAIN))
    lab.write("b.csv", ("m", 1, *OTHER))
    register(lab, "a.csv", "b.csv")
    lab.write("a.csv", ("m", 0, *BRAIN), ("m", 1, *BRAIN))
    for _ in range(2):
        register(lab, "a.csv", "b.csv")
        assert sites(lab) == [("m", 0, 6600.0, "a.csv"), ("m", 1, 6000.0, "b.csv")]


def test_a_site_that_its_file_gives_up_is_free_for_another(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("m", 0, *BRAIN), ("m", 1, *BRAIN))
    lab.write("b.csv", ("m", 1, *OTHER))
    register(lab, "a.csv", "b.csv")
    lab.write("a.csv", ("m", 0, *BRAIN))
    register(lab, "a.csv", "b.csv")
    assert sites(lab) == [("m", 0, 6600.0, "a.csv"), ("m", 1, 6000.0, "b.csv")]


def test_a_site_that_a_lab_inserted_stays_the_labs(lab: RecordingsLab) -> None:
    lab.tell(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
        "VALUES ('m', 0, 1, 1, 1, 'ccf')"
    )
    lab.write("a.csv", ("m", 0, *BRAIN))
    register(lab, "a.csv")
    assert sites(lab) == [("m", 0, 1.0, "inserted")]


def test_what_is_wrong_with_a_file_is_said_until_it_is_mended(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN), ("a", 0, *OTHER))
    lab.write("b.csv", ("b", 0, *BRAIN))
    register(lab, "a.csv")
    found = checks(register(lab, "b.csv"))
    assert not found["duplicate_sites"].passed
    assert "a.csv: " in (found["duplicate_sites"].description or "")
    lab.write("a.csv", ("a", 0, *BRAIN))
    assert checks(register(lab, "a.csv"))["duplicate_sites"].passed


def test_regions_that_were_reported_otherwise_are_said_until_they_agree(lab: RecordingsLab) -> None:
    header = "recording_id,site_id,x,y,z,reported_region"
    lab.write("a.csv", ("a", 0, *BRAIN, "root"), header=header)
    lab.write("b.csv", ("b", 0, *BRAIN, "nowhere"), ("b", 1, *BRAIN, "void"), header=header)
    found = checks(register(lab, "b.csv"))["reported_region"]
    assert "b.csv: " in (found.description or "")
    assert "1 report is no region of the ontology: 'nowhere'" in (found.description or "")
    assert found.metadata["sources_that_differ"].value == 1
    again = checks(register(lab, "a.csv"))["reported_region"]
    assert (again.passed, again.description) == (False, found.description)
    rows = "SELECT source, compared, agreeing, unknown, passed FROM ccf.recording_agreement ORDER BY 1"
    assert lab.ask(rows) == [("a.csv", 1, 1, 0, True), ("b.csv", 1, 0, 1, False)]
    told = {source.source: source for source in sources.sources(lab.engine, lab.folder)}
    assert told["b.csv"].warnings == [str(found.description).removeprefix("b.csv: ")]
    lab.write("b.csv", ("b", 0, *BRAIN, ""), header=header)
    assert checks(register(lab, "b.csv"))["reported_region"].passed
    assert lab.ask(rows) == [("a.csv", 1, 1, 0, True)]


def test_of_every_file_it_is_said_what_has_become_of_it(lab: RecordingsLab) -> None:
    lab.write("read.csv", ("r", 0, *BRAIN))
    lab.write("changed.csv", ("c", 0, *BRAIN))
    lab.write("bad.csv", ("b", 0, *BRAIN), toml=None)
    gone = lab.write("gone.csv", ("g", 0, *OUT))
    register(lab, "read.csv", "changed.csv", "bad.csv", "gone.csv")
    gone.unlink()
    lab.write("changed.csv", ("c", 0, *OTHER))
    lab.write("new.csv", ("n", 0, *BRAIN))
    lab.tell(
        "INSERT INTO ccf.recording_finding VALUES ('new.csv', 'readable', true, 'by a run that was killed')"
    )
    lab.write("fresh.csv", ("f", 0, *BRAIN)).touch()
    lab.write("notes.xyz", toml=None)
    told = {source.source: source for source in sources.sources(lab.engine, lab.folder)}
    states = {key: str(source.state).split(":")[0] for key, source in told.items()}
    assert states == {
        "bad.csv": "read",
        "changed.csv": "changed since it was read",
        "fresh.csv": "waiting",
        "gone.csv": "the file is gone; its sites stay",
        "new.csv": "not read yet",
        "notes.xyz": "ignored",
        "read.csv": "read",
    }
    assert told["new.csv"].refused == []
    assert told["gone.csv"].statuses == {"outside_brain": 1}
    (why,) = told["bad.csv"].refused
    assert "Write this line at the top of" in why
    states = [source.state for source in sources.sources(lab.engine, lab.folder / "none")]
    assert states == [f"in the folder {lab.folder} on {socket.gethostname()}"] * 4
    lab.folder.rename(lab.folder.with_name("elsewhere"))
    states = [source.state for source in sources.sources(lab.engine, lab.folder)]
    assert states == ["its folder does not exist", *["its folder does not exist; its sites stay"] * 3]


def test_a_folder_that_was_named_and_is_not_there_does_not_pass_for_an_empty_one(
    lab: RecordingsLab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = "does not exist; is its disk mounted"
    lab.folder.rmdir()
    recordings.list_recordings()
    assert "No recordings yet" in capsys.readouterr().err, "nobody named it, and nothing was ever in it"
    assert sources.missing_folder(lab.folder, []) is None
    assert said in str(sources.missing_folder(lab.folder, ["a.csv"]))
    monkeypatch.setenv("CCF_RECORDINGS", str(tmp_path / "not mounted"))
    recordings.list_recordings()
    told = capsys.readouterr()
    assert said in told.err
    assert told.out.splitlines() == ["source\tsites\tregions\tstate\trefused\twarnings"]
    load.report(Outcome("recordings", remarks=["It is not there."]))
    assert capsys.readouterr().err == "recordings: It is not there.\n"


def test_what_was_refused_is_not_said_to_be_registered(capsys: pytest.CaptureFixture[str]) -> None:
    load.report(Outcome("recordings", ["a.csv"], ["b.csv"], "registered", seconds=2))
    load.report(Outcome("recordings", refused=["b.csv"]))
    load.report(Outcome("structure_graph", ["structure_graph"], seconds=1))
    assert capsys.readouterr().err.splitlines() == [
        "recordings: registered a.csv in 2 s",
        "recordings: refused b.csv; `ccf-assets recordings` lists the reasons",
        "recordings: refused b.csv; `ccf-assets recordings` lists the reasons",
        "ontology: loaded in 1 s",
    ]


@pytest.mark.parametrize("keys", [("inserted",), ("inserted", "a.csv")], ids=["alone", "beside a file"])
def test_rows_that_a_lab_inserted_are_not_read_and_written_back(
    lab: RecordingsLab, keys: tuple[str, ...]
) -> None:
    """Such as by "Materialize all", which takes every partition."""
    lab.write("a.csv", ("a", 0, *BRAIN))
    insert = "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) VALUES "
    with lab.engine.begin() as connection:
        connection.exec_driver_sql(insert + "('m', 0, 1, 1, 1, 'ccf')")
    result = register(lab, *keys)
    assert result.success
    of_file = [("a", 0, 6600.0, "a.csv")] if "a.csv" in keys else []
    assert sites(lab) == [*of_file, ("m", 0, 1.0, "inserted")]
    assert len(lab.ask("SELECT 1 FROM ccf.recording_region")) == 2 * len(keys)
    # A backfill counts what it asked for and what was not made as failed.
    for name in RECORDINGS:
        assert made_of(result, name) == {*keys}, name


def made_of(result: dg.ExecuteInProcessResult, name: str) -> set[str | None]:
    """The partitions of an asset that a run recorded as materialized."""
    events = result.get_asset_materialization_events()
    return {event.partition for event in events if event.asset_key == dg.AssetKey(name)}


def test_rows_that_a_lab_inserted_do_not_hide_what_was_found_in_files(lab: RecordingsLab) -> None:
    """Dagster shows the result of a check only if nothing was materialized in a later run without it."""
    insert = "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) VALUES "
    lab.tell(insert + "('m', 0, 1, 1, 1, 'ccf')")
    (alone,) = lab.serve(unregistered_sites)
    assert not [name for name in checks(alone) if name != "inserted_sites"], "no file was ever looked at"
    lab.write("a.csv", ("a", 0, *BRAIN), ("a", 0, *OTHER))
    lab.write("b.csv", ("b", 0, *BRAIN))
    found = checks(register(lab, "a.csv", "b.csv"))
    lab.tell(insert.replace("(recording_id", "(source, recording_id") + "('rig', 'n', 0, 1, 1, 1, 'ccf')")
    (first,) = lab.serve(unregistered_sites)
    assert made_of(first, "recording_finding") == {"rig"}
    again = {name: check for name, check in checks(first).items() if name != "inserted_sites"}
    assert {name: check.passed for name, check in again.items()} == {
        name: check.passed for name, check in found.items() if name != "reported_region"
    }
    assert again["duplicate_sites"].description == found["duplicate_sites"].description
    lab.tell(insert.replace("(recording_id", "(source, recording_id") + "('rig', 'n', 1, 1, 1, 1, 'ccf')")
    (second,) = lab.serve(unregistered_sites)
    assert made_of(second, "recording_region") == {"rig"}
    assert made_of(second, "recording_finding") == set(), "it is recorded already"


def test_the_view_and_the_function_give_regions_by_name(lab: RecordingsLab) -> None:
    lab.write("a.csv", ("a", 0, *BRAIN), ("a", 1, -1, 1, 1))
    register(lab, "a.csv")
    rows = lab.ask(
        "SELECT recording_id, site_id, acronym IS NOT NULL, region_name IS NOT NULL, hemisphere, status "
        "FROM ccf.recording_site_region WHERE atlas = 'phantom_50um' ORDER BY 2"
    )
    assert rows == [
        ("a", 0, True, True, "right", "assigned"),
        ("a", 1, False, False, None, "outside_volume"),
    ]
    listed = lab.ask("SELECT site_id, atlas FROM ccf.sites_in('root')")
    assert sorted(listed) == [(0, "phantom_100um"), (0, "phantom_50um")]
    assert lab.ask("SELECT site_id FROM ccf.sites_in('root', 'phantom_50um')") == [(0,)]
    with pytest.raises(sa.exc.DBAPIError, match="There is no region 'no such region'"):
        lab.ask("SELECT site_id FROM ccf.sites_in('no such region')")


def test_a_change_made_while_sites_are_registered_waits_for_the_end(lab: RecordingsLab) -> None:
    """Else the region of the old place would be stored after the trigger had removed it, and stay."""
    from ccf_assets.db import loaded, schema, site_regions

    lab.write("a.csv", ("a", 0, *BRAIN))
    register(lab, "a.csv")
    query = site_regions.site_regions(
        sa.select(schema.recording_site), loaded.select_loaded_atlases(), lock_sites=True
    )
    with lab.engine.begin() as connection, lab.engine.connect() as other:
        assert len(connection.execute(query).all()) == 2
        for statement in (
            "UPDATE ccf.recording_site SET ap = 1",
            "UPDATE ccf.coordinate_frame SET x_0 = 1 WHERE name = 'ccf'",
        ):
            other.exec_driver_sql("SET lock_timeout = '50ms'")
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                other.exec_driver_sql(statement)
            other.rollback()


# --- The published tables ---------------------------------------------------------------------------------

IBL = '[columns]\nx = "x_m"\ny = "y_m"\nz = "z_m"\nreported_region = "atlas_id"\n'


@pytest.fixture
def real_lab(lab: RecordingsLab, real_database: sa.Engine) -> RecordingsLab:
    """The lab with the real atlases: its sites are taken away again."""
    lab.engine = real_database
    lab.tell(EMPTY)
    return lab


def test_every_published_channel_gets_its_published_region(
    real_lab: RecordingsLab, ccf_data: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copy(ccf_data("recordings/ibl_channels.csv"), real_lab.folder)
    (real_lab.folder / "ibl_channels.toml").write_text('frame = "ibl"\n' + IBL)
    real_lab.age(*real_lab.folder.iterdir())
    found = checks(register(real_lab, "ibl_channels.csv"))
    assert {name for name, check in found.items() if not check.passed} == set()
    rows = real_lab.ask(
        "SELECT atlas, count(*), count(*) FILTER (WHERE region_id::text = reported_region "
        "OR reported_region = '0' AND status = 'outside_brain'), "
        "count(*) FILTER (WHERE reported_region = '0') "
        "FROM ccf.recording_site_region GROUP BY 1 ORDER BY 1"
    )
    assert [row[:2] for row in rows] == [
        ("ccf_2017_100um", 34_944), ("ccf_2017_25um", 34_944), ("ccf_2017_50um", 34_944)
    ]  # fmt: skip
    assert rows[1][2:] == (34_944, 718)

    # The same frame without its half voxel.
    (tmp_path / "ccf" / "frames.toml").write_text(
        '[ibl_floor]\ndescription = "d"\nsource = "s"\nxyz = ["ml", "ap", "dv"]\nunit = "m"\n'
        'dv_from = "bregma"\norigin_um = [5400, 332, 5739]\nap = "anterior"\ndv = "up"\nml = "right"\n'
    )
    (real_lab.folder / "ibl_channels.toml").write_text('frame = "ibl_floor"\n' + IBL)
    real_lab.age(*real_lab.folder.iterdir())
    keep_frames(real_lab.engine)  # as whoever asks for a run does
    check = checks(register(real_lab, "ibl_channels.csv"))["reported_region"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "90.8 % are the computed region" in (check.description or "")
    assert 'write frame = "ibl" if so.' in (check.description or "")
    assert round(check.metadata["equal_share"].value, 3) == 0.908
    table = check.metadata["commonest_differences"]
    assert isinstance(table, dg.TableMetadataValue)
    assert len(table.records) == 10
    assert set(table.records[0].data) == {"reported", "computed", "sites"}
    real_lab.tell(EMPTY)
    real_lab.tell("DELETE FROM ccf.coordinate_frame WHERE name = 'ibl_floor'")


REPORTS = "recording_id,site_id,x,y,z,reported_region"
COMPARED = "SELECT source, compared, agreeing, not_drawn, unknown, passed FROM ccf.recording_agreement"


def test_reports_by_full_name_agree_like_acronyms(real_lab: RecordingsLab) -> None:
    sites = [
        ("n", 0, 8912.5, 1312.5, 8212.5, '"Primary visual area, layer 5"'),
        ("n", 1, 8912.5, 1312.5, 8212.5, "Primary visual area layer 5"),
        ("n", 2, 7212.5, 1537.5, 7212.5, "Field CA1"),
        ("n", 3, 6612.5, 3012.5, 3512.5, "fimbria"),
        ("n", 4, 8912.5, 100, 8212.5, "Not found in brain"),
        ("n", 5, 8912.5, 100, 8212.5, "unknown"),
    ]
    real_lab.write("names.csv", *sites, header=REPORTS)
    assert checks(register(real_lab, "names.csv"))["reported_region"].passed
    assert real_lab.ask(COMPARED) == [("names.csv", 5, 5, 0, 0, True)]
    real_lab.tell(EMPTY)


def test_reports_of_layers_that_the_atlas_does_not_draw_do_not_contradict(real_lab: RecordingsLab) -> None:
    layers = ("CA1sp", "CA1so", "CA1sr", "Field CA1, stratum lacunosum-moleculare", "CA1", "VISp5")
    sites = [("h", n, 7587.5, 1437.5, 7437.5, f'"{layer}"') for n, layer in enumerate(layers)]
    real_lab.write("layers.csv", *sites[:5], header=REPORTS)
    found = checks(register(real_lab, "layers.csv"))["reported_region"]
    assert found.passed
    assert "4 reports are finer than ccf_2017_25um" in (found.description or "")
    assert "So 5 of 5 do not contradict it." in (found.description or "")
    assert real_lab.ask(COMPARED) == [("layers.csv", 5, 1, 4, 0, True)]
    real_lab.write("layers.csv", *sites, header=REPORTS)
    assert not checks(register(real_lab, "layers.csv"))["reported_region"].passed, "VISp5 is drawn, elsewhere"
    real_lab.tell(EMPTY)


def test_an_exported_table_of_electrodes_comes_back_without_a_warning_of_its_regions(
    real_lab: RecordingsLab,
) -> None:
    real_lab.write("first.csv", ("e", 0, 8900, 1300, 8200), ("e", 1, 8900, 100, 8200), ("e", 2, "", 1, 1))
    register(real_lab, "first.csv")
    atlas = loaded.pick_atlas(real_lab.engine, "ccf_2017_25um")
    export(real_lab.engine, "electrodes", real_lab.folder / "again.csv", atlas)
    real_lab.tell(EMPTY)
    (real_lab.folder / "first.csv").unlink()
    (real_lab.folder / "again.toml").write_text(
        'frame = "nwb"\n[columns]\nrecording_id = "group_name"\nreported_region = "location"\n'
    )
    real_lab.age(*real_lab.folder.iterdir())
    assert checks(register(real_lab, "again.csv"))["reported_region"].passed
    assert real_lab.ask(COMPARED) == [("again.csv", 1, 1, 0, 0, True)]
    real_lab.tell(EMPTY)


def test_each_dirty_table_is_told_what_is_wrong_with_it(
    real_lab: RecordingsLab, ccf_data: Callable[[str], Path]
) -> None:
    names = ("000021", "000253", "000363", "000458", "001326", "001511")
    for name in names:
        shutil.copy(ccf_data(f"recordings/dandi_{name}.csv"), real_lab.folder)
    (real_lab.folder / "recordings.toml").write_text('frame = "ccf"\n')
    real_lab.age(*real_lab.folder.iterdir())
    keys = [f"dandi_{name}.csv" for name in names]
    register(real_lab, *keys)
    told = {name: files(real_lab)[key] for name, key in zip(names, keys, strict=True)}
    real_lab.tell("DELETE FROM ccf.recording_region")
    stored = {row[0] for row in real_lab.ask("SELECT DISTINCT source FROM ccf.recording_site")}
    real_lab.tell(EMPTY)

    assert "DV (y) equals ML (z) in every row" in str(told["000021"][1])
    assert told["000253"][1] is None
    assert told["000363"][1] is None
    assert "ML, DV, AP" in str(told["000363"][2])
    assert "voxel" in str(told["000458"][1])
    assert "272 of 2,000 sites (13.6 %) are at 0, 0, 0" in str(told["001326"][2])
    assert "negative in every row" in str(told["001511"][1])
    refused = {key for name, key in zip(names, keys, strict=True) if told[name][1]}
    assert {"dandi_000021.csv", "dandi_000458.csv", "dandi_001511.csv"} <= refused
    assert stored == set(keys) - refused
