"""How assets are divided: one partition per atlas of the catalogue, or one per source of recording sites.

Not here: what the IO manager does with a partition's rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import dagster as dg

from ccf_assets import settings
from ccf_assets.ccf.catalogue import CATALOGUE

ATLASES = sorted(CATALOGUE.values(), key=lambda entry: (entry.is_phantom, entry.resolution_um, entry.ccf_id))
"""All atlases in the order of their partitions: the finest first (10, 25, 50, 100 µm), the phantom's last."""

atlas_partitions = dg.StaticPartitionsDefinition([entry.key for entry in ATLASES])
"""Each atlas loads by itself: its rows share nothing with another's but the tables."""

CCF_ID_OF = {entry.key: entry.ccf_id for entry in ATLASES}
"""Partition key to the number that stands in the tables, for the IO manager."""

recording_partitions = dg.DynamicPartitionsDefinition(name="recording")
"""One per file of recording sites, and one per source of rows that a lab inserts itself."""


def atlases_of(source: str) -> list[str]:
    """Keys of the atlases that a source has files of: the phantom's for ``phantom``, else the real ones."""
    return [entry.key for entry in ATLASES if entry.is_phantom == (source == settings.PHANTOM)]


def of_atlases(
    assets: Iterable[dg.AssetsDefinition], atlases: Collection[str]
) -> Sequence[dg.AssetsDefinition]:
    """The assets; those that are divided by atlas have ``atlases`` as their only partitions."""
    chosen = dg.StaticPartitionsDefinition([entry.key for entry in ATLASES if entry.key in atlases])

    def divided(spec: dg.AssetSpec) -> dg.AssetSpec:
        by_atlas = spec.partitions_def == atlas_partitions
        return spec.replace_attributes(partitions_def=chosen) if by_atlas else spec

    return dg.map_asset_specs(divided, assets)
