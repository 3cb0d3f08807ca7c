"""One Dagster job, run in this process, and how it ended in words.

Not here: which jobs a load runs (cli.load_tasks).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ccf_assets.cli.outcome import Outcome, failure

if TYPE_CHECKING:
    import dagster as dg


def run_job(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    name: str,
    *,
    started: float,
    partition: str | None = None,
    assets: Sequence[str] | None = None,
    refresh: bool = False,
    tags: dict[str, str] | None = None,
) -> Outcome:
    """Run a job in this process and put into words how it ended.

    Args:
        defs: all definitions.
        instance: Dagster's records.
        job: its name.
        name: of the task, for its lines on the terminal and its outcome.
        started: when the task began, as time.monotonic() has it.
        partition: key of the atlas; None for a job without partitions, or where ``tags`` name a range.
        assets: the assets to materialize; all of the job's if not given.
        refresh: whether the first of ``assets`` fetches its file again.
        tags: of the run.
    """
    import dagster as dg

    from ccf_assets.runs import console
    from ccf_assets.runs.liveness import alive_tag, held
    from ccf_assets.runs.tags import ATLAS_TAG, launcher_tags

    if assets:
        console.steps(name, len(assets))
    config: dict[str, Any] = {"loggers": {"console": {"config": {"label": name}}}}
    if refresh and assets:
        config["ops"] = {assets[0]: {"config": {"refresh": True}}}
    run_id = str(uuid.uuid4())
    # The lock comes before the run: a run killed before its first step would otherwise stay NOT_STARTED.
    with held(run_id):
        result = defs.resolve_job_def(job).execute_in_process(
            run_config=config,
            instance=instance,
            partition_key=partition,
            asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
            run_id=run_id,
            tags={
                **({ATLAS_TAG: partition} if partition else {}),
                **(tags or {}),
                **alive_tag(run_id),
                **launcher_tags(),
            },
            raise_on_error=False,
        )
    seconds = time.monotonic() - started
    if result.success:
        return Outcome(name, list(assets or []), seconds=seconds)
    failed = failure(result)
    if failed.refused_files:
        return Outcome(name, seconds=seconds)  # which they are is in the database
    return Outcome(name, error=failed.sentence, unreachable=failed.unreachable, seconds=seconds)
