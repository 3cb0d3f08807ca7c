"""A lab's own atlases, from a catalogue and files to answers: other forms, ontologies and animals."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import nibabel
import nrrd
import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
import tifffile
import zarr
from typer.testing import CliRunner

from ccf_assets.atlas.atlas import Atlas
from ccf_assets.ccf.catalogue import atlas_entry, catalogue
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.cli.main import app
from ccf_assets.db import database as our_database
from ccf_assets.db import holdings
from ccf_assets.definitions import defs
from ccf_assets.defs import freshness
from ccf_assets.defs.partitions import add_atlases
from ccf_assets.defs.sensors import unregistered_sites
from ccf_assets.errors import CcfError
from ccf_assets.pg import connect
from ccf_assets.sources.source import Sources
from ccf_assets_tests.conftest import new_database
from ccf_assets_tests.support.recordings_lab import RecordingsLab
from ccf_assets_tests.support.records import new_records

Volume = npt.NDArray[np.uint32]

PHANTOM_100 = 904


def load(key: str) -> dg.ExecuteInProcessResult:
    """Load an atlas as a run of the UI does."""
    with new_records() as instance:
        add_atlases(instance, {key: False})
        return defs.resolve_job_def("load_atlas").execute_in_process(
            instance=instance, partition_key=key, raise_on_error=False
        )


def why_not(result: dg.ExecuteInProcessResult) -> str:
    """The sentence with which a load was refused."""
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    data = failure.step_failure_data
    text = data.user_failure_data.description if data.user_failure_data else None
    assert text is not None
    return text


def ask(engine: sa.Engine, question: str, **values: object) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(question), values)]


@pytest.fixture
def phantom() -> Volume:
    """The phantom at 100 µm: (AP, DV, ML)."""
    return np.stack([plane.T for plane in phantom_volume.planes(100)], axis=2)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a catalogue whose table ``own_100um`` is complete but for what a test changes."""
    path = tmp_path / "lab" / "atlases.toml"
    path.parent.mkdir()
    (path.parent / "regions.csv").write_bytes(phantom_ontology.structure_graph_csv())
    monkeypatch.setenv("CCF_ATLASES", str(path))

    def write(more: str = "", **changed: object) -> Path:
        entry: dict[str, object] = {
            "ccf_id": 1002,
            "version": "phantom's, our correction".removeprefix("phantom's, "),
            "annotation": "own.nrrd",
            "ontology": "regions.csv",
            "axes": ["posterior", "inferior", "right"],
            "resolution_um": 100,
        }
        entry |= changed
        lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items() if value is not None]
        path.write_text("\n".join(["[own_100um]", *lines, more]) + "\n", "utf-8")
        return path

    return write


def write_nrrd(path: Path, stored: npt.NDArray[Any], **header: object) -> None:
    nrrd.write(str(path), stored, {"encoding": "gzip", **header})


# --- A second version of the same space -------------------------------------------------------------------


def test_a_corrected_version_differs_exactly_where_it_was_corrected(
    phantom_database: sa.Engine, phantom: Volume, own: Callable[..., Path]
) -> None:
    corrected = phantom.copy()
    inside = np.argwhere(phantom == np.bincount(phantom[phantom > 0]).argmax())[:1000]
    old, new = int(phantom[tuple(inside[0])]), 997
    corrected[tuple(inside.T)] = new
    path = own(axes=["right", "anterior", "superior"])
    # Stored as another program might: ML first, AP to the front, DV upwards, big-endian.
    stored = corrected.transpose(2, 0, 1)[:, ::-1, ::-1].astype(">u4")
    write_nrrd(path.parent / "own.nrrd", stored)
    with phantom_database.begin() as connection:
        sites = [
            {"i": n, "x": x * 100 + 50, "y": y * 100 + 50, "z": z * 100 + 50}
            for n, (x, y, z) in enumerate(
                [*inside[:20].tolist(), *np.argwhere(phantom == old)[-20:].tolist()]
            )
        ]
        connection.execute(
            sa.text(
                "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) "
                "VALUES ('r', :i, :x, :y, :z, 'ccf')"
            ),
            sites,
        )
    assert load("own_100um").success
    atlas = Atlas("own_100um", engine=phantom_database)
    assert (atlas.volume() == corrected).all()
    pairs = atlas.differences("phantom_100um").to_dicts()
    assert [(p["region_a"], p["region_b"], p["voxels"]) for p in pairs] == [(new, old, 1000.0)]
    agreement = ask(
        phantom_database,
        "SELECT region_a, agreement FROM ccf.region_agreement(:a, :b) WHERE agreement < 1 - 1e-9",
        a=PHANTOM_100,
        b=1002,
    )
    assert old in {row[0] for row in agreement}
    with new_records() as instance:
        lab = RecordingsLab(path.parent, phantom_database, instance)
        lab.serve(unregistered_sites)
    differ = ask(
        phantom_database,
        "SELECT site_id FROM ccf.site_diff WHERE atlas_a = 'own_100um' AND atlas_b = 'phantom_100um' "
        "ORDER BY site_id",
    )
    assert [row[0] for row in differ] == list(range(20))
    # The same site in every atlas of its space, in one query.
    assert ask(phantom_database, "SELECT count(DISTINCT ccf_id) FROM ccf.recording_region") == [(3,)]


