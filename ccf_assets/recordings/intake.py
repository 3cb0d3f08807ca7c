"""Reading the files of a run: their sites, and what is wrong with each. No Dagster.

Which files have to be read is decided in backlog; whose a site is, in ownership.
"""

import functools
import hashlib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import polars as pl
import sqlalchemy as sa

from ccf_assets.atlas.brain_mask import Brain, brain_atlas, read_brain
from ccf_assets.ccf.frames.files import named_frame
from ccf_assets.ccf.frames.maps import Floats, Frame
from ccf_assets.ccf.space import ALLEN_CCF, AXES
from ccf_assets.db import schema
from ccf_assets.db.frames import frame_rows
from ccf_assets.errors import FILES_REFUSED, CcfError, PassingError
from ccf_assets.finding import Finding, counted, listed
from ccf_assets.objects import StoreError
from ccf_assets.progress import Progress
from ccf_assets.recordings.findings import look
from ccf_assets.recordings.findings.claims import duplicate_sites
from ccf_assets.recordings.findings.otherwise import dv_reversed, otherwise
from ccf_assets.recordings.findings.reading import Reading
from ccf_assets.recordings.folders import Folder, require_content
from ccf_assets.recordings.ownership import of_files
from ccf_assets.recordings.scan.folder import site_file
from ccf_assets.recordings.scan.objects import ObjectView
from ccf_assets.recordings.scan.read import read_sites
from ccf_assets.recordings.scan.stamps import StillWritingError

READABLE = "readable"

BrainOf: TypeAlias = Callable[[str], Brain | None]
"""The brain of a space, by its name; None if no atlas of it is loaded."""

_NAMED_FILES = 20
"""Most files whose sentences are metadata of a failed run."""


def files_refused(refused: Mapping[str, str], read: int) -> CcfError:
    """The error of a run in which files were refused; everything else of the run is stored.

    Args:
        refused: partition key of each refused file → why.
        read: how many files were read.
    """
    others = read - len(refused)
    stored = f" The sites of {counted(others, 'other file')} of this run are stored." if others else ""
    files = " ".join(f"{key} was refused: {sentence}" for key, sentence in refused.items())
    details: dict[str, str | float] = dict(itertools.islice(refused.items(), _NAMED_FILES))
    return CcfError(
        f"{files}{stored} Correct the file or its .toml; it is read again when it has changed.",
        **{**details, FILES_REFUSED: len(refused)},
    )


def findings_of_others(engine: sa.Engine, keys: Collection[str]) -> dict[str, dict[str, Finding]]:
    """Check → file → its stored finding, of the files that are not in ``keys``."""
    t = schema.recording_finding.c
    findings: dict[str, dict[str, Finding]] = {}
    with engine.connect() as connection:
        query = sa.select(t.name, t.source, t.blocking, t.sentence).where(t.source.not_in(keys))
        rows = connection.execute(query.order_by(t.source)).all()
        files = of_files(engine, {row.source for row in rows})
        for name, source, blocking, sentence in rows:
            if source not in files:  # the check inserted_sites reports it
                continue
            finding = Finding.blocks if blocking else Finding.warns
            findings.setdefault(name, {})[source] = finding(name, sentence)
    return findings


def circumstances(engine: sa.Engine, frames: Mapping[str, Frame]) -> dict[str, str]:
    """What the checks of a file depend on, by name, each with a digest or, for the brain, its tables.

    ``brain`` is the loaded atlas that is used for checks in the space of the Allen CCF, ``brain of
    whs_sd_rat`` that in another space, ``frames`` all frames, ``frame ibl`` one of them.
    """
    rows = frame_rows(frames)
    spaces = sorted({ALLEN_CCF.name, *(frame.space for frame in frames.values())})
    brains = {space: brain_atlas(engine, space) for space in spaces}
    brain_of = {
        space: f"{atlas.key} {(atlas.voxels_of, atlas.surface_of)}" if atlas else "none"
        for space, atlas in brains.items()
    }
    return {
        "brain": brain_of.pop(ALLEN_CCF.name),
        **{f"brain of {space}": digest for space, digest in brain_of.items()},
        "frames": _digest(sorted(rows, key=lambda row: str(row["name"]))),
        **{f"frame {row['name']}": _digest(row) for row in rows},
    }


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def rests_on(sites: pl.DataFrame | None, frames: Mapping[str, Frame], now: Mapping[str, str]) -> str:
    """The lines of `circumstances` that the result for a file depends on: ``name digest``, one per line.

    That of a loaded file depends on the frames that it uses; a refused file might be valid with any frame.
    """
    if sites is None:
        names = [name for name in now if name.startswith("brain")] + ["frames"]
    else:
        used = sites["frame"].unique().sort().to_list()
        spaces = sorted({frames[name].space for name in used})
        names = ["brain" if space == ALLEN_CCF.name else f"brain of {space}" for space in spaces]
        names += [f"frame {name}" for name in used]
    return "\n".join(f"{name} {now[name]}" for name in names)


