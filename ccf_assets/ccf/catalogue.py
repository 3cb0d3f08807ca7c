"""The catalogue of atlases: what can be loaded, under which key and number, from which files.

The built-in entries are in ``atlases.toml``; a lab's own are in the file that CCF_ATLASES names, which is
read when it is needed and whenever it has changed. An atlas is one version of an annotation at one
resolution, and a partition of every atlas asset.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from ccf_assets import settings
from ccf_assets.ccf.space import ALLEN_CCF, Direction
from ccf_assets.ccf.voxel_grid import VoxelGrid
from ccf_assets.errors import CcfError, UnknownNameError, suggestion, why
from ccf_assets.files import read_toml, without_secrets

ALLEN = "allen"
"""``ontology`` of an atlas that has the ontology of the Allen Institute's structure graph."""

PHANTOM = "phantom"
"""``ontology`` of the phantom's atlases, which is computed here."""

USUAL_VERSION = "CCFv3 2017"
"""The version that questions are about where no atlas is named and several are loaded."""

FIRST_OWN_ID = 1000
"""Numbers below are built in."""


@dataclass(frozen=True)
class AtlasEntry:
    """One entry of the catalogue.

    Attributes:
        key: partition key and ``atlas.key``, for example ``ccf_2017_25um``.
        ccf_id: number of the atlas in every table.
        version: version of the atlas, at most 64 characters.
        annotation: the volume: of a built-in atlas its path below the source's base address, otherwise the
            whole path or the address of a file or folder; a folder in BrainGlobe's form where ``brainglobe``.
        ontology: ``allen``, ``phantom``, or the whole path or the address of a file.
        space: name of the reference space it lies in.
        grid: the grid, where the catalogue knows it; otherwise the file says it.
        axes: where each stored axis runs to, the first axis first, as the entry states it.
        edges_um: edges of a voxel along AP, DV, ML in µm, as the entry states them.
        midline_um: ML of the midline of its space in µm, where the entry's file states it.
        species: the animal of its space, likewise.
        brainglobe: the annotation is a folder that holds the volume, the ontology and what they are.
        own: it is from a lab's own catalogue.
        sha256: checksum of the official file, or None where none is known.
        size_bytes: size of the official file, or None where it is not known.
        checksum_from: ``file`` (a difference refuses the file) or ``report`` (a difference is reported).
        default: loaded when no atlas is named.
        voxel_rows: the table voxel is loaded with it by default.
    """

    key: str
    ccf_id: int
    version: str
    annotation: str
    ontology: str = ALLEN
    space: str = ALLEN_CCF.name
    grid: VoxelGrid | None = None
    axes: tuple[Direction, Direction, Direction] | None = None
    edges_um: tuple[float, float, float] | None = None
    midline_um: float | None = None
    species: str = ""
    brainglobe: bool = False
    own: bool = False
    sha256: str | None = None
    size_bytes: int | None = None
    checksum_from: str = "file"
    default: bool = False
    voxel_rows: bool = False

    @property
    def is_phantom(self) -> bool:
        """True for the analytic stand-in, which is generated here and never downloaded."""
        return self.ontology == PHANTOM

    @property
    def annotation_name(self) -> str:
        """The name of the annotation's file or folder, for sentences."""
        return PurePosixPath(without_secrets(self.annotation)).name

    @property
    def is_canonical(self) -> bool:
        """Whether the annotation is read as it is: an official volume of 2017, or the phantom."""
        return not self.own and self.axes is None and "://" not in self.annotation

    @property
    def resolution_um(self) -> float | None:
        """The smallest edge of a voxel in µm, where the catalogue knows it."""
        if self.grid is not None:
            return self.grid.resolution_um
        return min(self.edges_um) if self.edges_um else None

    @property
    def description(self) -> str:
        """One line for people; ``atlas.ccf_description`` has the grid of the file in it."""
        return self.described(self.grid)

    def described(self, grid: VoxelGrid | None) -> str:
        """``atlas.ccf_description``: one line for people."""
        if self.is_phantom:
            what = "Analytic phantom on the CCFv3 grid; not the Allen CCF"
        elif self.own or self.space != ALLEN_CCF.name:
            what = f"{self.version}, in the space {self.space}"
        else:
            what = f"Allen Mouse Brain Common Coordinate Framework, {self.version}"
        return f"{what}; annotation at {grid.edges}" if grid is not None else what

    def as_json(self) -> dict[str, object]:
        """The entry for ``--json``, with the keys of the file."""
        key_of = {attribute: key for key, attribute in _ATTRIBUTE_OF.items()}
        left_out = {"grid", "edges_um", "midline_um", "species", "brainglobe"}
        fields = {
            key_of.get(field.name, field.name): getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in left_out
        }
        edge = self.resolution_um
        return {
            **fields,
            "resolution_um": int(edge) if edge is not None and edge == int(edge) else edge,
            "shape": self.grid and self.grid.shape,
            "path": without_secrets(self.annotation),
            "annotation": without_secrets(self.annotation),
            "ontology": without_secrets(self.ontology),
        }


_ATTRIBUTE_OF = {"bytes": "size_bytes", "rows": "voxel_rows"}
"""Keys of the file, and of ``--json``, for which the attribute has a longer name."""


@dataclass(frozen=True)
class OwnSpace:
    """What a lab's catalogue says of a space: the rest is in the volume of an atlas in it."""

    name: str
    species: str = ""
    midline_um: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Catalogue:
    """All atlases that can be loaded.

    Attributes:
        entries: by key, the built-in ones first.
        spaces: what own catalogues say of spaces, by name.
        problems: sentences about entries that were left out, and the key of each, empty for the whole file.
    """

    entries: Mapping[str, AtlasEntry]
    spaces: Mapping[str, OwnSpace]
    problems: tuple[tuple[str, str], ...] = ()


