"""Which assets of an atlas are stale: never loaded, made by older code, or made from other content.

Every asset names its content in its data version, and Dagster records with each materialization the
versions of its inputs. An asset is up to date when four things hold: its code version is the present one;
every input still has the version it was made from, and a lab's own atlas its files and its entry; its rows
are in the database; and its blocking checks passed in the run that made it. One that failed a check, or whose
run was killed before it, is made again.

Not here: recordings, whose backlog is in recordings.backlog, and when a run is requested (runs.requests).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import sqlalchemy as sa

from ccf_assets.ccf import region_sets
from ccf_assets.ccf.catalogue import ALLEN, PHANTOM, atlas_entry
from ccf_assets.db import schema
from ccf_assets.db.loaded import atlases_in_database
from ccf_assets.db.ontologies import follow_ontology
from ccf_assets.db.own_catalogue import is_current
from ccf_assets.db.region_maps import digest_of_maps
from ccf_assets.defs.jobs import REGION_SETS, load_atlas, load_region_sets, load_voxel_rows
from ccf_assets.defs.partitions import atlases_of
from ccf_assets.defs.provenance import ORDER_ONLY, latest, ontology_tag

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

    from ccf_assets.sources.source import Sources

_CODE = "dagster/code_version"

_DATA = "dagster/data_version"

_INPUT = "dagster/input_data_version/"

_ONTOLOGY = dg.AssetKey("structure_graph")

_VOLUME = dg.AssetKey("annotation")


def graph_of(repository: dg.RepositoryDefinition | None) -> AssetGraph:
    """All assets of the repository that a sensor's context has.

    Raises:
        ValueError: the context was built without its repository; Dagster's daemon always gives it.
    """
    if repository is None:
        raise ValueError("The sensor's context has no repository; build it with repository_def.")
    return repository.asset_graph


def atlases_to_follow(engine: sa.Engine, source: str) -> dict[str, bool]:
    """Key of every atlas in the database that ``source`` has files of → whether it has one row per voxel.

    An atlas that was loaded from another source (the phantom, while the source is the Allen Institute, or the
    other way round) is left as it is by sensors and schedules.
    """
    keys = atlases_of(source)
    return {key: has_rows for key, has_rows in atlases_in_database(engine).items() if key in keys}


def stale(
    graph: AssetGraph,
    instance: dg.DagsterInstance,
    engine: sa.Engine,
    sources: Sources,
    atlas: str,
    jobs: Collection[str],
    *,
    with_rows: bool = False,
) -> list[str]:
    """The assets of some jobs that are stale for one atlas.

    Sensors and the command line both decide by this function alone. It covers, for each job that is named:

    * ``load_atlas``: every asset of the job that is outdated (see the module's text);
    * ``load_voxel_rows``: one row per voxel, if outdated, where the atlas has such rows or ``with_rows`` asks
      for them;
    * ``load_region_sets``: the region sets, where a lab's own maps are others than those they were made from.

    Args:
        graph: all assets.
        instance: Dagster's records.
        engine: the database.
        sources: where the files come from that content is compared with.
        atlas: its key.
        jobs: names of the jobs that the caller would run.
        with_rows: one row per voxel is wanted also where the atlas has none yet.
    """
    selected: set[str] = set()
    if load_atlas.name in jobs:
        selected |= {key.path[-1] for key in load_atlas.selection.resolve(graph)}
    if load_voxel_rows.name in jobs and (with_rows or atlases_in_database(engine).get(atlas)):
        selected |= {key.path[-1] for key in load_voxel_rows.selection.resolve(graph)}
    names = outdated(graph, instance, engine, sources, selected, atlas)
    if load_region_sets.name in jobs and maps_changed(instance, engine, atlas):
        names += [name for name in REGION_SETS if name not in names]
    return names


def outdated(
    graph: AssetGraph,
    instance: dg.DagsterInstance,
    engine: sa.Engine,
    sources: Sources,
    selection: Iterable[str],
    atlas: str | None = None,
) -> list[str]:
    """The assets of ``selection`` that must be materialized again, in order of dependency.

    Args:
        graph: all assets; ``asset_graph`` of Dagster's repository, ``resolve_asset_graph()`` of definitions.
        instance: Dagster's records.
        engine: the database.
        sources: where the files come from that content is compared with.
        selection: names of assets.
        atlas: key of the atlas; None where ``selection`` has no asset that belongs to an atlas.
    """
    specs = {node.key: node.to_asset_spec() for node in graph.asset_nodes}
    latest_of = functools.cache(functools.partial(latest, instance))  # of what many are made from, too

    @functools.cache
    def ontology() -> Mapping[str, str] | None:
        """The tag of what is made of the ontology in use; None if no host has accepted one of this source."""
        in_use = follow_ontology(engine, sources, atlas_entry(atlas)) if atlas else None
        return ontology_tag(in_use) if in_use else None

    stale: set[dg.AssetKey] = set()
    wanted = {dg.AssetKey(name) for name in selection}
    order = [key for key in graph.toposorted_asset_keys if key in wanted]
    own_ontology = atlas is not None and atlas_entry(atlas).ontology not in (ALLEN, PHANTOM)
    with engine.connect() as connection:
        for key in order:
            spec = specs[key]
            tags, run_id = latest_of(*_what(spec, atlas))
            blocking = {
                check for check in graph.get_check_keys_for_assets({key}) if graph.get(check).blocking
            }
            content = [specs[dep.asset_key] for dep in spec.deps if not dep.metadata.get(ORDER_ONLY)]
            current = (
                tags.get(_CODE) == spec.code_version
                and (key != _VOLUME or atlas is None or is_current(engine, sources, atlas_entry(atlas)))
                and _has_rows(connection, key.path[-1], atlas)
                and not any(upstream.key in stale for upstream in content)
                # A lab's own ontology is read with the volume.
                and not (own_ontology and _VOLUME in stale and _ONTOLOGY in {each.key for each in content})
                and all(_made_of(tags, latest_of, ontology, upstream, atlas) for upstream in content)
                and blocking <= _passed(instance, run_id, blocking)
            )
            if not current:
                stale.add(key)
    return [key.path[-1] for key in order if key in stale]


def _made_of(
    tags: Mapping[str, str],
    latest_of: Callable[[dg.AssetKey, str | None], tuple[Mapping[str, str], str]],
    ontology: Callable[[], Mapping[str, str] | None],
    upstream: dg.AssetSpec,
    atlas: str | None,
) -> bool:
    """Whether a materialization with these tags was made from the present content of ``upstream``."""
    if upstream.key == _ONTOLOGY and atlas is not None:
        in_use = ontology()
        # Where there is none, none is newer; every load begins with that.
        return in_use is None or tags.items() >= in_use.items()
    present = _as_input(upstream, latest_of(*_what(upstream, atlas))[0].get(_DATA))
    return tags.get(_INPUT + upstream.key.to_user_string()) == present


def _as_input(upstream: dg.AssetSpec, version: str | None) -> str | None:
    """An input's version as Dagster records it: of a partitioned one, the hash of its versions."""
    if version is None or upstream.partitions_def is None:
        return version
    return hashlib.sha256(version.encode()).hexdigest()


def versions(instance: dg.DagsterInstance, asset: str) -> list[str | None]:
    """Data versions of the last hundred materializations of an unpartitioned asset, the latest first."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset))
    found = [record.asset_materialization for record in instance.fetch_materializations(wanted, 100).records]
    return [(each.tags or {}).get(_DATA) for each in found if each is not None]


def maps_changed(instance: dg.DagsterInstance, engine: sa.Engine, atlas: str) -> bool:
    """Whether the kept maps are others than those by which the atlas's regions were last grouped."""
    taken = latest(instance, dg.AssetKey("region_set"), atlas)[0].get(region_sets.TAKEN)
    return taken != digest_of_maps(engine)


def _what(spec: dg.AssetSpec, atlas: str | None) -> tuple[dg.AssetKey, str | None]:
    """The key of an asset and its partition, if it has any."""
    return spec.key, atlas if spec.partitions_def is not None else None


def _passed(
    instance: dg.DagsterInstance, run_id: str, checks: Collection[dg.AssetCheckKey]
) -> set[dg.AssetCheckKey]:
    """The checks that passed in a run, whatever else failed in it."""
    if not checks:
        return set()
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    seen = [event.get_dagster_event().asset_check_evaluation_data for event in events]
    return {check.asset_check_key for check in seen if check.passed} & set(checks)


def _has_rows(connection: sa.Connection, name: str, atlas: str | None) -> bool:
    """Whether the asset's table holds rows of the atlas; an asset that is a file has no table and passes."""
    table = schema.metadata.tables.get(f"{schema.SCHEMA}.{name}")
    if table is None or atlas is None:
        return True
    return bool(connection.scalar(sa.select(sa.exists().where(table.c.ccf_id == atlas_entry(atlas).ccf_id))))
