"""Reference spaces in the database, and the frames that the files of an atlas bring into them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets.ccf.frames.maps import Frame, corner_frame
from ccf_assets.ccf.space import ALLEN_CCF, AXES_OF_SPACES, Space
from ccf_assets.db.frames import frame_rows
from ccf_assets.db.schema import atlas_number, coordinate_frame, reference_space
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
    connection: sa.Connection, ccf_id: int, space: Space, frames: Sequence[Frame], *, described: bool
) -> None:
    """Store a space before an atlas in it is, with the frames of both.

    A space other than the Allen CCF has a frame of its name: its own coordinates.

    Args:
        connection: in a transaction.
        ccf_id: the atlas.
        space: its space. One that exists keeps its extents, which the atlas must have.
        frames: of the atlas's files. A frame of a lab's own with the same name is not replaced.
        described: the lab's catalogue describes the space: what it says replaces what was stored.

    Raises:
        CcfError: a name of a frame is taken by another frame.
    """
    t = reference_space
    insert = postgresql.insert(t).values(space_row(space))
    changed = {name: insert.excluded[name] for name in ("species", "midline_um", "source")}
    connection.execute(
        insert.on_conflict_do_update(index_elements=[t.c.name], set_=changed)
        if described
        else insert.on_conflict_do_nothing()
    )
    f = coordinate_frame
    of_space = [] if space.name == ALLEN_CCF.name else [corner_frame(space)]
    for row in frame_rows({frame.name: frame for frame in [*of_space, *frames]}):
        taken = connection.execute(sa.select(f.c.of_atlas, f.c.space).where(f.c.name == row["name"])).first()
        if taken is not None and (taken.of_atlas is None or taken.space != space.name):
            raise CcfError(
                f"The atlas with ccf_id {ccf_id} brings the frame {row['name']}, and the database has "
                "another frame of that name; rename that one in frames.toml, or name the atlas or its space "
                "otherwise."
            )
        values = {**row, "of_atlas": ccf_id}
        upsert = postgresql.insert(f).values(values)
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=[f.c.name], set_={key: upsert.excluded[key] for key in values if key != "name"}
            )
        )


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
