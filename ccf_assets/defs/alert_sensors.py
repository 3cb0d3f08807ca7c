"""The sensor that tells the address in CCF_ALERT_URL when a run fails, or a check of severity ERROR does.

Without that setting it tells nobody. What is told is in runs.alerts. It is no run status sensor: those write
a line into the log of every run that they look at, and lose an alert that could not be sent.
"""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone

import dagster as dg

from ccf_assets import settings
from ccf_assets.runs.alerts import alert_of, send

OVERLAP_S = 60.0
"""Runs that ended so long before the last one are looked for again: another process may record them late."""

RUNS_PER_TICK = 50
"""Dagster ends a tick after 60 s."""

_ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]

_WILL_RETRY = "dagster/will_retry"


@dg.sensor(
    # Without an address it only notes from when on to tell.
    minimum_interval_seconds=30 if settings.alert_url() else 600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends a message when a run fails, or a check of severity ERROR, if CCF_ALERT_URL is set.",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell of each run that has ended since the last tick, once; one that is repeated is not told of.

    Raises:
        CcfError: the address did not take the first alert; the next tick tries again.
    """
    address = settings.alert_url()
    if address is None or not context.cursor:
        now = time.time()
        context.update_cursor(_cursor(now, now, {}))
        return dg.SkipReason("Runs are told of from now on." if address else "CCF_ALERT_URL is not set.")
    before = json.loads(context.cursor)
    begun, since, seen = float(before["begun"]), float(before["since"]), dict(before["seen"])
    # A run that ended earlier may be found because a tag was added to it.
    earliest = max(begun, since - OVERLAP_S)
    found = context.instance.get_run_records(
        dg.RunsFilter(
            statuses=_ENDED, updated_after=datetime.fromtimestamp(since - OVERLAP_S, tz=timezone.utc)
        ),
        limit=RUNS_PER_TICK + len(seen),
        order_by="update_timestamp",
        ascending=True,
    )
    sent = 0
    for record in found:
        run, at = record.dagster_run, record.end_time or record.update_timestamp.timestamp()
        if run.run_id not in seen and at > earliest:
            alert = None if run.tags.get(_WILL_RETRY) == "true" else alert_of(context.instance, run)
            if alert is not None:
                try:
                    send(alert, address)
                except Exception:
                    if not sent:
                        raise
                    break  # what was sent is remembered; the next tick tries again
                sent += 1
        seen[run.run_id] = at
        since = max(since, at)
    context.update_cursor(_cursor(begun, since, seen))
    return dg.SkipReason(f"Messages sent: {sent}." if sent else "No run failed, and no check.")


def _cursor(begun: float, since: float, seen: dict[str, float]) -> str:
    """The cursor: since when runs are told of, when the last one ended, which the next tick finds again."""
    again = {run: at for run, at in seen.items() if at >= since - OVERLAP_S}
    return json.dumps({"begun": begun, "since": since, "seen": again})


alert_sensors = [alerts]
