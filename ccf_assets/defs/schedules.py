"""Schedules: fetch the ontology weekly and the annotation volumes monthly, and compare with those in use.

Not here: the loads that follow when content has changed; the sensor outdated_atlases requests them.
"""

from collections.abc import Iterator

import dagster as dg

from ccf_assets import settings
from ccf_assets.defs import freshness
from ccf_assets.defs.jobs import check_annotation, refresh_ontology
from ccf_assets.defs.resources import PostgresResource
from ccf_assets.runs.tags import atlas_tags

_REFRESH = {"config": {"refresh": True}}

weekly_ontology_refresh = dg.ScheduleDefinition(
    name="weekly_ontology_refresh",
    job=refresh_ontology,
    cron_schedule="0 4 * * 1",
    run_config={"ops": {"structure_graph": _REFRESH}},
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Mondays at 4:00 UTC: fetch the ontology again, and use it if it passes its checks.",
)


@dg.schedule(
    job=check_annotation,
    cron_schedule="0 5 1 * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 1st of the month at 5:00 UTC: fetch the loaded atlases' volumes again, and verify.",
)
def monthly_annotation_check(
    context: dg.ScheduleEvaluationContext, postgres: PostgresResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request a check of each loaded atlas's annotation file."""
    keys = freshness.atlases_to_follow(postgres.kept_engine(), settings.source())
    if not keys:
        yield dg.SkipReason("No atlas is loaded for which CCF_SOURCE has files.")
    for key in keys:
        yield dg.RunRequest(
            run_key=f"{context.scheduled_execution_time:%Y-%m-%d} {key}",  # each run needs its own
            partition_key=key,
            tags=atlas_tags(key),
            run_config={"ops": {"annotation": _REFRESH}},
        )


schedules = [weekly_ontology_refresh, monthly_annotation_check]
