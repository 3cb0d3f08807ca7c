"""Schedules: what they ask for runs, and fetches only."""

from __future__ import annotations

import datetime

import dagster as dg

from ccf_assets.ccf.catalogue import atlas_entry
from ccf_assets.db import holdings
from ccf_assets.definitions import defs
from ccf_assets.defs.schedules import monthly_annotation_check, schedules, weekly_ontology_refresh
from ccf_assets_tests.support.recordings_lab import RecordingsLab


def requests_of(lab: RecordingsLab, schedule: dg.ScheduleDefinition) -> tuple[list[dg.RunRequest], str]:
    with dg.build_schedule_context(
        instance=lab.instance,
        scheduled_execution_time=datetime.datetime(2026, 1, 1, 5, tzinfo=datetime.timezone.utc),
        repository_def=defs.get_repository_def(),
        resources=dict(defs.resources or {}),
    ) as context:
        data = schedule.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message or ""


def run(lab: RecordingsLab, schedule: dg.ScheduleDefinition, request: dg.RunRequest) -> list[str]:
    result = defs.resolve_job_def(schedule.job_name).execute_in_process(
        instance=lab.instance, run_config=request.run_config, partition_key=request.partition_key
    )
    assert result.success
    return [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()]


def test_the_weekly_refresh_fetches_the_ontology_and_no_more(lab: RecordingsLab) -> None:
    (request,), _ = requests_of(lab, weekly_ontology_refresh)
    assert run(lab, weekly_ontology_refresh, request) == ["structure_graph"]


def test_the_monthly_check_fetches_the_volume_of_each_loaded_atlas(lab: RecordingsLab) -> None:
    requests, _ = requests_of(lab, monthly_annotation_check)
    assert [r.partition_key for r in requests] == [
        key for key, _ in sorted(
            ((k, atlas_entry(k).ccf_id) for k in ("phantom_100um", "phantom_50um")), key=lambda pair: pair[1]
        )
    ]  # fmt: skip
    coarse = next(r for r in requests if r.partition_key == "phantom_100um")
    assert run(lab, monthly_annotation_check, coarse) == ["annotation"]


def test_the_monthly_check_leaves_alone_what_the_source_has_no_files_of(lab: RecordingsLab) -> None:
    def rename(old: str, new: str) -> None:
        for table in ("atlas_number", "atlas"):
            lab.tell(f"UPDATE ccf.{table} SET key = '{new}' WHERE key = '{old}'")

    rename("phantom_100um", "ccf_2017_100um")
    try:
        requests, _ = requests_of(lab, monthly_annotation_check)
        assert [r.partition_key for r in requests] == ["phantom_50um"]
    finally:
        rename("ccf_2017_100um", "phantom_100um")


def test_without_an_atlas_there_is_nothing_to_check(lab: RecordingsLab, database: object) -> None:
    # The fixture database comes last: the settings name an empty one.
    assert holdings.holdings(database) == []  # type: ignore[arg-type]
    assert requests_of(lab, monthly_annotation_check) == (
        [],
        "No atlas is loaded for which CCF_SOURCE has files.",
    )


def test_all_schedules_are_on() -> None:
    assert {schedule.default_status for schedule in schedules} == {dg.DefaultScheduleStatus.RUNNING}
