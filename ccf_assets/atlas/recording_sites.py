"""The recording sites of an atlas, as `Atlas` answers with them: in rows, and as a page.

How the page is made is in sites_page.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ccf_assets.atlas.names import names_in
from ccf_assets.ccf.space import SITE, XYZ, key_and_space
from ccf_assets.db import schema
from ccf_assets.finding import counted

if TYPE_CHECKING:
    import polars as pl

    from ccf_assets.atlas.atlas import Atlas
    from ccf_assets.atlas.sites_page import SitesPage


def sites(self: Atlas) -> pl.DataFrame:
    """All recording sites, including those in no region, as stored now.

    Returns:
        Rows of the view recording_site_region, by recording and site.

    Raises:
        CcfError: the atlas was loaded again meanwhile, or dropped.
    """
    site = sa.table("recording_site_region", sa.column("ccf_id", sa.Integer), schema=schema.SCHEMA)
    query = sa.select(sa.text("*")).select_from(site).where(site.c.ccf_id == self.ccf_id)
    return self._frame(query.order_by(sa.text("recording_id, site_id")))


def sites_in(self: Atlas, region: str | int) -> pl.DataFrame:
    """The recording sites in a region or anything inside it, as stored now.

    Returns:
        Rows of the view recording_site_region, by recording and site.

    Raises:
        CcfError: there is no such region, or the atlas was loaded again meanwhile, or dropped.
    """
    call = sa.func.ccf.sites_in(self.region(region).id, self.key)
    return self._frame(sa.select(sa.text("*")).select_from(call.alias("site")))


def sites_page(
    self: Atlas,
    region: str | int | None = None,
    *,
    recordings: str | Iterable[str] | None = None,
    color_by: str = "recording",
) -> SitesPage:
    """The recording sites in the outline of the brain, as one page of HTML that needs nothing else.

    A notebook shows it where it is the last value of a cell; `SitesPage.save` keeps it as a file, for a
    mail: 1.4 MB for 35,000 sites. It needs the extra: pip install 'ccf_assets[view]'.

    Args:
        self: the atlas.
        region: acronym or id: only the sites in it or in anything inside it; all if not given, and those in
            no region, too.
        recordings: the recordings whose sites are shown, or one; all if not given.
        color_by: ``recording`` or ``region``.

    Raises:
        CcfError: the extra is not installed; there is no such region, recording or colouring; a recording is
            not registered in this atlas; or the atlas was loaded again meanwhile.
    """
    from ccf_assets.atlas.brain_mask import brain_of
    from ccf_assets.atlas.sites_page import sites_page

    rows = shown_sites(self, recordings)
    rows = rows.filter(rows["kind"] == SITE)  # as in `sites_in`, without points of tracks
    within = ""
    if region is not None:
        chosen = self.region(region)
        rows = rows.filter(rows["region_id"].is_in([each.id for each in chosen.descendants]))
        within = f"{chosen.acronym}, "
    brain = brain_of(self._engine.url, self._loaded)
    self._check_current()
    title = f"{counted(len(rows), 'recording site')} in {within}{key_and_space(self.key, self.space)}"
    return sites_page(rows, self._regions, brain, title, color_by)


def shown_sites(atlas: Atlas, recordings: str | Iterable[str] | None) -> pl.DataFrame:
    """The sites of some recordings, of one, or of all, in the columns that are shown.

    Raises:
        CcfError: there is no such recording, or it is not registered in this atlas.
    """
    from ccf_assets.atlas.one_recording import atlas_of

    asked = None if recordings is None else names_in(recordings)
    for recording in asked or ():
        atlas_of(atlas._engine, recording, atlas.key)
    names = ("recording_id", "site_id", "site_name", *XYZ, "status", "region_id", "reported_region", "kind")
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
    ccf_id = sa.column("ccf_id", sa.Integer)
    site = sa.table("recording_site_region", *columns, ccf_id, schema=schema.SCHEMA)
    query = sa.select(*columns).select_from(site).where(ccf_id == atlas.ccf_id)
    if asked is not None:
        query = query.where(sa.column("recording_id", sa.Text).in_(asked))
    return atlas._frame(query)
