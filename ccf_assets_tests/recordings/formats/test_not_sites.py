"""Files that hold no sites: which kind each is of, and that the files with sites are of none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ccf_assets.recordings.formats.brainglobe import SUMMARY
from ccf_assets.recordings.formats.known import found_in
from ccf_assets.recordings.formats.not_sites import NOT_SITES
from ccf_assets_tests.support.formats_lab import listing_of


def kinds(folder: Path) -> dict[str, str]:
    """The first kind of every file."""
    listing = listing_of(folder)
    return {name: kind.name for kind in reversed(NOT_SITES) for name in kind.find(listing)}


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("np.json", '{"specification": "probeinterface"}', "the geometry of a probe"),
        ("run_g0_t0.imec0.ap.meta", "", "the geometry of a probe"),
        ("settings_2.xml", "", "the geometry of a probe"),
        ("series.waln", "", "an alignment of sections"),
        ("series.json", '{"slices": [{"anchoring": [1]}]}', "an alignment of sections"),
        ("series.xml", '<series><slice anchoring="ox=1"/></series>', "an alignment of sections"),
        ("cells.xml", "<CellCounter_Marker_File>", "detections in image space"),
        ("probe 0.pkl", "", "pickles of Python"),
        ("ccf_channel_locations_shank1.json", "{}", "other files of the alignment GUI"),
        ("xyz_picks_image_space.json", "{}", "other files of the alignment GUI"),
        ("spikes.times.npy", "", "results of spike sorting"),
        ("spike_times.npy", "", "results of spike sorting"),
        ("cluster_KSLabel.tsv", "", "results of spike sorting"),
        ("clusters.metrics.pqt", "", "results of spike sorting"),
        ("params.py", "", "results of spike sorting"),
        ("run.ap.bin", "", "raw recordings and images"),
        ("BRAIN.TIF", "", "raw recordings and images"),
        ("annotation_25.nii.gz", "", "volumes"),
        ("anything.json", "{}", "JSON of no known kind"),
        ("README.md", "", "pictures, texts and programs"),
    ],
)
def test_each_is_of_the_kind_that_names_what_to_load_instead(
    tmp_path: Path, name: str, content: str, kind: str
):
    (tmp_path / name).write_text(content)
    assert kinds(tmp_path) == {name: kind}


@pytest.mark.parametrize(
    "name",
    [
        "sites.csv",
        "channels.mlapdv.npy",
        "channels_mlapdv_5000.npy",
        "points.npy",
        "track.npy",
        "probe_ccf.mat",
        "session.nwb",
        "channels.pqt",
        "summary.csv",
    ],
)
def test_files_that_can_hold_sites_are_of_no_kind(tmp_path: Path, name: str):
    (tmp_path / name).write_text("")
    assert kinds(tmp_path) == {}


def test_the_summary_of_regions_is_no_table_of_sites(tmp_path: Path):
    (tmp_path / "summary.csv").write_text("region,volume_mm3\n")
    assert [form for form, _ in found_in(listing_of(tmp_path))] == [SUMMARY]


def test_every_kind_says_what_to_do_in_whole_sentences():
    for kind in NOT_SITES:
        assert kind.advice.endswith(".")
        assert kind.advice[0].isupper()
    assert len({kind.name for kind in NOT_SITES}) == len(NOT_SITES)


def test_real_files_without_sites_are_recognised(ccf_cases: Callable[[str], Path]):
    found = {
        name: kind
        for folder in ("probe_geometry_only", "quicknii_visualign", "cellfinder")
        for name, kind in kinds(ccf_cases(f"formats/{folder}")).items()
        if name != "README.md"
    }
    assert found == {
        "probeinterface_example.json": "the geometry of a probe",
        "run_g0_t0.imec0.ap.meta": "the geometry of a probe",
        "settings.xml": "the geometry of a probe",
        "alignment_linear.json": "an alignment of sections",
        "alignment_nonlinear.json": "an alignment of sections",
        "cells.xml": "detections in image space",
    }
    (of_regions,) = found_in(listing_of(ccf_cases("formats/brainglobe_segmentation/regions")))
    assert of_regions[0] is SUMMARY
