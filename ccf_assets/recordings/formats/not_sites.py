"""Kinds of files that people have beside their sites and that hold none, each with what to load instead.

The files that do hold sites are in the modules of the formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ccf_assets.recordings.files.source import Listing, NotSites
from ccf_assets.recordings.formats.json_file import json_kind


def _named(pattern: str) -> Callable[[Listing], Iterator[str]]:
    """Finds the files whose whole name is of a pattern, in any case."""
    return _matching(re.compile(pattern, re.IGNORECASE | re.DOTALL))


def _matching(compiled: re.Pattern[str]) -> Callable[[Listing], Iterator[str]]:
    def find(listing: Listing) -> Iterator[str]:
        yield from (name for name in sorted(listing.files) if compiled.fullmatch(name))

    return find


def ending(*endings: str) -> Callable[[Listing], Iterator[str]]:
    """Finds the files whose names end in a dot and one of ``endings``, in any case."""
    return _named(r".*\.({})".format("|".join(map(re.escape, endings))))


OF_SORTING = re.compile(
    # ALF of the IBL
    r"(spikes|clusters|templates|waveforms|drift|_phy_\w+|_kilosort_\w+|_iblqc_\w+)\..*\.(npy|pqt|tsv)"
    # Kilosort and phy
    r"|(spike_(times|clusters|templates|positions|detection_templates)|amplitudes|(similar_)?templates(_ind)?"
    r"|pc_features?(_ind)?|template_features?(_ind)?|whitening_mat(_inv|_dat)?|kept_spikes|full_(st|clu|amp)"
    r"|channel_(map|positions|shanks)|ops|Wall|tF)\.npy"
    r"|cluster_\w+\.tsv|params\.py|rez2?\.mat|chan(nel)?_?map\.mat",
    re.IGNORECASE | re.DOTALL,
)
"""Names of the files that spike sorting leaves."""

_GEOMETRY_FILE = _named(r".*\.(meta|imro|prb)|settings(_\d+)?\.xml")

_BY_HAND = "If it has sites, write them as a CSV with their frame."


def _geometry(listing: Listing) -> Iterator[str]:
    """Files of probeinterface, SpikeGLX and Open Ephys."""
    yield from _json_of_kind(listing, "probeinterface")
    yield from _GEOMETRY_FILE(listing)


def _alignments(listing: Listing) -> Iterator[str]:
    yield from _json_of_kind(listing, "alignment")
    yield from _looked(listing, ".xml", _xml_kind, "alignment")
    yield from (name for name in sorted(listing.files) if name.lower().endswith((".waln", ".wwrp")))


def _detections(listing: Listing) -> Iterator[str]:
    yield from _looked(listing, ".xml", _xml_kind, "detections")


def _json_of_kind(listing: Listing, kind: str) -> Iterator[str]:
    yield from _looked(listing, ".json", json_kind, kind)


def _looked(listing: Listing, ending: str, classify: Callable[[bytes], str], kind: str) -> Iterator[str]:
    names = sorted(name for name in listing.files if name.lower().endswith(ending))
    yield from (name for name in names if listing.look(name, classify) == kind)


def _xml_kind(head: bytes) -> str:
    """Which program wrote an XML file: cellfinder, as ImageJ's Cell Counter does; or QuickNII."""
    if b"<CellCounter_Marker_File" in head:
        return "detections"
    return "alignment" if b"<series" in head and b"anchoring=" in head else ""


NOT_SITES: tuple[NotSites, ...] = (
    NotSites(
        "the geometry of a probe",
        _geometry,
        "It says where the contacts are on the probe, not where they are in the brain. Load what the "
        "alignment wrote (channel_locations.json, an ALF folder, NWB); or put a file of probeinterface, of "
        "one probe with one shank, beside a track (xyz_picks.json, track.npy): then every contact is placed "
        "on the track.",
    ),
    NotSites(
        "an alignment of sections",
        _alignments,
        "QuickNII, VisuAlign, DeepSlice and WebAlign write the planes of the sections, and no points. Load "
        "the point clouds that Nutil or PyNutil make with it (objects_meshview.json, pixels_meshview.json).",
    ),
    NotSites(
        "detections in image space",
        _detections,
        "The positions are pixels of the sample's own image, before registration. Load points.npy or "
        "all_points.csv of the same run of brainmapper or cellfinder, which are in the space of the atlas.",
    ),
    NotSites(
        "pickles of Python",
        ending("pkl", "pickle", "pkl.gz", "pickle.gz", "joblib"),
        "They are never opened, since opening one can run any program. Save the coordinates as a CSV, with a "
        "frame; of HERBS, those of its probes.",
    ),
    NotSites(
        "other files of the alignment GUI",
        _named(
            r".*ccf_channel_locations(_shank_?\d+)?\.json|.*xyz_picks(_shank_?\d+)?_image_space\.json"
            r"|prev_alignments.*\.json"
        ),
        "They hold steps of the alignment, or coordinates of a space that they do not state. Load "
        "channel_locations.json of the same probe, or its xyz_picks.json.",
    ),
    NotSites(
        "results of spike sorting",
        _matching(OF_SORTING),
        "They hold spikes, clusters and the plane of the probe, without places in the brain. Load those of "
        "the channels (channel_locations.json, an ALF folder, NWB); spikes are joined on probe and channel.",
    ),
    NotSites(
        "raw recordings and images",
        ending(
            *("bin", "dat", "cbin", "ch", "continuous", "oebin", "rhd", "rhs", "kwd", "kwik", "nev", "ncs"),
            *("ns5", "ns6", "tif", "tiff", "czi", "nd2", "lif", "ims", "jp2", "avi", "mp4", "mov"),
        ),
        "They hold signals or pictures. Load what the alignment or the registration of them wrote.",
    ),
    NotSites(
        "volumes",
        ending("nrrd", "nhdr", "nii", "nii.gz", "mhd", "mha", "raw", "mgz"),
        "They hold voxels, not sites. An atlas of your own is an entry of the catalogue: docs/own_atlas.md.",
    ),
    NotSites(
        "folders of Zarr that are no NWB",
        lambda listing: (name for name in listing.folders if name.lower().endswith((".zarr", ".n5"))),
        "They hold images or volumes. An atlas of your own is an entry of the catalogue: docs/own_atlas.md.",
    ),
    NotSites(
        "tables (.tsv, .tsv.gz) without a column of sites",
        ending("tsv", "tsv.gz"),
        "If one has sites, write a NAME.toml beside it that says which columns they are.",
    ),
    NotSites("JSON of no known kind", ending("json"), _BY_HAND),
    NotSites(
        "pictures, texts and programs",
        ending(
            *(
                "png",
                "jpg",
                "jpeg",
                "gif",
                "svg",
                "bmp",
                "pdf",
                "html",
                "md",
                "rst",
                "txt",
                "doc",
                "docx",
                "ppt",
            ),
            *(
                "pptx",
                "log",
                "py",
                "m",
                "ipynb",
                "r",
                "sh",
                "bat",
                "yaml",
                "yml",
                "zip",
                "tar",
                "gz",
                "tgz",
                "7z",
            ),
        ),
        _BY_HAND,
    ),
)
"""The kinds in the order in which a file is looked up; a file that is (part of) a source is of none."""
