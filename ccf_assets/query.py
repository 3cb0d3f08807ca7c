"""What people ask of a loaded atlas, in Python: each function takes an engine and asks the database."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ccf_assets import frames, registration, schema, settings
from ccf_assets.errors import CcfError
from ccf_assets.frames import load_frames

_LARGEST_ID = 2**31 - 1
"""Of the type of the column; no region has a larger one."""


@dataclass(frozen=True)
class LoadedAtlas:
    """An atlas whose voxels are in the database."""

    ccf_id: int
    key: str
    resolution_um: float
    is_phantom: bool


@dataclass(frozen=True)
class Region:
    """One structure of an atlas.

    ``path`` holds the acronyms from the root to the structure itself; ``volume_mm3``, ``left_mm3`` and
    ``right_mm3`` are of the structure and all inside it, in mm³, None before region_volume is loaded.
    """

    atlas: str
    region_id: int
    acronym: str
    name: str
    color_hex: str
    depth: int
    path: Sequence[str]
    children: Sequence[str]
    voxels: int | None
    volume_mm3: float | None
    left_mm3: float | None
    right_mm3: float | None


@dataclass(frozen=True)
class Located:
    """Where a point lies.

    ``x``, ``y``, ``z`` are CCF µm, None where they are not known; ``status`` is one of schema.STATUSES;
    region and hemisphere are None where the status leaves them unknown.
    """

    atlas: str
    x: float | None
    y: float | None
    z: float | None
    status: str
    hemisphere: str | None
    region_id: int | None
    acronym: str | None
    name: str | None


def loaded_atlases(engine: sa.Engine) -> list[LoadedAtlas]:
    """The atlases in the database, the real before the phantom and the finest first.

    One that is being loaded for the first time is not yet among them.
    """
    a = schema.atlas.c
    query = registration.loaded_atlases().with_only_columns(
        a.ccf_id, a.key, a.ccf_resolution, a.ccf_version.startswith("phantom")
    )
    with engine.connect() as connection:
        return [LoadedAtlas(*row) for row in connection.execute(query)]


def pick_atlas(engine: sa.Engine, key: str | None = None) -> LoadedAtlas:
    """The loaded atlas named ``key``, or the finest one.

    Raises:
        CcfError: none is loaded, or not that one.
    """
    loaded = loaded_atlases(engine)
    if not loaded:
        raise CcfError("No atlas is loaded yet; run `ccf-assets load`.")
    if key is None:
        return loaded[0]
    for atlas in loaded:
        if atlas.key == key:
            return atlas
    raise CcfError(
        f"Atlas {key!r} is not loaded (loaded: {', '.join(a.key for a in loaded)}); "
        f"run `ccf-assets load {key}`."
    )


def region(engine: sa.Engine, atlas: LoadedAtlas, acronym: str) -> Region:
    """The structure with exactly this acronym, or this id.

    Raises:
        CcfError: there is none; the text names near acronyms, and one that differs by case only.
    """
    r, p, up = schema.brain_region.c, schema.region_parent.c, schema.region_ancestor.c
    v = schema.region_volume.c
    is_id = acronym.isdecimal() and int(acronym) <= _LARGEST_ID
    named = r.region_id == int(acronym) if is_id else r.acronym == acronym
    with engine.connect() as connection:
        found = connection.execute(
            sa.select(r.region_id, r.acronym, r.full_name, r.color_hex, p.depth)
            .join_from(
                schema.brain_region,
                schema.region_parent,
                sa.and_(p.ccf_id == r.ccf_id, p.region_id == r.region_id),
            )
            .where(r.ccf_id == atlas.ccf_id, named)
        ).one_or_none()
        if found is None:
            raise CcfError(_no_such_region(connection, atlas, acronym))
        same = sa.and_(r.ccf_id == up.ccf_id, r.region_id == up.ancestor_id)
        path = connection.scalars(
            sa.select(r.acronym)
            .join_from(schema.region_ancestor, schema.brain_region, same)
            .where(up.ccf_id == atlas.ccf_id, up.region_id == found.region_id)
            .order_by(up.distance.desc())
        ).all()
        child = sa.and_(r.ccf_id == p.ccf_id, r.region_id == p.region_id)
        children = connection.scalars(
            sa.select(r.acronym)
            .join_from(schema.region_parent, schema.brain_region, child)
            .where(p.ccf_id == atlas.ccf_id, p.parent_id == found.region_id, p.depth > 0)
            .order_by(r.structure_order)
        ).all()
        sizes = {
            row.hemisphere: row
            for row in connection.execute(
                sa.select(v.hemisphere, v.voxels, v.volume_mm3).where(
                    v.ccf_id == atlas.ccf_id, v.region_id == found.region_id
                )
            )
        }
    return Region(
        atlas=atlas.key,
        region_id=found.region_id,
        acronym=found.acronym,
        name=found.full_name,
        color_hex=found.color_hex,
        depth=found.depth,
        path=path,
        children=children,
        voxels=sizes["both"].voxels if sizes else None,
        volume_mm3=sizes["both"].volume_mm3 if sizes else None,
        left_mm3=sizes["left"].volume_mm3 if sizes else None,
        right_mm3=sizes["right"].volume_mm3 if sizes else None,
    )


def _no_such_region(connection: sa.Connection, atlas: LoadedAtlas, acronym: str) -> str:
    r = schema.brain_region.c
    known = connection.execute(sa.select(r.acronym, r.full_name).where(r.ccf_id == atlas.ccf_id)).all()
    same_but_case = [a for a, _ in known if a.lower() == acronym.lower()]
    if same_but_case:
        return (
            f"{atlas.key} has no region {acronym!r}; {' and '.join(same_but_case)} differs by case only, "
            "and case matters."
        )
    near = difflib.get_close_matches(acronym, [a for a, _ in known], n=4)
    near += [a for a, name in known if acronym.lower() in name.lower()][:4]
    hint = f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else "; see table ccf.brain_region."
    return f"{atlas.key} has no region {acronym!r}{hint}"


def locate(
    engine: sa.Engine,
    atlas: LoadedAtlas,
    frame: str,
    ap: Sequence[float],
    dv: Sequence[float],
    ml: Sequence[float],
) -> list[Located]:
    """The region at each point.

    Args:
        engine: the database.
        atlas: the atlas to look in.
        frame: name of the frame of the coordinates; ``ccf`` is CCF µm.
        ap: antero-posterior coordinates in the frame's unit and sign.
        dv: dorso-ventral coordinates, as many.
        ml: medio-lateral coordinates, as many.

    Returns:
        One answer per point, in order: its region, or why it has none.

    Raises:
        CcfError: there is no such frame.
    """
    known = load_frames(*settings.frames_files())
    points = registration.given_sites(frames.frame(frame, known).name, ap, dv, ml)
    loaded = registration.loaded_atlases().where(schema.atlas.c.ccf_id == atlas.ccf_id)
    found = registration.registrations(points, loaded).subquery()
    f, r = found.c, schema.brain_region.c
    same = sa.and_(r.ccf_id == f.ccf_id, r.region_id == f.region_id)
    query = (
        sa.select(f.x, f.y, f.z, f.status, f.hemisphere, f.region_id, r.acronym, r.full_name)
        .select_from(found.outerjoin(schema.brain_region, same))
        .order_by(f.site_id)
    )
    with engine.connect() as connection:
        return [Located(atlas.key, *row) for row in connection.execute(query)]


def sites_in(engine: sa.Engine, atlas: LoadedAtlas, acronym: str) -> list[dict[str, Any]]:
    """The recording sites in a region or anything inside it.

    Args:
        engine: the database.
        atlas: the atlas to look in.
        acronym: exact acronym of the region.

    Returns:
        Rows of the view recording_site_region, by recording and site.

    Raises:
        CcfError: there is no such region.
    """
    name = region(engine, atlas, acronym).acronym
    call = sa.text("SELECT * FROM ccf.sites_in(:region, :atlas)")
    with engine.connect() as connection:
        rows = connection.execute(call, {"region": name, "atlas": atlas.key}).mappings()
        return [dict(row) for row in rows]