def test_a_changed_file_or_entry_is_noticed_by_what_decides_about_loads(
    phantom_database: sa.Engine, phantom: Volume, own: Callable[..., Path]
) -> None:
    path = own()
    write_nrrd(path.parent / "own.nrrd", phantom)
    graph, sources = defs.resolve_asset_graph(), Sources.from_settings()
    with new_records() as instance:
        add_atlases(instance, {"own_100um": False})
        job = defs.resolve_job_def("load_atlas")

        def stale() -> list[str]:
            return freshness.stale(graph, instance, phantom_database, sources, "own_100um", ["load_atlas"])

        assert "annotation" in stale()
        assert job.execute_in_process(instance=instance, partition_key="own_100um").success
        assert stale() == []
        own(version="another name")
        assert {"annotation", "atlas", "voxel_run"} <= set(stale())
        assert job.execute_in_process(instance=instance, partition_key="own_100um").success
        assert stale() == []
        named = ask(phantom_database, "SELECT ccf_version FROM ccf.atlas WHERE ccf_id = 1002")
        assert named == [("another name",)]
        phantom[0, 0, 0] = 997
        write_nrrd(path.parent / "own.nrrd", phantom)
        assert "annotation" in stale()


def test_a_brainglobe_folder_of_version_3_is_one_line(
    phantom_database: sa.Engine, phantom: Volume, own: Callable[..., Path]
) -> None:
    root = own().parent / "brainglobe-atlasapi"
    manifest = root / "atlases" / "phantom_mouse" / "1_0" / "manifest.json"
    places = {"annotation_set": "annotation-sets/phantom/1_0", "terminology": "terminologies/phantom/1_0"}
    for place in (manifest.parent, *(root / each for each in places.values())):
        place.mkdir(parents=True)
    said = {part: {"name": "phantom", "location": f"/{place}"} for part, place in places.items()}
    manifest.write_text(json.dumps({"resolution": [100.0] * 3, "symmetric": True, **said}), "utf-8")
    rows = list(csv.DictReader(io.StringIO(phantom_ontology.structure_graph_csv().decode())))
    columns = [
        "identifier",
        "parent_identifier",
        "annotation_value",
        "name",
        "abbreviation",
        "color_hex_triplet",
    ]
    lines = [
        [
            f"P:{row['id']}",
            f"P:{row['parent_structure_id']}" if row["parent_structure_id"] else "",
            row["id"],
            row["safe_name"],
            row["acronym"],
            f"#{row['color_hex_triplet']}",
        ]
        for row in rows
    ]
    with (root / places["terminology"] / "terminology.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])
    # A pyramid: the level of the manifest's resolution is the second.
    image = zarr.open_group(
        str(root / places["annotation_set"] / "annotations_compressed.ome.zarr"), mode="w", zarr_format=2
    )
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    datasets = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [edge] * 3}]}
        for n, edge in enumerate((50, 100))
    ]
    image.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    for n, array in enumerate((phantom.repeat(2, 0).repeat(2, 1).repeat(2, 2), phantom)):
        stored = image.create_array(str(n), shape=array.shape, chunks=(64, 64, 64), dtype="u4")
        stored[:] = array
    own(
        annotation=None, ontology=None, axes=None, resolution_um=None, version=None,
        brainglobe=str(manifest.parent),
    )  # fmt: skip
    assert load("own_100um").success
    assert (Atlas("own_100um", engine=phantom_database).volume() == phantom).all()