def judged_alike(looked_at_with: str | None, now: Mapping[str, str]) -> bool:
    """Whether nothing that the checks of a file depend on (recording_file.looked_at_with) has changed."""
    lines = {f"{name} {digest}" for name, digest in now.items()}
    return looked_at_with is not None and lines.issuperset(looked_at_with.splitlines())


@dataclass(frozen=True)
class ReadFile:
    """A file of sites as it was read, and when it was written; its sites are None if it was refused."""

    key: str
    digest: str
    height: int
    sites: pl.DataFrame | None
    findings: Sequence[Finding]
    mtime_ns: int = 0


def read_files(
    folder: Folder,
    keys: Sequence[str],
    frames: Mapping[str, Frame],
    engine: sa.Engine,
    report: Callable[[str], object],
) -> tuple[list[ReadFile], list[str]]:
    """Read and check files.

    Args:
        folder: the folder of recordings.
        keys: the partition keys of the files.
        frames: the known frames by name.
        engine: the database, for the brain.
        report: receives progress, and a line for each file that is not read.

    Returns:
        The files, the older ones first, since of two with the same site the older one keeps it; and the keys
        of those that are still being written.

    Raises:
        CcfError: one of the files is of another folder of recordings, which is not a file that is gone; or
            the whole folder is gone.
    """
    if elsewhere := sorted(set(keys) - set(folder.owns(keys))):
        raise CcfError(
            f"{listed(elsewhere)}: from the folder of recordings {folder.where(elsewhere[0])}; this process "
            f"reads {folder.path}. Nothing was changed. Set CCF_RECORDINGS to that folder, on its host."
        )
    progress = Progress(report, "read", "files", total=len(keys))
    top, view = folder.opened()
    with engine.connect() as connection:
        spaces = set(connection.scalars(sa.select(schema.reference_space.c.name)))
    read: list[ReadFile] = []
    left: list[str] = []
    with ThreadPoolExecutor(1) as beside:
        brain = beside.submit(read_brain, engine)  # takes half a second; the first file is parsed meanwhile

        def brain_of(space: str) -> Brain | None:
            """The brain of a space; that of the CCF, which nearly every file needs, is read beside."""
            if space not in spaces:
                raise CcfError(
                    f"There is no space {space!r} in the database, into which a frame of this file "
                    "leads; load an atlas of it, or correct space in frames.toml (there are "
                    f"{listed(sorted(spaces))})."
                )
            return brain.result() if space == ALLEN_CCF.name else read_brain(engine, space)

        for key in keys:
            try:
                file = _read_file(top, view, folder.relative(key) or "", key, frames, brain_of)
            except StillWritingError as error:
                left.append(key)
                report(f"{error} The sensor requests it again; its stored sites stay until then.")
            else:
                if file is not None:
                    read.append(file)
                else:
                    if view is None:
                        require_content(top)  # or its disk has gone meanwhile, and no file with it
                    report(f"{key} no longer exists; its sites stay, its findings are deleted.")
            progress.advance(1)
            brain.result()  # raises the error if the brain could not be read
    return sorted(read, key=lambda file: (file.mtime_ns, file.key)), left


