"""An annotation volume in the official form, as it is in the cache, and what is refused of a fetched file.

Where it comes from is in source; how another form is made into this one in own_files and converted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ccf_assets.ccf.catalogue import AtlasEntry
from ccf_assets.ccf.frames.maps import Frame
from ccf_assets.ccf.space import ALLEN_CCF, Space
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError
from ccf_assets.files import sha256_of
from ccf_assets.sources.cache import FetchedFile


@dataclass(frozen=True)
class Annotation(FetchedFile):
    """An annotation volume in the official form.

    Attributes:
        grid: its grid.
        space: the space it lies in.
        frames: the frames that its files bring.
        notes: what was made, changed or taken from somewhere when it was read, a sentence each.
        own_ontology: its own ontology, where it has one, not accepted yet while this is new.
    """

    grid: VoxelGrid = field(kw_only=True)
    space: Space = field(kw_only=True)
    frames: tuple[Frame, ...] = field(default=(), kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    own_ontology: FetchedFile | None = field(default=None, kw_only=True)

    @property
    def original_sha256(self) -> str:
        """The checksum of the file as it was found; of a folder, of all files in it."""
        return str(self.more.get("original_sha256", self.sha256))

    @property
    def version(self) -> str:
        """A digest of all that tables are made from: of an official file its checksum."""
        if not self.more:
            return self.sha256
        return hashlib.sha256(f"{self.sha256} {self.grid} {self.space}".encode()).hexdigest()

    @classmethod
    def official(cls, file: FetchedFile, entry: AtlasEntry) -> Annotation:
        """Of an official file, whose grid the catalogue has."""
        assert entry.grid is not None  # noqa: S101 - every built-in entry has one
        return cls(**_fields(file), grid=entry.grid, space=ALLEN_CCF)

    @classmethod
    def recorded(cls, file: FetchedFile, own_ontology: FetchedFile | None) -> Annotation:
        """Of a file that was made from another, with what its record says."""
        said = file.more
        space = Space(**{**said["space"], "extent_um": tuple(said["space"]["extent_um"])})
        return cls(
            **_fields(file),
            grid=VoxelGrid(tuple(said["shape"]), tuple(said["edges_um"]), space.midline_um),
            space=space,
            frames=tuple(
                Frame(**{**f, "xyz": tuple(f["xyz"]), "coefficients": tuple(f["coefficients"])})
                for f in said["frames"]
            ),
            notes=tuple(said["notes"]),
            own_ontology=own_ontology,
        )


def _fields(file: FetchedFile) -> dict[str, Any]:
    return {each.name: getattr(file, each.name) for each in fields(FetchedFile)}


def fetched_file(path: Path, url: str) -> FetchedFile:
    """A file that has just been fetched, with its checksum."""
    return FetchedFile(path, url, sha256_of(path), path.stat().st_size, fetched=True)


def refuse_page(path: Path, shown: str) -> None:
    """Refuse a web page, which a network's login page or a proxy likes to send with status 200."""
    with path.open("rb") as file:
        if file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise CcfError(
                f"{shown} gave a web page instead of the file; "
                "open the address in a browser to see what sends it, and try again."
            )


def difference(file: FetchedFile, entry: AtlasEntry) -> str | None:
    """The difference of a file from size and checksum in the catalogue, in words, or None."""
    if entry.size_bytes in (None, file.size_bytes) and entry.sha256 in (None, file.sha256):
        return None
    return (
        f"{file.url} has {file.size_bytes} bytes and sha256 {file.sha256}, where the catalogue's {entry.key} "
        f"has {entry.size_bytes or 'any number of'} bytes and sha256 {entry.sha256 or 'unknown'}"
    )


def warning_of(file: FetchedFile, entry: AtlasEntry) -> str | None:
    """The warning for a file that differs from a checksum that is only reported."""
    differs = difference(file, entry)
    return differs and f"{differs}; it is kept, because that checksum is only reported and not confirmed."


def unknown_checksum(file: FetchedFile, entry: AtlasEntry) -> str | None:
    """The remark that a file of the Allen Institute could not be compared with a checksum."""
    if entry.own:
        return None
    return (
        f"The catalogue has no checksum of {entry.key}, so the file was not compared with one; the sha256 of "
        f"{file.url} is {file.sha256}."
    )


def checked(file: FetchedFile, entry: AtlasEntry) -> FetchedFile:
    """The fetched volume with its warning, if it may be kept.

    Raises:
        CcfError: it is a web page, not an NRRD file, or not the catalogue's file.
    """
    refuse_page(file.path, file.url)
    differs = difference(file, entry)
    if differs and entry.checksum_from == "file":
        raise CcfError(
            f"{differs}; "
            "try again, and if it stays so, set CCF_SOURCE to a source that has the official file."
        )
    with file.path.open("rb") as opened:
        if opened.read(4) != b"NRRD":
            raise CcfError(f"{file.url} is not an NRRD file; check the file at that address and replace it.")
    return replace(file, warning=warning_of(file, entry))
