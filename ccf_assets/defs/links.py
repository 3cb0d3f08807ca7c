"""What leads on from a page of the UI: to a region's page on the web, and to the viewer.

Not here: the pictures that links stand below (figures), and the viewer itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from ccf_assets import settings
from ccf_assets.ccf.region_sets import is_of_allen
from ccf_assets.pictures.plane import Section
from ccf_assets.pictures.shown import Look

_PAGE = "https://atlas.brain-map.org/atlas?atlas=602630314#structure={}"
"""The Allen Institute's page of a structure in its interactive atlas "Adult Mouse, 3D Coronal", the CCFv3."""

_LINKS = 24
"""Most regions that are linked below a picture: the largest in it."""

_NAMED = 4
"""Most recordings that a command names; with more it shows all."""


def region_links(section: Section, regions: Mapping[int, Look]) -> str:
    """Links to the pages of the largest regions of a picture, in Markdown.

    Empty for an ontology that is not that of the Allen Institute: it has no such pages.

    Args:
        section: the picture.
        regions: all regions of the atlas, by id.
    """
    ids = {look.style.acronym: region for region, look in regions.items()}
    if not is_of_allen(ids):
        return ""
    parts = section.parts()
    largest = (-parts.areas()).argsort(kind="stable").tolist()
    named = [style.acronym for style in (parts.groups[group] for group in largest) if style]
    linked = [acronym for acronym in named if acronym in ids][:_LINKS]
    pages = [f"[{acronym}]({_PAGE.format(ids[acronym])})" for acronym in linked]
    return f"Regions in the Allen Institute's atlas: {' · '.join(pages)}"


def how_to_view(atlas: str, recordings: Collection[str] = ()) -> dict[str, Any]:
    """Metadata that says how to look at an atlas or recordings: a command, and the address that is set.

    Args:
        atlas: its key.
        recordings: recording_ids; many are not named.
    """
    words = ["ccf-assets", "view", "--atlas", atlas]
    if len(recordings) <= _NAMED:
        words += [word for name in sorted(recordings) for word in ("--recording", name)]
    address = settings.viewer_url()
    link = {"viewer": dg.MetadataValue.url(address)} if address else {}
    return {**link, "view_with": dg.MetadataValue.text(shlex.join(words))}