def _read_file(
    top: Path,
    view: ObjectView | None,
    relative: str,
    key: str,
    frames: Mapping[str, Frame],
    brain_of: BrainOf,
) -> ReadFile | None:
    """Read one file and check it; None if it no longer exists.

    Args:
        top: where the folder's files are read; see `Folder.opened`.
        view: of an object store.
        relative: the key that the file would have in the first folder.
        key: its key.
        frames: the known frames by name.
        brain_of: the brain of a space.

    Raises:
        StillWritingError: it is still being written, or changed while it was read.
        PassingError: the object store, or the database, cannot be reached.
    """
    try:
        file = site_file(top, relative, view)
        if file is None:
            return None
        read = functools.partial(read_sites, top, relative, frames, key, view)
        looked_at = _look_at(key, file.digest, read, frames, brain_of)
        if site_file(top, relative, view) != file:
            raise StillWritingError(f"{file.paths[0]} changed while it was read.")
    except PassingError:  # says nothing of the file
        raise
    except (CcfError, OSError) as error:
        return _refused(key, "", view.in_words(str(error)) if view else str(error))
    return replace(looked_at, mtime_ns=file.mtime_ns)


def _look_at(
    key: str,
    digest: str,
    read: Callable[[], pl.DataFrame],
    frames: Mapping[str, Frame],
    brain_of: BrainOf,
) -> ReadFile:
    """Read and check the content of a file; whatever is wrong with it becomes a finding."""
    try:
        sites = read()
        findings = file_findings(sites, frames, brain_of)
    except (PassingError, StoreError, StillWritingError):  # say nothing of its content
        raise
    except (CcfError, OSError) as error:
        return _refused(key, digest, str(error))
    except Exception as error:  # an unforeseen error must not keep the other files from being loaded
        return _refused(key, digest, f"{key} cannot be read: {type(error).__name__}: {error}.")
    findings = [Finding.passes(READABLE, f"{counted(sites.height, 'site')}."), *findings]
    impossible = any(finding.blocking for finding in findings)
    return ReadFile(key, digest, sites.height, None if impossible else sites, findings)


_ORDINALS = {2: "second"}


def file_findings(sites: pl.DataFrame, frames: Mapping[str, Frame], brain_of: BrainOf) -> list[Finding]:
    """The findings of a table of sites; in a space without a brain, those that need none.

    Args:
        sites: the table.
        frames: the known frames by name.
        brain_of: the brain of a space; None if no atlas of it is loaded.
    """
    space_of = {name: named_frame(name, frames).space for name in sites["frame"].unique().to_list()}
    spaces = sorted(set(space_of.values())) or [ALLEN_CCF.name]
    parts = [
        _findings_in(
            sites if len(spaces) == 1 else sites.filter(pl.col("frame").replace_strict(space_of) == space),
            frames,
            brain_of(space),
        )
        for space in spaces
    ]
    if len(parts) == 1:
        return parts[0]
    together = [look.merged(spaces, of_one, "space") for of_one in zip(*parts, strict=True)]
    return [*together[:-1], duplicate_sites(sites)]  # the last: a site may be in two spaces


def _findings_in(sites: pl.DataFrame, frames: Mapping[str, Frame], brain: Brain | None) -> list[Finding]:
    """The findings of sites in one space."""
    if brain is None:
        return look.site_findings(sites, frames)
    most = max(brain.steps)
    step = f"every {_ORDINALS.get(most, f'{most}th')} voxel" if most > 1 else ""
    sparse = (
        f"Of the brain, {step} along each axis was looked at, a grid of {brain.grid.edges}." if step else ""
    )
    return look.site_findings(
        sites, frames, brain.in_brain, brain.surface_y, sparse,
        extent_um=brain.extent_um, resolutions_um=brain.resolutions_um,
    )  # fmt: skip


def other_readings(engine: sa.Engine, points: Floats, frame: Frame, frames: Mapping[str, Frame]) -> str:
    """In which other frame, or unit and order of the axes, points far from the brain would lie in it.

    Of a single point near the brain, whether it lies in it with the other sign of DV.

    Args:
        engine: the database, for the brain.
        points: ap, dv, ml, shape (N, 3).
        frame: their frame.
        frames: the known frames by name.

    Returns:
        A sentence; empty if nothing puts the points in the brain.
    """
    brain = read_brain(engine, frame.space)
    if brain is None:
        return ""
    sites = pl.DataFrame(points, schema=dict.fromkeys(AXES, pl.Float64), orient="row")
    reading = Reading(
        sites, frame, frames, brain.in_brain, brain.surface_y, brain.extent_um, brain.resolutions_um
    )
    return otherwise(reading) or (dv_reversed(reading) if len(points) == 1 else "")


def _refused(key: str, digest: str, why: str) -> ReadFile:
    return ReadFile(key, digest, 0, None, [Finding.blocks(READABLE, why)])
