"""Schedules: look weekly for a new ontology, monthly at the annotation files.

Both only fetch and compare. Work downstream follows from changed content, by the sensor outdated_atlases.
"""

from collections.abc import Iterator

import dagster as dg

from ccf_assets.db import loaded
from ccf_assets.defs.jobs import check_annotation, refresh_ontology
from ccf_assets.defs.resources import PostgresResource, SourcesResource

_REFRESH = {"config": {"refresh": True}}

weekly_ontology_refresh = dg.ScheduleDefinition(
    name="weekly_ontology_refresh",
    job=refresh_ontology,
    cron_schedule="0 4 * * 1",
    run_config={"ops": {"structure_graph": _REFRESH}},
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Mondays at 4:00 UTC: fetch the ontology again; it is taken only if it is sound.",
)


@dg.schedule(
    job=check_annotation,
    cron_schedule="0 5 1 * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 1st of the month at 5:00 UTC: fetch the loaded atlases' volumes again, and verify.",
)
def monthly_annotation_check(
    context: dg.ScheduleEvaluationContext, postgres: PostgresResource, sources: SourcesResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a check of each loaded atlas's annotation file."""
    engine, phantom_only = postgres.create_engine(), sources.get().is_phantom
    keys = loaded.served_atlases(engine, phantom_only=phantom_only)
    if not keys:
        yield dg.SkipReason("No atlas is loaded that CCF_SOURCE has files of.")
    for key in keys:
        yield dg.RunRequest(
            run_key=f"{context.scheduled_execution_time:%Y-%m-%d} {key}",  # several need one each
            partition_key=key,
            run_config={"ops": {"annotation": _REFRESH}},
        )


schedules = [weekly_ontology_refresh, monthly_annotation_check]
