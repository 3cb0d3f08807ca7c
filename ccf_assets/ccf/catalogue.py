"""The catalogue of atlases: what can be loaded, under which key and number, from which file.

The entries are in ``atlases.toml``; this module reads them and finds entries by key.
An atlas is one version of the CCF at one resolution, and a partition of every atlas asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from ccf_assets.ccf.space import EXTENT_UM
from ccf_assets.errors import CcfError, UnknownNameError, suggestion
from ccf_assets.files import read_toml


@dataclass(frozen=True)
class AtlasEntry:
    """One entry of the catalogue.

    Attributes:
        key: partition key and ``atlas.key``, for example ``ccf_2017_25um``.
        ccf_id: number of the atlas in every table.
        version: version of the CCF, at most 64 characters.
        resolution_um: edge of a voxel in µm.
        shape: voxels along AP, DV, ML.
        path: the annotation volume's path below the source's base address.
        sha256: checksum of the official file, or None where none is known.
        size_bytes: size of the official file, or None where it is not known.
        checksum_from: ``file`` (a difference refuses the file) or ``report`` (a difference is reported).
        default: loaded when no atlas is named.
        voxel_rows: the table voxel is loaded with it by default.
    """

    key: str
    ccf_id: int
    version: str
    resolution_um: int
    shape: tuple[int, int, int]
    path: str
    sha256: str | None = None
    size_bytes: int | None = None
    checksum_from: str = "file"
    default: bool = False
    voxel_rows: bool = False

    @property
    def is_phantom(self) -> bool:
        """True for the analytic stand-in, which is generated here and never downloaded."""
        return self.version.startswith("phantom")

    @property
    def description(self) -> str:
        """``atlas.ccf_description``: one line for people."""
        what = (
            "Analytic phantom on the CCFv3 grid; not the Allen CCF"
            if self.is_phantom
            else f"Allen Mouse Brain Common Coordinate Framework, {self.version}"
        )
        return f"{what}; annotation at {self.resolution_um} µm"

    def as_json(self) -> dict[str, object]:
        """The entry for ``--json``, with the keys of the file."""
        key_of = {attribute: key for key, attribute in _ATTRIBUTE_OF.items()}
        return {key_of.get(name, name): value for name, value in asdict(self).items()}


_ATTRIBUTE_OF = {"bytes": "size_bytes", "rows": "voxel_rows"}
"""Keys of the file, and of ``--json``, for which the attribute has a longer name."""


def read_catalogue(path: Path) -> dict[str, AtlasEntry]:
    """Read a catalogue file.

    Args:
        path: a TOML file as ``atlases.toml`` describes itself.

    Returns:
        The entries by key, in the order of the file.

    Raises:
        CcfError: two entries share a number, or a grid does not span the CCF.
    """
    entries: dict[str, AtlasEntry] = {}
    key_of: dict[int, str] = {}
    for key, fields in read_toml(path).items():
        named = {_ATTRIBUTE_OF.get(name, name): value for name, value in fields.items()}
        entry = AtlasEntry(key=key, **{**named, "shape": tuple(fields["shape"])})
        if entry.ccf_id in key_of:
            raise CcfError(f"{path}: {key} and {key_of[entry.ccf_id]} both have ccf_id {entry.ccf_id}.")
        if tuple(n * entry.resolution_um for n in entry.shape) != EXTENT_UM:
            raise CcfError(
                f"{path}: {key} has shape {entry.shape} at {entry.resolution_um} µm, "
                f"which is not the CCF's {EXTENT_UM} µm."
            )
        key_of[entry.ccf_id] = key
        entries[key] = entry
    return entries


CATALOGUE: Mapping[str, AtlasEntry] = MappingProxyType(
    read_catalogue(Path(__file__).with_name("atlases.toml"))
)


def atlas_entry(key: str) -> AtlasEntry:
    """The catalogue's entry for ``key``.

    Raises:
        CcfError: there is no such atlas; the text names the nearest keys.
    """
    try:
        return CATALOGUE[key]
    except KeyError:
        raise UnknownNameError(
            f"There is no atlas {key!r} in the catalogue; {suggestion(key, CATALOGUE)}"
        ) from None


def default_atlases(*, phantom: bool) -> list[AtlasEntry]:
    """The atlases loaded when none is named: the phantom's, or those of the Allen Institute."""
    return [e for e in CATALOGUE.values() if e.default and e.is_phantom == phantom]