def test_two_ontologies_are_compared_by_acronym_and_by_a_region_set(
    phantom_database: sa.Engine, phantom: Volume, own: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own(ontology="regions.json")
    rows = list(csv.reader(io.StringIO(phantom_ontology.structure_graph_csv().decode())))
    names = {name: place for place, name in enumerate(rows[0])}
    # Other ids for the same regions, beyond 31 bits, and as a flat list of BrainGlobe's.
    large = {int(row[names["id"]]): int(row[names["id"]]) + 3_000_000_000 for row in rows[1:]}
    structures = [
        {
            "id": large[int(row[names["id"]])],
            "acronym": row[names["acronym"]],
            "name": row[names["safe_name"]],
            "rgb_triplet": [1, 2, 3],
            "structure_id_path": [
                large[int(i)] for i in row[names["structure_id_path"]].strip("/").split("/")
            ],
        }
        for row in rows[1:]
    ]
    (path.parent / "regions.json").write_text(json.dumps(structures), "utf-8")
    translated = np.zeros_like(phantom)
    for i, other in large.items():
        translated[phantom == i] = other
    write_nrrd(path.parent / "own.nrrd", translated)
    assert load("own_100um").success
    atlas = Atlas("own_100um", engine=phantom_database)
    assert (atlas.volume() == translated).all()
    by_id = atlas.differences("phantom_100um")
    assert by_id["voxels"].sum() == (phantom > 0).sum()
    assert set(by_id["region_a"].to_list()) == set(np.unique(translated).tolist()) - {0}
    assert atlas.differences("phantom_100um", by="acronym").is_empty()
    assert atlas.differences("phantom_100um", by="depth_1").is_empty()
    with pytest.raises(CcfError, match="has no set 'cosmos'"):
        atlas.differences("phantom_100um", by="cosmos")
    region = atlas.region("root")
    assert region.id == large[997]
    assert atlas.region(large[997]) == region
    assert ask(phantom_database, "SELECT acronym FROM ccf.region(1002, :i)", i=large[997]) == [("root",)]
    assert ask(
        phantom_database, "SELECT count(*) FROM ccf.region_set WHERE ccf_id = 1002 AND set_name = 'beryl'"
    ) == [(0,)]


# --- What is refused, in words, while all else goes on ----------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"ccf_id": 7}, "ccf_id must be a whole number from 1,000"),
        ({"ccf_id": None}, "ccf_id is missing; choose a number of 1000 or more"),
        ({"versoin": "2"}, "versoin is not a key of an atlas; did you mean version"),
        (
            {"axes": ["right", "left", "superior"]},
            "right, left, superior must run along three different axes",
        ),
        ({"axes": ["RAS"]}, "must say in three words where each stored axis runs to"),
        ({"resolution_um": -1}, "resolution_um must be the edge of a voxel in µm"),
        (
            {"annotation": "ftp://lab/own.nrrd"},
            "annotation must be a path, or an address that begins with http",
        ),
        ({"space": "allen ccf"}, "space must be lower-case letters, digits and _"),
    ],
)
def test_a_wrong_entry_is_one_sentence_and_the_others_are_good(
    own: Callable[..., Path], changed: dict[str, object], sentence: str
) -> None:
    path = own(
        '[good_100um]\nccf_id = 1003\nversion = "good"\nannotation = "own.nrrd"\nontology = "allen"',
        **changed,
    )
    known = catalogue()
    assert list(known.entries)[-1] == "good_100um"
    (problem,) = known.problems
    assert problem[0] == "own_100um"
    assert sentence in problem[1]
    assert problem[1].startswith(f"{path}: atlas 'own_100um': ")
    with pytest.raises(CcfError, match="own_100um"):
        atlas_entry("own_100um")
    assert atlas_entry("good_100um").ccf_id == 1003


def test_keys_and_numbers_are_not_given_twice(own: Callable[..., Path]) -> None:
    path = own('[second]\nccf_id = 1002\nversion = "b"\nannotation = "b"\nontology = "allen"')
    (problem,) = catalogue().problems
    assert problem == (
        "second",
        f"{path}: atlas 'second': ccf_id 1002 is that of own_100um; every atlas has its own.",
    )
    path.write_text('[ccf_2017_25um]\nccf_id = 1009\nversion = "b"\nannotation = "b"\nontology = "allen"\n')
    (problem,) = catalogue().problems
    assert "is that of a built-in atlas" in problem[1]
    path.write_text("[a\n")
    (problem,) = catalogue().problems
    assert problem[0] == ""
    assert "this is not valid TOML" in problem[1]
    assert atlas_entry("ccf_2017_25um").ccf_id == 1


