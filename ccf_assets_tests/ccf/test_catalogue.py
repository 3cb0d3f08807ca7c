"""The catalogue: numbers and keys that never change, grids that span the CCF, and help with a wrong key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccf_assets.ccf.catalogue import CATALOGUE, AtlasEntry, atlas_entry, default_atlases, read_catalogue
from ccf_assets.ccf.space import EXTENT_UM, MIDLINE_UM
from ccf_assets.errors import CcfError

ENTRY = """
[one]
ccf_id = 1
version = "v"
resolution_um = 100
shape = [132, 80, 114]
path = "one.nrrd"
"""


def catalogue(folder: Path, text: str) -> Path:
    path = folder / "atlases.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_numbers_of_the_official_atlases_are_fixed() -> None:
    numbers = {e.resolution_um: e.ccf_id for e in CATALOGUE.values() if e.version == "CCFv3 2017"}
    assert numbers == {25: 1, 10: 2, 50: 3, 100: 4}


def test_a_key_tells_the_version_and_the_resolution() -> None:
    for key, entry in CATALOGUE.items():
        assert key == entry.key
        assert key == f"{'phantom' if entry.is_phantom else 'ccf_2017'}_{entry.resolution_um}um"


def test_every_grid_spans_the_ccf_and_is_divided_by_the_midline() -> None:
    assert MIDLINE_UM == 5700
    for entry in CATALOGUE.values():
        assert tuple(n * entry.resolution_um for n in entry.shape) == EXTENT_UM
        assert MIDLINE_UM % entry.resolution_um == 0


def test_the_defaults_are_those_of_the_readme() -> None:
    assert {e.key: e.voxel_rows for e in default_atlases(phantom=False)} == {
        "ccf_2017_25um": False,
        "ccf_2017_50um": True,
        "ccf_2017_100um": True,
    }
    assert {e.key: e.voxel_rows for e in default_atlases(phantom=True)} == {
        "phantom_25um": False,
        "phantom_50um": True,
        "phantom_100um": True,
    }


def test_texts_fit_their_columns_and_the_phantom_never_passes_for_the_atlas() -> None:
    for entry in CATALOGUE.values():
        assert len(entry.version) <= 64
        assert len(entry.description) <= 255
        assert f"{entry.resolution_um} µm" in entry.description
        assert entry.is_phantom == ("phantom" in entry.description.lower())
        assert entry.is_phantom == ("not the Allen CCF" in entry.description)
        assert entry.is_phantom == ("phantom" in entry.path)


def test_official_files_are_pinned_and_only_a_reported_checksum_is_not_binding() -> None:
    for entry in CATALOGUE.values():
        if entry.is_phantom:
            assert entry.sha256 is None
        else:
            assert entry.sha256 is not None
            assert len(entry.sha256) == 64
            assert entry.checksum_from == ("report" if entry.resolution_um == 10 else "file")


def test_the_pinned_checksums_are_those_published_beside_the_files(ccf_data) -> None:
    lines = ccf_data("SHA256SUMS").read_text("utf-8").splitlines()
    published = {name.removeprefix("./").removeprefix("*"): sha for sha, name in map(str.split, lines)}
    for entry in default_atlases(phantom=False):
        assert published[entry.path] == entry.sha256
        assert ccf_data(entry.path).stat().st_size == entry.size_bytes


def test_a_wrong_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(CcfError, match=r"no atlas 'ccf_2017_25'.*did you mean ccf_2017_25um"):
        atlas_entry("ccf_2017_25")


def test_a_key_like_none_is_answered_with_all() -> None:
    with pytest.raises(CcfError) as refused:
        atlas_entry("?")
    assert all(key in str(refused.value) for key in CATALOGUE)


def test_a_key_gives_its_entry() -> None:
    assert atlas_entry("ccf_2017_25um") is CATALOGUE["ccf_2017_25um"]


def test_an_entry_of_a_catalogue_is_read(tmp_path: Path) -> None:
    assert read_catalogue(catalogue(tmp_path, ENTRY)) == {
        "one": AtlasEntry("one", 1, "v", 100, (132, 80, 114), "one.nrrd")
    }


def test_two_entries_with_one_number_are_refused(tmp_path: Path) -> None:
    path = catalogue(tmp_path, ENTRY + ENTRY.replace("[one]", "[two]"))
    with pytest.raises(CcfError, match="two and one both have ccf_id 1"):
        read_catalogue(path)


def test_a_grid_that_does_not_span_the_ccf_is_refused(tmp_path: Path) -> None:
    path = catalogue(tmp_path, ENTRY.replace("132, 80, 114", "132, 114, 80"))
    with pytest.raises(CcfError, match=r"one has shape \(132, 114, 80\) at 100 µm"):
        read_catalogue(path)


def test_the_catalogue_cannot_be_changed_by_accident() -> None:
    with pytest.raises(TypeError):
        CATALOGUE["new"] = CATALOGUE["ccf_2017_25um"]  # type: ignore[index]
