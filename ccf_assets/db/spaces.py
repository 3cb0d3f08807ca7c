"""Reference spaces in the database, and the frames that the files of an atlas bring into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.ccf.catalogue import OwnSpace
from ccf_assets.ccf.frames.maps import Frame, corner_frame
from ccf_assets.ccf.space import ALLEN_CCF, AXES_OF_SPACES, Space
from ccf_assets.ccf.voxel_grid import VoxelGrid, require_extent
from ccf_assets.db.frames import frame_rows
from ccf_assets.db.schema import atlas as schema_atlas
from ccf_assets.db.schema import atlas_number, coordinate_frame, recording_site, reference_space
from ccf_assets.errors import CcfError


def space_row(space: Space) -> dict[str, object]:
    """A space as a row of reference_space."""
    ap, dv, ml = space.extent_um
    return {
        "name": space.name,
        "species": space.species,
        "extent_ap": ap,
        "extent_dv": dv,
        "extent_ml": ml,
        "midline_um": space.midline_um,
        "axes": AXES_OF_SPACES,
        "source": space.source,
    }


def stored_space(connection: sa.Connection, name: str) -> Space | None:
    """The space of this name, if the database has it."""
    t = reference_space.c
    row = connection.execute(sa.select(reference_space).where(t.name == name)).mappings().first()
    if row is None:
        return None
    extent = (row["extent_ap"], row["extent_dv"], row["extent_ml"])
    return Space(row["name"], row["species"], extent, row["midline_um"], row["source"])


def keep_space(
    connection: sa.Connection,
    atlas: AtlasIdentity,
    grid: VoxelGrid,
    space: Space,
    frames: Sequence[Frame],
    stated: OwnSpace | None = None,
) -> None:
    """Store a space before an atlas in it is, with the frames of both.

    A space other than the Allen CCF has a frame of its name: its own coordinates. What is stored of a space
    in which no other atlas lies is replaced; otherwise its extent stays, which the atlas must have, and what
    the lab's catalogue states of it is taken, and what nobody knew so far.

    Args:
        connection: in a transaction; other loads wait until it ends.
        atlas: number and key.
        grid: its grid.
        space: its space, as its files and the catalogue say.
        frames: of the atlas's files.
        stated: what the lab's catalogue says of the space.

    Raises:
        CcfError: the atlas does not span the space, or a name of a frame is taken by another frame.
    """
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("ccf.reference_space"))))
    t, a = reference_space, schema_atlas.c
    stored = stored_space(connection, space.name)
    others = sa.select(sa.func.max(a.edge_ap), sa.func.max(a.edge_dv), sa.func.max(a.edge_ml)).where(
        a.space == space.name, a.ccf_id != atlas.ccf_id
    )
    coarsest = connection.execute(others).one()
    if stored is None:
        connection.execute(sa.insert(t), [space_row(space)])
    elif space.name != ALLEN_CCF.name:
        if coarsest[0] is None:
            connection.execute(sa.update(t).where(t.c.name == space.name).values(space_row(space)))
        else:
            require_extent(atlas.key, grid, stored, tuple(coarsest))
            said = (stated or OwnSpace(space.name), stored, space)  # who counts first
            known = {
                "species": next((each.species for each in said if each.species), ""),
                "midline_um": next((m for each in said if (m := each.midline_um) is not None), None),
            }
            connection.execute(sa.update(t).where(t.c.name == space.name).values(known))
    f = coordinate_frame
    of_space = [] if space.name == ALLEN_CCF.name else [corner_frame(space)]
    for frame in [*of_space, *frames]:
        (row,) = frame_rows({frame.name: frame})
        taken = connection.execute(sa.select(f.c.of_atlas, f.c.space).where(f.c.name == frame.name)).first()
        own = taken is not None and taken.of_atlas == atlas.ccf_id
        if taken is not None and not own and (taken.of_atlas is None or taken.space != space.name):
            raise CcfError(
                f"{atlas.key} brings the frame {frame.name}, and the database has another frame of that "
                "name; rename that one in frames.toml, or name the atlas or its space otherwise."
            )
        upsert = postgresql.insert(f).values({**row, "of_atlas": atlas.ccf_id})
        changed = {name: upsert.excluded[name] for name in row if name != "name"}
        connection.execute(upsert.on_conflict_do_update(index_elements=[f.c.name], set_=changed))


class AtlasIdentity(NamedTuple):
    """Number and key of an atlas."""

    ccf_id: int
    key: str


def forget_spaces(connection: sa.Connection, ccf_ids: Sequence[int]) -> None:
    """Delete the frames of dropped atlases that no site is in, and the spaces in which nothing is left."""
    f, site = coordinate_frame.c, recording_site.c
    used = sa.exists().where(site.frame == f.name)
    connection.execute(sa.delete(coordinate_frame).where(f.of_atlas.in_(ccf_ids), ~used))
    t, a = reference_space.c, schema_atlas.c
    empty = ~sa.exists().where(a.space == t.name), ~sa.exists().where(f.space == t.name)
    connection.execute(sa.delete(reference_space).where(t.name != ALLEN_CCF.name, *empty))


def number_taken(connection: sa.Connection, ccf_id: int, key: str) -> str | None:
    """Why an atlas cannot have this number and key in the database, as a sentence; None if it can."""
    n = atlas_number.c
    query = sa.select(n.ccf_id, n.key).where(sa.or_(n.ccf_id == ccf_id, n.key == key))
    for number, of in connection.execute(query):
        if number == ccf_id and of != key:
            return f"ccf_id {ccf_id} is that of {of} in this database, for ever; give {key} another number."
        if of == key and number != ccf_id:
            return f"{key} has ccf_id {number} in this database, for ever; write that, or choose another key."
    return None
