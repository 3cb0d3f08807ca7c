"""How assets are divided: one partition per atlas that was asked for, or one per source of recording sites.

Not here: what the IO manager does with a partition's rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import dagster as dg

from ccf_assets import settings
from ccf_assets.ccf.catalogue import ALLEN, by_fineness, catalogue

atlas_partitions = dg.DynamicPartitionsDefinition(name="atlas")
"""One per atlas that is in the database or was asked for. Each loads by itself: its rows share nothing with
another's but the tables."""

voxel_row_partitions = dg.DynamicPartitionsDefinition(name="voxel_rows")
"""One per atlas whose rows, one per voxel, are in the database or were asked for. A set of its own, so that
materializing all of an atlas, or all atlases, never makes 506 million rows that nobody asked for."""

recording_partitions = dg.DynamicPartitionsDefinition(name="recording")
"""One per file of recording sites, and one per source of rows that a lab inserts itself."""


def known_recordings(store: dg.DagsterInstance) -> Collection[str]:
    """The recordings that are partitions; if there are none, the last that was recorded as read, if any."""
    there = store.get_dynamic_partitions(str(recording_partitions.name))
    read = dg.AssetKey("recording_file")
    return there or [str(each.partition_key) for each in store.fetch_materializations(read, limit=1).records]


def atlases_of(source: str) -> list[str]:
    """Keys of the atlases that a source has files of: the phantom's for ``phantom``, else the real ones.

    A lab's own atlases come from files of their own, whatever the source, but for the Allen ontology.
    """
    phantom = source == settings.PHANTOM
    return [
        entry.key
        for entry in by_fineness(catalogue().entries.values())
        if (entry.own and (entry.ontology != ALLEN or not phantom))
        or (not entry.own and entry.is_phantom == phantom)
    ]


def missing_partitions(
    store: dg.DagsterInstance, atlases: Mapping[str, bool]
) -> dict[dg.DynamicPartitionsDefinition, list[str]]:
    """The atlases that are not partitions yet, by set of partitions; sets that lack none are left out.

    Args:
        store: Dagster's records.
        atlases: key of an atlas → whether it has one row per voxel, as db.loaded.atlases_in_database says.
    """
    order = {entry.key: place for place, entry in enumerate(by_fineness(catalogue().entries.values()))}
    wanted = {
        atlas_partitions: list(atlases),
        voxel_row_partitions: [key for key, has_rows in atlases.items() if has_rows],
    }
    missing = {}
    for partitions, keys in wanted.items():
        there = set(store.get_dynamic_partitions(str(partitions.name)))
        if new := sorted(set(keys) - there, key=lambda key: order.get(key, len(order))):
            missing[partitions] = new
    return missing


def add_atlases(store: dg.DagsterInstance, atlases: Mapping[str, bool]) -> None:
    """Make atlases partitions, where they are none yet; the arguments are those of `missing_partitions`."""
    for partitions, keys in missing_partitions(store, atlases).items():
        store.add_dynamic_partitions(str(partitions.name), keys)


def remove_atlases(store: dg.DagsterInstance, keys: Iterable[str]) -> None:
    """Let atlases be partitions no longer; what was recorded of them stays."""
    for partitions in (atlas_partitions, voxel_row_partitions):
        there = store.get_dynamic_partitions(str(partitions.name))
        for key in set(keys) & set(there):
            store.delete_dynamic_partition(str(partitions.name), key)


def unknown_partitions(
    store: dg.DagsterInstance, in_database: Collection[str]
) -> dict[dg.DynamicPartitionsDefinition, list[str]]:
    """Partitions that are no atlas: neither in the catalogue nor in the database, such as a misspelt key."""
    unknown, known = {}, catalogue().entries
    for partitions in (atlas_partitions, voxel_row_partitions):
        there = store.get_dynamic_partitions(str(partitions.name))
        if keys := [key for key in there if key not in known and key not in in_database]:
            unknown[partitions] = keys
    return unknown
