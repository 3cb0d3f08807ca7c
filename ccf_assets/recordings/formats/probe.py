"""The probe of a source: its name, and the places of its contacts on it, in a file of probeinterface."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ccf_assets.ccf.frames.maps import Floats
from ccf_assets.errors import CcfError
from ccf_assets.recordings.files.source import Listing, Source
from ccf_assets.recordings.formats.json_file import json_kind, number, read_json, whole_number

REVISION = re.compile(r"#.+#")
"""A folder with a newer version of the files in the one above (ONE, "ALF names and revisions")."""

_PROBE = re.compile(r"probe(?!s).*", re.IGNORECASE)

_UM = {"um": 1.0, "mm": 1e3, "m": 1e6}
"""Units of probeinterface (probeinterface/probe.py, ``si_units``) in µm."""


@dataclass(frozen=True)
class ProbeGeometry:
    """The contacts of a probe with one shank, in the order of the file.

    Attributes:
        names: of the contacts; None where the file gives none, or not one each.
        lateral_um: shape (M,): x of the contacts in the plane of the probe, µm.
        axial_um: shape (M,): y, µm; it grows from the tip to the base.
        tip_um: y of the tip: the lowest point of the contour.
        channels: number of the device's channel that each contact is wired to; None where it is not known.
    """

    names: tuple[str, ...] | None
    lateral_um: Floats
    axial_um: Floats
    tip_um: float
    channels: tuple[int | None, ...] | None


def probe_folder(source: Source) -> str | None:
    """The folder of a source that is one of its probe, below that of recordings; None where it has none.

    The folders that the IBL has below that of a probe, of a sorter and of a revision, are left out:
    ``alf/probe00`` for a source in ``alf/probe00/pykilosort/#2024-05-06#``.
    """
    parts = PurePosixPath(source.key).parts[:-1]
    if len(parts) > 1 and REVISION.fullmatch(parts[-1]):
        parts = parts[:-1]
    if len(parts) > 1 and not _PROBE.fullmatch(parts[-1]) and _PROBE.fullmatch(parts[-2]):
        parts = parts[:-1]
    return "/".join(parts) or None


def probe_of(source: Source) -> str | None:
    """The probe of a source that is one of its probe: the name of its `probe_folder`."""
    folder = probe_folder(source)
    return PurePosixPath(folder).name if folder else None


def geometry_beside(listing: Listing) -> tuple[str, ...]:
    """The name of the file of probeinterface in a folder; nothing where there is none, or several."""
    names = sorted(name for name in listing.files if name.lower().endswith(".json"))
    found = [name for name in names if listing.look(name, json_kind) == "probeinterface"]
    return tuple(found) if len(found) == 1 else ()


def read_geometry(path: Path) -> ProbeGeometry | None:
    """The contacts in a file of probeinterface.

    Returns:
        None if they cannot be placed along one track: the file has several probes or shanks, a probe without
        a contour (so that its tip is not known) or with a contact below it, or contacts in three dimensions.

    Raises:
        CcfError: the file cannot be read, or is no file of probeinterface (its probeinterface/io.py).
    """
    content = read_json(path)
    probes = content.get("probes") if isinstance(content, dict) else None
    if not isinstance(probes, list) or not all(isinstance(probe, dict) for probe in probes):
        raise CcfError(f"{path} has no list of probes; write it again with probeinterface.")
    if len(probes) != 1:
        return None
    (probe,) = probes
    shanks = probe.get("shank_ids") or []
    contour = probe.get("probe_planar_contour") or []
    unit = _UM.get(str(probe.get("si_units", "um")))
    if probe.get("ndim", 2) != 2 or not contour or unit is None or len(set(map(str, shanks))) > 1:  # noqa: PLR2004
        return None
    places = unit * _pairs(probe.get("contact_positions"), f"{path}, contact_positions")
    tip = unit * float(_pairs(contour, f"{path}, probe_planar_contour")[:, 1].min())
    if places[:, 1].min() < tip:
        return None
    return ProbeGeometry(
        names=_names(probe.get("contact_ids"), len(places)),
        lateral_um=places[:, 0],
        axial_um=places[:, 1],
        tip_um=tip,
        channels=_channels(probe.get("device_channel_indices"), path, len(places)),
    )


def _pairs(values: object, where: str) -> Floats:
    """Shape (M, 2), M > 0."""
    wrong = CcfError(f"{where} must be a list of points x, y; write the file again with probeinterface.")
    if not isinstance(values, list) or not values:
        raise wrong
    if any(not isinstance(value, list) or len(value) != 2 for value in values):  # noqa: PLR2004
        raise wrong
    pairs = np.array([[number(each, where) for each in value] for value in values], dtype=np.float64)
    if not np.isfinite(pairs).all():
        raise wrong
    return pairs


def _names(given: Any, count: int) -> tuple[str, ...] | None:  # noqa: ANN401
    names = [str(name).strip() for name in given] if isinstance(given, list) else []
    return tuple(names) if all(names) and len(set(names)) == len(names) == count else None


def _channels(given: Any, path: Path, count: int) -> tuple[int | None, ...] | None:  # noqa: ANN401
    """The channels; -1 is the sign of probeinterface for a contact that is not wired."""
    if not isinstance(given, list) or len(given) != count:
        return None
    channels = [whole_number(each, f"{path}, device_channel_indices") for each in given]
    return tuple(None if each is None or each < 0 else each for each in channels)