def read_built_in(path: Path) -> dict[str, AtlasEntry]:
    """The built-in entries by key, in the order of the file.

    Args:
        path: a TOML file as ``atlases.toml`` describes itself.

    Raises:
        CcfError: two entries share a number, or a grid does not span its space.
    """
    entries: dict[str, AtlasEntry] = {}
    key_of: dict[int, str] = {}
    for key, fields in read_toml(path).items():
        named = {_ATTRIBUTE_OF.get(name, name): value for name, value in fields.items()}
        edge, shape = named.pop("resolution_um"), named.pop("shape")
        grid = VoxelGrid(tuple(shape), (float(edge),) * 3, float(ALLEN_CCF.midline_um or 0))
        axes = named.pop("axes", None)
        entry = AtlasEntry(
            key=key, annotation=named.pop("path"), grid=grid, axes=axes and tuple(axes), **named
        )
        if entry.ccf_id in key_of:
            raise CcfError(f"{path}: {key} and {key_of[entry.ccf_id]} both have ccf_id {entry.ccf_id}.")
        if grid.extent_um != ALLEN_CCF.extent_um:
            raise CcfError(
                f"{path}: {key} has shape {grid.shape} at {grid.edges}, "
                f"which is not the CCF's {ALLEN_CCF.extent_um} µm."
            )
        key_of[entry.ccf_id] = key
        entries[key] = entry
    return entries


BUILT_IN: Mapping[str, AtlasEntry] = MappingProxyType(read_built_in(Path(__file__).with_name("atlases.toml")))


CCF_RESOLUTIONS_UM: tuple[float, ...] = tuple(
    sorted({entry.grid.resolution_um for entry in BUILT_IN.values() if entry.grid})
)
"""The resolutions of the built-in atlases: grids whose voxel indices may be taken for µm."""


_kept: Catalogue = Catalogue({}, {})


def take_kept(entries: Mapping[str, AtlasEntry], spaces: Mapping[str, OwnSpace]) -> None:
    """Let this process know a lab's own atlases as the database keeps them; they go before its own file's.

    Args:
        entries: by key.
        spaces: what is said of their spaces, by name.
    """
    global _kept  # noqa: PLW0603 - as the settings of a process, it is asked for everywhere
    _kept = Catalogue(entries, spaces)


def catalogue() -> Catalogue:
    """The built-in atlases and a lab's own: those that the database keeps, and those of this host's file."""
    own = own_catalogue()
    if not _kept.entries:
        return own
    entries = MappingProxyType({**own.entries, **_kept.entries})
    return Catalogue(entries, {**own.spaces, **_kept.spaces}, own.problems)


def own_catalogue() -> Catalogue:
    """The built-in atlases and those of the lab's catalogue on this host, as its file is now."""
    path = settings.atlases_file()
    try:
        stat = path.stat()
    except FileNotFoundError:
        if not settings.is_set("CCF_ATLASES"):
            return Catalogue(BUILT_IN, {})
        return Catalogue(BUILT_IN, {}, (("", f"{path}, which CCF_ATLASES names, does not exist."),))
    except OSError as error:
        return Catalogue(BUILT_IN, {}, (("", f"{path} cannot be read: {why(error)}."),))
    return _with_own(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@functools.lru_cache(maxsize=4)
def _with_own(path: Path, *_state: int) -> Catalogue:
    """The catalogue with a lab's file, read once as long as the file stays as it is."""
    from ccf_assets.ccf.own_atlases import read_own

    own, spaces, problems = read_own(path)
    return Catalogue(MappingProxyType({**BUILT_IN, **own}), spaces, problems)


def catalogue_file(path: Path) -> Catalogue:
    """The catalogue with another file in the place of the lab's own, to be checked."""
    return _with_own.__wrapped__(path)


def atlas_entry(key: str, *, within: Catalogue | None = None) -> AtlasEntry:
    """The catalogue's entry for ``key``.

    Raises:
        CcfError: there is no such atlas, with the nearest keys; or its entry in the lab's catalogue is wrong,
            with the reason.
    """
    known = within or catalogue()
    if key in known.entries:
        return known.entries[key]
    for of, sentence in known.problems:
        if of in (key, ""):
            raise UnknownNameError(sentence)
    raise UnknownNameError(
        f"There is no atlas {key!r} in the catalogue; {suggestion(key, known.entries)}"
    ) from None


def by_fineness(entries: Iterable[AtlasEntry]) -> list[AtlasEntry]:
    """Atlases in the order in which they are shown: the finest first, the phantom's last."""
    return sorted(entries, key=lambda e: (e.is_phantom, e.resolution_um or 0, e.ccf_id))


def default_atlases(*, phantom: bool) -> list[AtlasEntry]:
    """The atlases loaded when none is named: the phantom's, or those of the Allen Institute."""
    return [e for e in BUILT_IN.values() if e.default and e.is_phantom == phantom]


def has_finer_default(entry: AtlasEntry) -> bool:
    """Whether an atlas of the same version that is loaded by default has smaller voxels."""
    return not entry.own and any(
        (other.version, other.space) == (entry.version, entry.space)
        and (other.resolution_um or 0) < (entry.resolution_um or 0)
        for other in default_atlases(phantom=entry.is_phantom)
    )
