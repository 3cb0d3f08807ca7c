"""Tracks in MATLAB files of any version, and files that claim more than they hold."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from ccf_assets.ccf.frames.files import FRAMES
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.source import SiteFormat
from ccf_assets.recordings.formats.mat5 import read_mat5
from ccf_assets.recordings.formats.matlab import OTHER_MAT, PROBE_CCF, PROBE_POINTS, PROCESSING
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets_tests.support.sources import frame_of, listing_of, read_one

POINTS = np.array([[824, 264, 286], [830, 300, 280], [840, 340, 270]])

PROBE = {
    "specification": "probeinterface",
    "version": "0.2.21",
    "probes": [
        {
            "ndim": 2,
            "si_units": "um",
            "contact_positions": [[0, 0], [0, 100]],
            "probe_planar_contour": [[0, -50], [10, 200], [-10, 200]],
            "device_channel_indices": [1, 0],
        }
    ],
}


CORONAL = {"ap": "point_3", "dv": "point_2", "ml": "point_1"}


def structs(*fields: dict[str, object]) -> np.ndarray:
    """A struct array."""
    made = np.empty((len(fields), 1), [(name, object) for name in fields[0]])
    for row, each in enumerate(fields):
        for name, value in each.items():
            made[name][row, 0] = value
    return made


def cells(*values: object) -> np.ndarray:
    """A cell array of one row for each value, with the two further columns that SHARP-Track has."""
    made = np.empty((len(values), 3), object)
    for row, value in enumerate(values):
        made[row] = [value, np.zeros((0, 0)), np.zeros((0, 0))]
    return made


def mat73(path: Path, fill) -> None:
    """A file of version 7.3."""
    with h5py.File(path, "w", userblock_size=512) as file:
        fill(file)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\0\2IM")


def in_refs(file: h5py.File, name: str, values: np.ndarray) -> h5py.Reference:
    """An array that a cell or a field refers to, transposed as MATLAB does."""
    made = file.create_dataset(f"#refs#/{name}", data=np.asarray(values, float).T)
    made.attrs["MATLAB_class"] = np.bytes_("double")
    return made.ref


# What the programs write


@pytest.mark.parametrize(
    ("form", "folder"), [(PROBE_CCF, "ap_histology_mat"), (PROBE_POINTS, "sharp_track_mat")]
)
def test_the_same_points_in_two_orders_have_the_same_regions(ccf_cases, volume_25, form, folder) -> None:
    path = ccf_cases(f"formats/{folder}")
    columns = CORONAL if form is PROBE_POINTS else {}
    table = read_one(form, path, columns=columns)
    right = json.loads((path / "right_answers.json").read_text())["regions_25um"]
    assert [volume_25.acronym_of[region] for region in volume_25.regions(table)] == [
        name for probe in right for name in probe
    ]
    rows = frame_of(table)
    assert rows["probe"].to_list() == [str(probe) for probe, of in enumerate(right, start=1) for _ in of]
    assert rows["site_id"].to_list() == list(range(48))
    assert rows["kind"].unique().to_list() == ["track"]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [float, np.uint16, np.float32])
def test_tracks_are_read_however_they_are_stored(tmp_path: Path, compressed: bool, dtype: type) -> None:
    value = structs({"points": POINTS.astype(dtype), "n": 1}, {"points": np.zeros((0, 0)), "n": "x"})
    scipy.io.savemat(
        tmp_path / "probe_ccf.mat", {"other": np.eye(4), "probe_ccf": value}, do_compression=compressed
    )
    rows = frame_of(read_one(PROBE_CCF, tmp_path))
    assert rows.select("ap", "dv", "ml").to_numpy().tolist() == POINTS.tolist()
    assert rows["probe"].to_list() == ["1"] * 3
    assert rows["recording_id"].unique().to_list() == ["probe_ccf"]


def test_a_table_of_matlab_in_the_struct_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "probe_ccf.mat"
    scipy.io.savemat(path, {"probe_ccf": structs({"points": POINTS, "trajectory_areas": np.zeros((1, 1))})})
    raw = bytearray(path.read_bytes())
    flags = struct.pack("<II", 6, 8)
    last = raw.rindex(flags)
    raw[last + 8] = 17  # mxOPAQUE_CLASS: an object of MATLAB's own
    path.write_bytes(raw)
    assert read_one(PROBE_CCF, tmp_path).height == 3


def test_annotations_of_version_2_are_tracks_with_a_label(tmp_path: Path) -> None:
    def vertices(rows: np.ndarray) -> dict[str, object]:
        return {axis: rows[:, [place]] for place, axis in enumerate(("ap", "dv", "ml"))}

    empty = vertices(np.zeros((0, 3)))
    annotation = structs(
        {"label": "probe A", "vertices_ccf": structs(vertices(POINTS[:2]), empty, vertices(POINTS[2:]))},
        {"label": "probe B", "vertices_ccf": structs(vertices(POINTS[:1] + 1))},
    )
    scipy.io.savemat(
        tmp_path / "AP_histology_processing.mat", {"AP_histology_processing": {"annotation": annotation}}
    )
    rows = frame_of(read_one(PROCESSING, tmp_path))
    assert rows["probe"].to_list() == ["probe A"] * 3 + ["probe B"]
    assert rows.select("ap", "dv", "ml").row(3) == (825.0, 265.0, 287.0)


def test_annotations_with_one_label_are_told_apart_by_their_number(tmp_path: Path) -> None:
    vertices = structs({axis: POINTS[:1, [place]] for place, axis in enumerate(("ap", "dv", "ml"))})
    labels = ("A", "B", "A", "", "4")
    annotation = structs(*({"label": label, "vertices_ccf": vertices} for label in labels))
    scipy.io.savemat(
        tmp_path / "AP_histology_processing.mat", {"AP_histology_processing": {"annotation": annotation}}
    )
    probes = read_one(PROCESSING, tmp_path).columns["probe"].to_list()
    assert probes == ["A (1)", "B", "A (3)", "4 (4)", "4 (5)"]


def test_an_alignment_without_annotations_is_refused(tmp_path: Path) -> None:
    scipy.io.savemat(
        tmp_path / "AP_histology_processing.mat", {"AP_histology_processing": {"image_order": np.eye(2)}}
    )
    with pytest.raises(CcfError, match="holds no annotations"):
        read_one(PROCESSING, tmp_path)


def test_version_73_is_read_by_its_references(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        field = file.create_dataset("probe_ccf/points", (1, 2), h5py.ref_dtype)
        field[0, 0], field[0, 1] = in_refs(file, "a", POINTS), in_refs(file, "b", POINTS + 1)

    mat73(tmp_path / "probe_ccf.mat", fill)
    rows = frame_of(read_one(PROBE_CCF, tmp_path))
    assert rows["probe"].to_list() == ["1"] * 3 + ["2"] * 3
    assert rows.select("ap", "dv", "ml").row(0) == (824.0, 264.0, 286.0)


def test_the_list_of_sharp_track_in_version_73_is_the_same(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        listed = file.create_dataset("pointList/pointList", (3, 2), h5py.ref_dtype)
        listed.attrs["MATLAB_class"] = np.bytes_("cell")
        for probe in range(2):
            listed[0, probe] = in_refs(file, f"p{probe}", POINTS[:, ::-1] + probe)
            listed[1, probe] = in_refs(file, f"s{probe}", np.zeros((1, 2)))

    mat73(tmp_path / "probe_points_a.mat", fill)
    rows = frame_of(read_one(PROBE_POINTS, tmp_path, columns=CORONAL))
    assert rows["probe"].to_list() == ["1"] * 3 + ["2"] * 3
    assert rows.select("ap", "dv", "ml").row(3) == (825.0, 265.0, 287.0)


# The plane of the slices, which SHARP-Track does not write


def points_of(folder: Path, *probes: np.ndarray) -> Path:
    """A list of SHARP-Track."""
    scipy.io.savemat(folder / "probe_points.mat", {"pointList": {"pointList": cells(*probes)}})
    return folder


def test_points_that_can_be_of_several_planes_ask_for_it(ccf_cases) -> None:
    with pytest.raises(CcfError, match="does not say in which plane") as refused:
        read_one(PROBE_POINTS, ccf_cases("formats/sharp_track_mat"))
    said = str(refused.value)
    assert "can be those of coronal or sagittal ones" in said
    assert '[columns]    # coronal slices\n    ap = "point_3"\n    dv = "point_2"\n    ml = "point_1"' in said
    assert (
        '[columns]    # sagittal slices\n    ap = "point_1"\n    dv = "point_2"\n    ml = "point_3"' in said
    )
    assert "transverse" not in said


@pytest.mark.parametrize(
    ("point", "order"),
    [
        ((500, 400, 1200), ("ml", "dv", "ap")),
        ((1200, 400, 900), ("ap", "dv", "ml")),
        ((1200, 900, 400), ("ap", "ml", "dv")),
    ],
)
def test_a_point_that_is_in_the_volume_for_one_plane_alone_shows_it(
    tmp_path: Path, point: tuple[int, ...], order: tuple[str, ...]
) -> None:
    points = np.array([point, [500, 400, 600]])
    table = read_one(PROBE_POINTS, points_of(tmp_path, points))
    assert frame_of(table).select(order).to_numpy().tolist() == points.tolist()


@pytest.mark.parametrize(
    "columns",
    [
        CORONAL,
        {"ap": "point_1", "dv": "point_2", "ml": "point_3"},
        {"ap": "point_1", "ml": "point_2", "dv": "point_3"},
    ],
)
@pytest.mark.parametrize("probes", [1, 2])
def test_the_settings_say_the_plane(tmp_path: Path, columns: dict[str, str], probes: int) -> None:
    points_of(tmp_path, *[POINTS] * probes)
    table = frame_of(read_one(PROBE_POINTS, tmp_path, columns=columns))
    assert table.select(columns.values()).rows() == table.select(columns.keys()).rows()
    assert table.select("point_1", "point_2", "point_3").to_numpy().tolist() == POINTS.tolist() * probes


def test_a_part_of_the_plane_is_not_completed(tmp_path: Path) -> None:
    (points_of(tmp_path, POINTS) / "probe_points.toml").write_text('[columns]\nap = "point_1"\n')
    with pytest.raises(CcfError, match="has ap, and no dv or ml"):
        read_sites(tmp_path, "probe_points.mat", FRAMES)


def test_points_out_of_the_volume_in_every_plane_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CcfError, match="out of the CCF's volume of 10 µm, whichever the plane"):
        read_one(PROBE_POINTS, points_of(tmp_path, np.array([[5, 5, 5], [1321, 5, 5]])))


def test_the_contacts_are_put_on_a_track_whose_plane_the_settings_say(tmp_path: Path) -> None:
    (points_of(tmp_path, POINTS[:, ::-1]) / "probe.json").write_text(json.dumps(PROBE))
    lines = [f'{ours} = "{theirs}"' for ours, theirs in CORONAL.items()]
    (tmp_path / "probe_points.toml").write_text("\n".join(["[columns]", *lines]))
    sites = read_sites(tmp_path, "probe_points.mat", FRAMES)
    assert sites["kind"].to_list() == ["track"] * 3 + ["site"] * 2
    scipy.io.savemat(tmp_path / "probe_ccf.mat", {"probe_ccf": structs({"points": POINTS})})
    same = read_sites(tmp_path, "probe_ccf.mat", FRAMES)
    assert sites.select("ap", "dv", "ml").rows() == same.select("ap", "dv", "ml").rows()


# The geometry of the probe beside the track


def test_the_contacts_of_the_only_probe_are_put_on_its_track(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "probe_ccf.mat", {"probe_ccf": structs({"points": POINTS})})
    (tmp_path / "probe.json").write_text(json.dumps(PROBE))
    rows = frame_of(read_one(PROBE_CCF, tmp_path))
    assert rows["kind"].to_list() == ["track"] * 3 + ["site"] * 2
    tip = np.array(rows.select("ap", "dv", "ml").row(2))
    contact = np.array(rows.select("ap", "dv", "ml").row(3))
    assert np.linalg.norm(contact - tip) == pytest.approx(5.0)  # 50 µm, in voxels of 10 µm


def test_of_several_probes_no_contact_is_placed(tmp_path: Path) -> None:
    both = structs({"points": POINTS}, {"points": POINTS})
    scipy.io.savemat(tmp_path / "probe_ccf.mat", {"probe_ccf": both})
    (tmp_path / "probe.json").write_text(json.dumps(PROBE))
    assert read_one(PROBE_CCF, tmp_path).height == 6


# Files that are something else, damaged or hostile


def refused(form: SiteFormat, folder: Path, says: str) -> None:
    with pytest.raises(CcfError, match=says):
        read_one(form, folder)


@pytest.mark.parametrize("raw", [b"", b"PK\3\4", b"MATLAB 5.0 MAT-file", bytes(200)])
def test_what_is_no_file_of_matlab_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "probe_ccf.mat").write_bytes(raw)
    refused(PROBE_CCF, tmp_path, "is no file of MATLAB")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"other": np.eye(3)}, "has no variable probe_ccf"),
        ({"probe_ccf": structs({"points": np.zeros((0, 0))})}, "has no points"),
        ({"probe_ccf": structs({"points": np.zeros((4, 2))})}, r"shape \(4, 2\), where N × 3"),
        ({"probe_ccf": structs({"areas": 1})}, "has no points"),
    ],
)
def test_a_file_without_tracks_is_refused(tmp_path: Path, value: dict[str, object], says: str) -> None:
    scipy.io.savemat(tmp_path / "probe_ccf.mat", value)
    refused(PROBE_CCF, tmp_path, says)


HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"


def element(kind: int, content: bytes) -> bytes:
    """An element of version 5, filled up to 8 bytes."""
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def variable(name: bytes, what: int, shape: tuple[int, int], content: bytes = b"") -> bytes:
    """A variable."""
    flags = element(6, struct.pack("<II", what, 0))
    return element(14, flags + element(5, struct.pack("<ii", *shape)) + element(1, name) + content)


def packed(raw: bytes) -> bytes:
    """A variable, packed."""
    content = zlib.compress(raw, 1)
    return struct.pack("<II", 15, len(content)) + content


def test_a_variable_that_unpacks_to_gigabytes_is_refused_if_it_is_to_be_read(tmp_path: Path) -> None:
    large = packed(variable(b"probe_ccf", 6, (1, 1), bytes(120_000_000)))
    (tmp_path / "probe_ccf.mat").write_bytes(HEAD + large)
    refused(PROBE_CCF, tmp_path, "bytes unpacked, which is no track")
    scipy.io.savemat(tmp_path / "probe_ccf.mat", {"probe_ccf": structs({"points": POINTS})})
    small = (tmp_path / "probe_ccf.mat").read_bytes()[128:]
    pictures = packed(variable(b"pictures", 6, (1, 1), bytes(120_000_000)))
    (tmp_path / "probe_ccf.mat").write_bytes(HEAD + pictures + small)
    assert read_one(PROBE_CCF, tmp_path).height == 3


def test_a_cell_array_of_a_claimed_size_takes_no_memory(tmp_path: Path) -> None:
    claimed = variable(b"probe_ccf", 1, (1 << 30, 1 << 30))
    (tmp_path / "probe_ccf.mat").write_bytes(HEAD + claimed)
    refused(PROBE_CCF, tmp_path, "more cells than it can have")


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual", "large"])
def test_what_lies_in_another_file_is_not_followed(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(1000))

    def fill(file: h5py.File) -> None:
        group = file.create_group("probe_ccf")
        if kind == "external link":
            group["points"] = h5py.ExternalLink("other.h5", "/x")
        elif kind == "soft link":
            group["points"] = h5py.SoftLink("/elsewhere")
        elif kind == "external storage":
            group.create_dataset("points", (3, 3), "f8", external=[(str(tmp_path / "secret.raw"), 0, 72)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((3, 3), "f8")
            layout[:] = h5py.VirtualSource("other.h5", "x", (3, 3))
            group.create_virtual_dataset("points", layout)
        else:
            group.create_dataset("points", (3, 1 << 40), "f8", chunks=(3, 1024))

    mat73(tmp_path / "probe_ccf.mat", fill)
    refused(PROBE_CCF, tmp_path, "not followed|more than 100,000,000 bytes")


@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    file = io.BytesIO()
    scipy.io.savemat(
        file, {"probe_ccf": structs({"points": POINTS, "label": "a"}, {"points": POINTS, "label": 1})}
    )
    raw = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(128, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_mat5(Path("probe_ccf.mat"), bytes(raw[: data.draw(st.integers(128, len(raw)))]), "probe_ccf")
    except CcfError as error:
        if not str(error).endswith("."):
            raise AssertionError(str(error)) from None


def test_alignments_are_named_as_what_they_are(tmp_path: Path) -> None:
    for name in ("histology_ccf.mat", "slice_1_transform_data.mat"):
        (tmp_path / name).write_bytes(b"")
    assert sorted(OTHER_MAT.find(listing_of(tmp_path))) == ["histology_ccf.mat", "slice_1_transform_data.mat"]