def test_a_number_stays_that_of_its_atlas_also_after_it_was_dropped(
    phantom_database: sa.Engine, phantom: Volume, own: Callable[..., Path]
) -> None:
    path = own()
    write_nrrd(path.parent / "own.nrrd", phantom)
    assert load("own_100um").success
    holdings.drop_atlas(phantom_database, 1002)
    path.write_text(path.read_text("utf-8").replace("[own_100um]", "[another]"), "utf-8")
    assert why_not(load("another")) == (
        "ccf_id 1002 is that of own_100um in this database, for ever; give another another number."
    )
    with phantom_database.begin() as connection, pytest.raises(sa.exc.DBAPIError, match="for ever"):
        connection.exec_driver_sql("UPDATE ccf.atlas SET key = 'own_100um' WHERE ccf_id = 904")
    own(ccf_id=1010)
    assert "own_100um has ccf_id 1002 in this database, for ever" in why_not(load("own_100um"))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"axes": None}, "nothing says where the axes of"),
        ({"resolution_um": 50}, "does not span the space allen_ccf_v3: AP 6600 instead of 13200 µm"),
        ({"axes": ["right", "anterior", "superior"]}, "does not span the space allen_ccf_v3"),
        ({"annotation": "none.nrrd"}, "mount it there, or correct its annotation in the catalogue"),
        ({"ontology": "own.nrrd"}, "own.nrrd"),
    ],
)
def test_files_that_contradict_their_entry_are_refused_and_nothing_changes(
    phantom_database: sa.Engine,
    phantom: Volume,
    own: Callable[..., Path],
    changed: dict[str, object],
    sentence: str,
) -> None:
    path = own(**changed)
    write_nrrd(path.parent / "own.nrrd", phantom)
    assert sentence in why_not(load("own_100um"))
    assert ask(phantom_database, "SELECT count(*) FROM ccf.atlas WHERE ccf_id = 1002") == [(0,)]


def test_ids_that_the_ontology_lacks_are_named(
    phantom_database: sa.Engine, phantom: Volume, own: Callable[..., Path]
) -> None:
    path = own()
    wrong = phantom.copy()
    wrong[60, 40, 57] = 123_456_789
    write_nrrd(path.parent / "own.nrrd", wrong)
    assert "1 ids in own.nrrd are not in the ontology: 123456789 (1 voxels)" in why_not(load("own_100um"))


def test_a_nifti_whose_axes_are_oblique_or_not_those_of_the_entry_is_refused(
    phantom_database: sa.Engine, phantom: Volume, own: Callable[..., Path]
) -> None:
    path = own(annotation="own.nii.gz")
    affine = np.diag([-0.1, -0.1, 0.1, 1.0])
    for turned, sentence in ((False, "the stored axes of"), (True, "oblique")):
        if turned:
            c, s = np.cos(0.1), np.sin(0.1)
            affine = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 10]]) / 10
        image = nibabel.Nifti1Image(phantom, affine, dtype=np.uint32)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path.parent / "own.nii.gz")
        assert sentence in why_not(load("own_100um"))


# --- Other programs' atlases ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(
    server_url: sa.URL, ccf_cases: Callable[[str], Path], tmp_path_factory: Any
) -> Iterator[sa.Engine]:
    """A database with the samples of other programs' atlases, one entry each, and no Allen atlas."""
    folder: Path = tmp_path_factory.mktemp("samples")
    formats = ccf_cases("formats")
    nifti, ids = formats / "atlas_nifti_parcellation", formats / "atlas_ids_beyond_int32"
    entries = f"""
        [coarse_200um]
        ccf_id = 1002
        brainglobe = "{formats}/atlas_brainglobe_v2/coarse_mouse_200um_v1.0"

        [abc_200um]
        ccf_id = 1003
        version = "ABC at 200 µm"
        annotation = "{nifti}/annotation_200.nii.gz"
        ontology = "{nifti}/parcellation_to_parcellation_term_membership.csv"

        [bbp_200um]
        ccf_id = 1004
        version = "hashed ids"
        annotation = "{ids}/annotation_200.nrrd"
        ontology = "{ids}/hierarchy.json"
        axes = ["posterior", "inferior", "right"]
    """
    (folder / "atlases.toml").write_text(entries, "utf-8")
    with new_database(server_url) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ccf_assets.defs.figures.shown", lambda _log, _name, _draw: {})
        patch.setenv("CCF_HOME", str(folder / "home"))
        patch.setenv("CCF_ATLASES", str(folder / "atlases.toml"))
        patch.setenv("CCF_POSTGRES_URL", connect.libpq_url(url))
        engine = our_database.create_engine()
        for key in ("coarse_200um", "abc_200um", "bbp_200um"):
            assert load(key).success, key
        yield engine


