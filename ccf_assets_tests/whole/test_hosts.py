"""Several hosts on one database: what one of them knows holds for all, and what one lacks is not gone."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import nrrd
import numpy as np
import pytest
import sqlalchemy as sa

from ccf_assets.ccf import catalogue
from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.ccf.frames.maps import Frame
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.cli.load import publish
from ccf_assets.cli.load_tasks import register_recordings
from ccf_assets.db.frames import keep_frames, stored_frames
from ccf_assets.db.ontologies import follow_ontology, keep_ontology
from ccf_assets.db.own_catalogue import follow_catalogue, keep_catalogue
from ccf_assets.db.region_maps import keep_maps, kept_maps
from ccf_assets.defs import sensors
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.defs.sensors import (
    changed_region_sets,
    new_recordings,
    outdated_atlases,
    unregistered_sites,
)
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.marker import MARKER
from ccf_assets.recordings.folders import folder_of, folder_to_read
from ccf_assets.recordings.intake import read_files
from ccf_assets.sources.source import Sources
from ccf_assets_tests.support.recordings_lab import RecordingsLab, checks

BRAIN = (6600, 4000, 6700)
"""A point in the phantom."""

MINE = (
    '[{name}]\ndescription = "d"\nsource = "s"\nxyz = ["ap", "dv", "ml"]\nunit = "um"\n'
    'dv_from = "corner"\nap = "posterior"\ndv = "down"\nml = "right"\norigin_um = [{origin}, 0, 0]\n{more}'
)

GRAPH = phantom_ontology.structure_graph_csv()
RENAMED = GRAPH.replace(b"root", b"ROOT")


@dataclass
class Hosts:
    """Hosts that have nothing in common but the database; this process is on one of them at a time."""

    lab: RecordingsLab
    folder: Path
    patch: pytest.MonkeyPatch

    def on(self, host: str) -> Path:
        """Go to a host; its CCF_HOME."""
        home = self.folder / host
        home.mkdir(exist_ok=True)
        self.patch.setenv("CCF_HOME", str(home))
        self.patch.setattr(socket, "gethostname", lambda: host)
        catalogue.take_kept({}, {})
        return home

    def frames(self, host: str, origin: int, name: str = "mine", more: str = "") -> None:
        (self.on(host) / "frames.toml").write_text(MINE.format(name=name, origin=origin, more=more))

    def maps(self, host: str, group: str, name: str = "m.csv") -> Path:
        folder = self.on(host) / "region_sets"
        folder.mkdir(exist_ok=True)
        file = folder / name
        file.write_text(f"set,region,group\n{Path(name).stem},CTX,{group}\n")
        return file

    def run(self, requests: list[dg.RunRequest], job: dg.SensorDefinition) -> list[str | None]:
        """Carry out requests on this host; the sentence of each that failed, None of each that did not."""
        return [sentence_of(self.lab.run(job, request)) for request in requests]


def sentence_of(result: dg.ExecuteInProcessResult) -> str | None:
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.user_failure_data:
            return event.step_failure_data.user_failure_data.description
    assert result.success
    return None


@pytest.fixture
def hosts(lab: RecordingsLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    folder = tmp_path / "hosts"
    folder.mkdir()
    sensors._memo.clear()
    yield Hosts(lab, folder, monkeypatch)
    sensors._memo.clear()
    lab.tell("DELETE FROM ccf.recording_site")
    lab.tell("DELETE FROM ccf.coordinate_frame WHERE name IN ('mine', 'yours')")


# ---- the ontology

REAL = atlas_entry("ccf_2017_100um")


def accepted(content: bytes, home: Path) -> Sources:
    """A source whose ontology this host has accepted."""
    sources = Sources("http://mirror.example/ccf", home / "downloads")
    sources.take_ontology(content, "http://mirror.example/ccf/ontology/structure_graph.csv", None)
    return sources


def test_an_ontology_accepted_on_one_host_is_used_on_all_whatever_their_caches_hold(hosts: Hosts) -> None:
    engine = hosts.lab.engine
    older = accepted(GRAPH, hosts.on("hosta"))
    first = follow_ontology(engine, older, REAL)
    assert first is not None  # hosta had it from before, and no host had said anything
    newer = accepted(RENAMED, hosts.on("hostc"))
    fetched = newer.accepted_ontology(None)
    assert fetched is not None
    keep_ontology(engine, newer, fetched)
    empty = Sources(newer.source, hosts.on("hostb") / "downloads")
    for sources in (older, newer, empty):
        used = follow_ontology(engine, sources, REAL)
        assert used is not None
        assert (used.path.read_bytes(), used.sha256) == (RENAMED, fetched.sha256)
    assert empty.structure_graph().sha256 == fetched.sha256  # it needs no network


def test_each_source_has_an_ontology_of_its_own_and_none_is_not_any_others(hosts: Hosts) -> None:
    engine = hosts.lab.engine
    follow_ontology(engine, accepted(GRAPH, hosts.on("hosta")))
    other = Sources("http://other.example/ccf", hosts.on("hostb") / "downloads")
    assert follow_ontology(engine, other, REAL) is None
    with pytest.raises(CcfError, match="no host has accepted one; materialise structure_graph first"):
        other.ontology(REAL)


def test_a_source_that_is_not_there_is_no_ontology_that_is_up_to_date(hosts: Hosts) -> None:
    hosts.on("hostb")
    gone = Sources(str(hosts.folder / "not mounted"), hosts.folder / "downloads")
    with pytest.raises(CcfError, match=r"not mounted, which is not a folder on hostb; mount it there"):
        follow_ontology(hosts.lab.engine, gone, REAL)


# ---- atlases of the lab's own: the catalogue, the volume and the ontology


def write_volume(path: Path, *, corrected: bool = False) -> None:
    volume = np.stack([plane.T for plane in phantom_volume.planes(100)], axis=2)
    if corrected:
        volume[66, 40, 67] = 997
    nrrd.write(str(path), volume, {"encoding": "gzip"})


OWN = (
    '[own_100um]\nccf_id = 1002\nversion = "ours"\nannotation = "{volume}"\nontology = "{ontology}"\n'
    'axes = ["posterior", "inferior", "right"]\nresolution_um = 100\n'
)


def test_an_own_atlas_is_loaded_followed_and_brought_up_to_date_on_hosts_without_its_catalogue(
    hosts: Hosts, phantom_database: sa.Engine
) -> None:
    shared, instance = hosts.folder / "shared", hosts.lab.instance
    (shared / "ontology").mkdir(parents=True)
    (shared / "ontology" / "structure_graph.csv").write_bytes(GRAPH)
    write_volume(shared / "own.nrrd")
    hosts.patch.setenv("CCF_SOURCE", str(shared))
    (hosts.on("hosta") / "atlases.toml").write_text(OWN.format(volume=shared / "own.nrrd", ontology="allen"))
    lab = RecordingsLab(hosts.lab.folder, phantom_database, instance)
    lab.tick(outdated_atlases)  # says what this host's catalogue has
    add_atlases(instance, {"own_100um": False})

    def job(name: str, key: str | None = None) -> str | None:
        resolved = lab.definitions.resolve_job_def(name)
        return sentence_of(
            resolved.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
        )

    hosts.on("hostb")
    assert job("refresh_ontology") is None
    assert job("load_atlas", "own_100um") is None
    hosts.on("hosta")
    assert lab.tick(outdated_atlases) == ([], "Every loaded atlas is up to date.")
    (shared / "ontology" / "structure_graph.csv").write_bytes(RENAMED)
    hosts.on("hostc")
    assert job("refresh_ontology") is None
    hosts.on("hosta")
    requests, _ = lab.tick(outdated_atlases)
    assert [request.partition_key for request in requests] == ["own_100um"]
    hosts.on("hostb")
    assert [sentence_of(lab.run(outdated_atlases, request)) for request in requests] == [None]
    assert lab.ask("SELECT acronym FROM ccf.brain_region WHERE ccf_id = 1002 AND region_id = 997") == [
        ("ROOT",)
    ]
    hosts.on("hosta")
    assert lab.tick(outdated_atlases) == ([], "Every loaded atlas is up to date.")

    # A volume that a host sees and that is not the one that was checked is not loaded.
    write_volume(shared / "own.nrrd", corrected=True)
    hosts.on("hostd")
    run = lab.definitions.resolve_job_def("load_atlas").execute_in_process(
        instance=instance,
        partition_key="own_100um",
        asset_selection=[dg.AssetKey("brain_surface")],
        raise_on_error=False,
    )
    assert "is not the volume that was checked. Materialise annotation again" in str(sentence_of(run))
    (shared / "own.nrrd").unlink()
    hosts.on("hoste")
    told = job("load_atlas", "own_100um") or ""
    assert "own.nrrd does not exist on hoste; mount it there" in told


def test_an_entry_with_a_password_in_its_address_stays_on_its_host(hosts: Hosts) -> None:
    text = OWN.format(volume="https://lab:hunter2@example.org/own.nrrd", ontology="allen")
    (hosts.on("hosta") / "atlases.toml").write_text(text)
    keep_catalogue(hosts.lab.engine)
    assert "own_100um" in catalogue.catalogue().entries
    assert "hunter2" not in str(hosts.lab.ask("SELECT convert_from(content, 'UTF8') FROM ccf.shared_file"))


def test_an_entry_that_two_hosts_write_differently_is_refused_and_a_missing_file_deletes_none(
    hosts: Hosts,
) -> None:
    engine = hosts.lab.engine
    file = hosts.on("hosta") / "atlases.toml"
    file.write_text(OWN.format(volume="/lab/own.nrrd", ontology="allen"))
    keep_catalogue(engine)
    other = hosts.on("hostc") / "atlases.toml"
    other.write_text(OWN.format(volume="/lab/another.nrrd", ontology="allen"))
    with pytest.raises(CcfError, match=rf"The atlas own_100um is one thing in {file} on hosta .* on hostc"):
        keep_catalogue(engine)
    other.unlink()
    keep_catalogue(engine)
    assert catalogue.atlas_entry("own_100um").annotation == "/lab/own.nrrd"
    hosts.on("hosta")
    file.write_text("[own_100um\n")
    keep_catalogue(engine)
    assert catalogue.atlas_entry("own_100um").annotation == "/lab/own.nrrd"
    file.write_text("")
    keep_catalogue(engine)
    assert "own_100um" not in catalogue.catalogue().entries


# ---- region maps

GROUPS = "SELECT DISTINCT group_name FROM ccf.region_set_member WHERE set_name = 'm' AND ccf_id = 904"


def test_a_region_map_of_one_host_is_taken_by_runs_on_another(hosts: Hosts) -> None:
    lab = hosts.lab
    file = hosts.maps("hosta", "x")
    requests, _ = lab.tick(changed_region_sets)
    hosts.on("hostb")
    results = [lab.run(changed_region_sets, request) for request in requests]
    assert len(results) == 2
    for result in results:
        check = checks(result)["region_maps_taken"]
        assert (check.passed, check.metadata["files"].value) == (True, 1)
    assert lab.ask(GROUPS) == [("x",)]
    assert lab.tick(changed_region_sets) == ([], "The region maps have not changed.")  # without the folder
    hosts.on("hosta")
    assert lab.tick(changed_region_sets) == ([], "The region maps have not changed.")
    file.unlink()
    requests, _ = lab.tick(changed_region_sets)
    assert hosts.run(requests, changed_region_sets) == [None, None]
    assert lab.ask(GROUPS) == []


def test_a_folder_of_maps_that_is_not_there_is_not_an_empty_one(hosts: Hosts) -> None:
    engine = hosts.lab.engine
    folder = hosts.maps("hosta", "x").parent
    keep_maps(engine, folder)
    shutil.rmtree(folder)
    keep_maps(engine, folder)
    assert [file.name for file in kept_maps(engine)] == ["m.csv"]


def test_maps_of_two_hosts_are_beside_each_other_and_two_of_one_name_are_refused(hosts: Hosts) -> None:
    engine = hosts.lab.engine
    a, c = hosts.maps("hosta", "x"), hosts.maps("hostc", "z", "more.csv")
    hosts.on("hosta")
    keep_maps(engine, a.parent)
    hosts.on("hostc")
    keep_maps(engine, c.parent)
    assert [file.name for file in kept_maps(engine)] == ["m.csv", "more.csv"]
    hosts.maps("hostc", "y")
    for _ in range(2):
        _, said = hosts.lab.tick(changed_region_sets)
        assert f"The region map m.csv is one thing in {a} on hosta and another in " in said
        assert "ccf-assets publish" in said
    publish()
    assert [b"CTX,y" in file.content for file in kept_maps(engine)] == [True, False]
    hosts.on("hosta")
    with pytest.raises(CcfError, match="on hostc and another in"):
        keep_maps(engine, a.parent)
    a.unlink()
    keep_maps(engine, a.parent)
    assert [b"CTX,y" in file.content for file in kept_maps(engine)] == [True, False]


def test_what_only_another_host_has_stays_when_one_publishes(hosts: Hosts) -> None:
    engine = hosts.lab.engine
    a, _ = hosts.maps("hosta", "x", "only_a.csv"), hosts.maps("hostc", "z")
    hosts.on("hosta")
    keep_maps(engine, a.parent)
    hosts.on("hostc")
    publish()
    assert [file.name for file in kept_maps(engine)] == ["m.csv", "only_a.csv"]


# ---- frames

REGION = "SELECT DISTINCT status FROM ccf.recording_region WHERE recording_id = 'm'"


def where(engine: sa.Engine, name: str = "mine") -> float:
    """Where the origin of a frame is, µm of AP."""
    return stored_frames(engine)[name].affine[0, 3].item()


def test_no_run_uses_the_frames_file_of_its_own_host(hosts: Hosts) -> None:
    lab = hosts.lab
    shared = hosts.folder / "recordings"
    lab.folder = shared
    hosts.patch.setenv("CCF_RECORDINGS", str(shared))
    lab.write("mine.csv", ("m", 0, *BRAIN), toml='frame = "mine"\n')
    hosts.frames("hosta", 0)
    requests, _ = lab.tick(new_recordings)
    hosts.frames("hostc", -13_000)
    assert hosts.run(requests, new_recordings) == [None]
    assert lab.ask(REGION) == [("assigned",)]
    for _ in range(3):  # and it goes on so
        hosts.on("hosta")
        assert lab.tick(new_recordings)[0] == []
        assert lab.tick(unregistered_sites)[0] == []
    assert where(lab.engine) == 0


def test_a_frame_that_two_hosts_define_differently_is_refused_and_its_sites_stay(hosts: Hosts) -> None:
    lab, engine = hosts.lab, hosts.lab.engine
    hosts.frames("hosta", 0)
    keep_frames(engine)
    lab.tell(
        "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
        "VALUES ('m', 0, 6600, 4000, 6700, 'mine')"
    )
    requests, _ = lab.tick(unregistered_sites)
    assert hosts.run(requests, unregistered_sites) == [None]
    hosts.frames("hostc", -13_000)
    with pytest.raises(
        CcfError, match=r"The frame mine is one thing in .*hosta/frames.toml on hosta and anot"
    ):
        register_recordings("recordings", False)
    for sensor in (unregistered_sites, new_recordings):
        requests, said = lab.tick(sensor)
        assert requests == []
        assert "hostc/frames.toml on hostc; all hosts of a database must mean the same" in said
    assert lab.ask(REGION) == [("assigned",)]
    hosts.frames("hosta", -13_000)  # whoever defined it may change it
    keep_frames(engine)
    hosts.on("hostc")
    keep_frames(engine)
    assert where(engine) == -13_000
    hosts.frames("hostc", 5)
    publish()  # or says that it counts from now on
    assert where(engine) == 5
    hosts.on("hosta")
    with pytest.raises(CcfError, match="on hostc and another in"):
        keep_frames(engine)


def test_the_one_host_of_an_embedded_server_may_change_its_name_and_then_its_frames(hosts: Hosts) -> None:
    engine = hosts.lab.engine
    hosts.patch.delenv("CCF_POSTGRES_URL")
    hosts.frames("laptop.home", 0)
    keep_frames(engine)
    hosts.frames("laptop.home", 3)
    hosts.patch.setattr(socket, "gethostname", lambda: "laptop.work")
    keep_frames(engine)
    assert where(engine) == 3


def test_a_frame_that_its_file_no_longer_has_is_open_to_another_and_a_missing_file_forgets_none(
    hosts: Hosts,
) -> None:
    engine = hosts.lab.engine
    hosts.frames("hosta", 0)
    keep_frames(engine)
    file = hosts.on("hosta") / "frames.toml"
    file.rename(hosts.folder / "aside.toml")
    keep_frames(engine)
    assert where(engine) == 0
    hosts.frames("hosta", 0, "yours")
    keep_frames(engine)
    assert "mine" not in stored_frames(engine)
    hosts.frames("hostc", 7)
    keep_frames(engine)
    assert (where(engine), where(engine, "yours")) == (7, 0)


def test_a_frame_into_a_space_without_an_atlas_is_known_as_such_on_every_host(hosts: Hosts) -> None:
    lab = hosts.lab
    shared = hosts.folder / "recordings"
    lab.folder = shared
    hosts.patch.setenv("CCF_RECORDINGS", str(shared))
    lab.write("mine.csv", ("m", 0, *BRAIN), toml='frame = "mine"\n')
    hosts.frames("hosta", 0, more='space = "whs_sd_rat"\n')
    requests, _ = lab.tick(new_recordings)
    hosts.on("hostb")
    assert isinstance(stored_frames(lab.engine)["mine"], Frame)
    (told,) = hosts.run(requests, new_recordings)
    assert told is not None
    assert "There is no space 'whs_sd_rat' in the database" in told


# ---- the folder of recordings

ROWS = (
    "SELECT (SELECT json_agg(s ORDER BY recording_id, site_id) FROM ccf.recording_site AS s)::text, "
    "(SELECT json_agg(f ORDER BY source) FROM ccf.recording_file AS f)::text, "
    "(SELECT json_agg(f ORDER BY source, name) FROM ccf.recording_finding AS f)::text, "
    "(SELECT json_agg(f ORDER BY name) FROM ccf.recording_folder AS f)::text"
)


@pytest.fixture
def read_on_a(hosts: Hosts) -> Path:
    """The folder of recordings on hosta: a good file that was read, a refused one, and one that changed."""
    folder = hosts.on("hosta") / "recordings"
    hosts.lab.folder = folder
    hosts.lab.write("good.csv", ("g", 0, *BRAIN))
    hosts.lab.write("changed.csv", ("c", 0, *BRAIN))
    hosts.lab.write("bad.csv", ("b", 0, "left", 1, 1))
    hosts.lab.serve(new_recordings)
    hosts.lab.write("changed.csv", ("c", 0, *BRAIN), ("c", 1, *BRAIN))
    hosts.lab.write("bad.csv", ("b", 0, "right", 1, 1))
    return folder


def test_a_run_on_a_host_without_the_folder_fails_in_words_and_is_asked_for_again(
    hosts: Hosts, read_on_a: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = hosts.lab
    before = lab.ask(ROWS)
    now = 2e9
    monkeypatch.setattr(sensors.time, "time", lambda: now)
    pauses = []
    for _ in range(3):
        hosts.on("hosta")
        while not (requests := lab.tick(new_recordings)[0]):
            now += 10
        pauses.append(now)
        home = hosts.on("hostb")
        (told,) = hosts.run(requests, new_recordings)
        assert told == (
            f"The folder of recordings {home / 'recordings'} is not there on hostb; mount it there, or let "
            "the runs that read it go to a worker that has it."
        )
        assert lab.ask(ROWS) == before
        assert not (home / "recordings").exists()
    assert [later - sooner for sooner, later in itertools.pairwise(pauses)] == [30, 60]
    hosts.on("hosta")
    now += 120
    requests, _ = lab.tick(new_recordings)
    hosts.patch.setenv("CCF_RECORDINGS", str(read_on_a))  # mounted there
    hosts.on("hostb")
    (told,) = hosts.run(requests, new_recordings)
    assert "bad.csv was refused" in str(told)
    assert lab.ask("SELECT count(*) FROM ccf.recording_site WHERE source = 'changed.csv'") == [(2,)]


@pytest.mark.parametrize("there", ["another folder", "an empty one", "one without the file"])
def test_a_run_on_a_host_with_another_folder_fails_in_words_and_makes_it_no_folder_of_the_database(
    hosts: Hosts, read_on_a: Path, there: str
) -> None:
    lab = hosts.lab
    before = lab.ask(ROWS)
    requests, _ = lab.tick(new_recordings)
    home = hosts.on("hostb")
    other = home / "recordings"
    other.mkdir()
    if there == "another folder":
        (other / "good.csv").write_text("recording_id,site_id,x,y,z\ng,0,1,1,1\n")
    elif there == "one without the file":
        (other / MARKER).write_text("7d444840-9dc0-11d1-b245-5ffdce74fad2\n")
    (told,) = hosts.run(requests, new_recordings)
    assert str(told).startswith(f"{other} on hostb ")
    assert f"{read_on_a} on hosta; mount it there" in str(told)
    assert lab.ask(ROWS) == before


def test_a_folder_whose_disk_is_gone_is_no_folder_whose_files_were_deleted(
    hosts: Hosts, read_on_a: Path
) -> None:
    lab = hosts.lab
    lab.serve(new_recordings)
    before = lab.ask(ROWS)
    partitions = lab.instance.get_dynamic_partitions("recording")
    read_on_a.rename(hosts.folder / "unmounted")
    read_on_a.mkdir()
    requests, said = lab.tick(new_recordings)
    assert requests == []
    assert f"{read_on_a} is empty on hosta, and even its file .ccf_folder is gone; mount its disk" in said
    outcome = register_recordings("recordings", False)
    assert any("mount its disk" in remark for remark in outcome.remarks)
    assert lab.ask(ROWS) == before
    assert list(read_on_a.iterdir()) == []
    assert lab.instance.get_dynamic_partitions("recording") == partitions
    read_on_a.rmdir()
    (hosts.folder / "unmounted").rename(read_on_a)
    assert lab.tick(new_recordings)[0] == []


def test_a_disk_that_goes_while_its_files_are_read_takes_no_file_with_it(
    hosts: Hosts, read_on_a: Path
) -> None:
    lab = hosts.lab
    folder = folder_of(lab.engine, read_on_a)
    read_on_a.rename(hosts.folder / "unmounted")
    read_on_a.mkdir()
    with pytest.raises(CcfError, match="mount its disk"):
        read_files(folder, ["good.csv"], stored_frames(lab.engine), lab.engine, lambda _line: None)


def test_a_shared_folder_that_nobody_may_write_to_is_known_on_the_host_of_a_run(
    hosts: Hosts, tmp_path: Path
) -> None:
    hosts.patch.setattr(os, "access", lambda _path, _mode: False)  # root may write anywhere
    hosts.on("hosta")
    hosts.lab.folder = tmp_path / "share"
    hosts.lab.write("good.csv", ("g", 0, *BRAIN))
    known = folder_of(hosts.lab.engine, hosts.lab.folder)
    hosts.on("hostb")
    assert folder_to_read(hosts.lab.engine, hosts.lab.folder) == known
    other = tmp_path / "other"
    shutil.copytree(hosts.lab.folder, other)
    with pytest.raises(CcfError, match="is not the folder of recordings of this database"):
        folder_to_read(hosts.lab.engine, other)


def test_what_is_kept_for_all_hosts_can_be_read_by_people_too(hosts: Hosts) -> None:
    (hosts.on("hosta") / "atlases.toml").write_text(OWN.format(volume="/lab/own.nrrd", ontology="allen"))
    keep_catalogue(hosts.lab.engine)
    hosts.on("hostb")
    follow_catalogue(hosts.lab.engine)
    ((kind, name, content, kept_by),) = hosts.lab.ask(
        "SELECT kind, name, convert_from(content, 'UTF8'), kept_by FROM ccf.shared_file"
    )
    assert (kind, name) == ("atlas", "own_100um")
    assert json.loads(str(content))["entry"]["annotation"] == "/lab/own.nrrd"
    assert kept_by == f"{hosts.folder}/hosta/atlases.toml on hosta"
    assert catalogue.atlas_entry("own_100um").own