@pytest.fixture
def of_samples(samples: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    monkeypatch.setenv("CCF_POSTGRES_URL", connect.libpq_url(samples.url))
    return samples


def counts(engine: sa.Engine, ccf_id: int) -> dict[int, int]:
    rows = ask(
        engine,
        "SELECT r.source_id, v.own_voxels FROM ccf.region_volume AS v JOIN ccf.brain_region AS r "
        "USING (ccf_id, region_id) WHERE ccf_id = :i AND hemisphere = 'both' AND own_voxels > 0",
        i=ccf_id,
    )
    return dict(rows)  # type: ignore[arg-type]


def test_a_brainglobe_folder_an_abc_nifti_and_hashed_ids_are_each_one_entry(
    of_samples: sa.Engine, ccf_cases: Callable[[str], Path]
) -> None:
    folder = "formats/atlas_brainglobe_v2"
    right = json.loads(ccf_cases(f"{folder}/right_answers.json").read_text("utf-8"))
    assert counts(of_samples, 1002) == {int(i): n for i, n in right["counts"].items()}
    assert sum(counts(of_samples, 1002).values()) == right["sum"]
    stored = tifffile.imread(ccf_cases(f"{folder}/coarse_mouse_200um_v1.0/annotation.tiff"))
    brainglobe, abc, hashed = (
        Atlas(k, engine=of_samples) for k in ("coarse_200um", "abc_200um", "bbp_200um")
    )
    assert (brainglobe.volume() == stored).all()
    # 57 planes: the voxels that the midline cuts have their centres on it, and are right.
    root = brainglobe.region("root")
    assert root.left.voxels == np.count_nonzero(stored[:, :, :28])
    assert root.right.voxels == np.count_nonzero(stored[:, :, 28:])
    # The same region at the same place, whatever its number there.
    assert brainglobe.differences("abc_200um", by="acronym").is_empty()
    ids, _ = nrrd.read(str(ccf_cases("formats/atlas_ids_beyond_int32/annotation_200.nrrd")))
    assert (hashed.volume() == ids).all()
    assert hashed.region("VISp1").id == 2_906_756_445
    at = (np.argwhere(ids == 2_906_756_445)[0] + 0.5) * 200
    found = hashed.locate(at)
    assert (found.acronym[0], found.region_id[0], abc.locate(at).acronym[0]) == (
        "VISp1",
        2_906_756_445,
        "VISp1",
    )


def test_the_catalogue_is_checked_before_anything_is_loaded(
    phantom_database: sa.Engine, phantom: Volume, own: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own('[bad]\nccf_id = 1002\nversion = "b"\nannotation = "b"\nontology = "allen"')
    write_nrrd(path.parent / "own.nrrd", phantom)
    answered = CliRunner().invoke(app, ["catalogue", "--check", str(path)])
    assert answered.exit_code == 1
    cells = [line.split("\t") for line in answered.stdout.splitlines()]
    said = {what: found for atlas, what, found in cells if atlas == "own_100um"}
    assert "NRRD, uint32, stored as 132 × 80 × 114 voxels" in said["annotation"]
    assert said["axes"] == "stored axes run to posterior, inferior, right (the catalogue)"
    assert said["grid"] == "132 × 80 × 114 voxels along AP, DV, ML, each 100 µm"
    assert said["space"].startswith("allen_ccf_v3, Mus musculus")
    assert said["ids"].startswith(
        f"{len(np.unique(phantom)) - 1:,} ids in {np.count_nonzero(phantom):,} voxels"
    )
    assert cells[-1][:2] == ["bad", "problem"]
    assert "1 of 2 atlases cannot be loaded: bad" in answered.stderr
    assert ask(phantom_database, "SELECT count(*) FROM ccf.atlas WHERE ccf_id = 1002") == [(0,)]
