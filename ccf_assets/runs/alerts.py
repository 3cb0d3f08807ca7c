"""Alerts: why a run failed, in words, as a message to the web address in CCF_ALERT_URL.

The address is a secret: whoever has it can write into the lab's channel. It is in no message, no error and no
log. Not here: when alerts are sent (defs.alert_sensors).
"""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from ccf_assets import settings
from ccf_assets.errors import CcfError, first_line
from ccf_assets.runs.tags import ATLAS_TAG

TIMEOUT_S = (5.0, 10.0)
"""To connect, and for the answer; Dagster ends a tick after 60 s."""

_OK = range(200, 300)


@dataclass(frozen=True)
class Alert:
    """What is told of a run.

    Attributes:
        run_id: its id.
        job: its name.
        atlas: key of its atlas; None if it has none.
        failed: whether the run failed; else a check of severity ERROR did, in a run that went on.
        sentences: the reasons.
        link: address of its page in the UI; None if that is not known.
    """

    run_id: str
    job: str
    atlas: str | None
    failed: bool
    sentences: tuple[str, ...]
    link: str | None

    def as_json(self) -> dict[str, object]:
        """The message. Slack, Mattermost and others show ``text``; the rest is for programs."""
        what = f"{self.job} of {self.atlas}" if self.atlas else self.job
        sentence = " ".join(self.sentences)
        head = f"{what} failed" if self.failed else f"A check failed in {what}"
        return {
            "text": "\n".join(filter(None, [f"ccf_assets: {head}. {sentence}", self.link])),
            "sentence": sentence,
            "status": "run failed" if self.failed else "check failed",
            "job": self.job,
            "atlas": self.atlas,
            "run_id": self.run_id,
            "link": self.link,
        }


def alert_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Alert | None:
    """What is to be told of a run that has ended; None if it and its checks of severity ERROR are well."""
    failed = run.status == dg.DagsterRunStatus.FAILURE
    sentences = _reasons(instance, run.run_id) if failed else _failed_checks(instance, run.run_id)
    if not failed and not sentences:
        return None
    base = settings.ui_url()
    return Alert(
        run_id=run.run_id,
        job=run.job_name,
        atlas=run.tags.get(ATLAS_TAG),
        failed=failed,
        sentences=tuple(sentences) or ("Its page in the UI has the details.",),
        link=f"{base.rstrip('/')}/runs/{run.run_id}" if base else None,
    )


def _reasons(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Why a run failed: the sentences of its failed steps, else of its checks, else Dagster's own."""
    logs = instance.all_logs(run_id, of_type={dg.DagsterEventType.STEP_FAILURE})
    failures = [entry.get_dagster_event().step_failure_data for entry in logs]
    in_words = [data.user_failure_data for data in failures if data.user_failure_data is not None]
    sentences = [data.description for data in in_words if data.description]
    sentences = sentences or _failed_checks(instance, run_id)
    if sentences:
        return list(dict.fromkeys(sentences))
    error = next((data.error for data in failures if data.error is not None), None)
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None:
        return [first_line(error.message)]
    ends = instance.all_logs(run_id, of_type={dg.DagsterEventType.RUN_FAILURE})
    return [first_line(entry.message) for entry in ends[:1]]


def _failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The sentences of the checks of severity ERROR that did not pass."""
    logs = instance.all_logs(run_id, of_type={dg.DagsterEventType.ASSET_CHECK_EVALUATION})
    found = [entry.get_dagster_event().asset_check_evaluation_data for entry in logs]
    return [
        f"{each.asset_key.to_user_string()}, {each.check_name}: {each.description or 'did not pass.'}"
        for each in found
        if not each.passed and each.severity == dg.AssetCheckSeverity.ERROR
    ]


def send(alert: Alert, address: str) -> None:
    """Post an alert as JSON.

    Raises:
        CcfError: it was not taken; the text does not show the address, which is a secret.
    """
    import requests

    try:
        status = requests.post(address, json=alert.as_json(), timeout=TIMEOUT_S).status_code
    except requests.Timeout:
        trouble = "did not answer in time"
    except requests.ConnectionError:
        trouble = "cannot be reached"
    except (requests.RequestException, ValueError):
        trouble = "is no address of the web"
    else:
        if status in _OK:
            return
        trouble = f"answers with the HTTP status {status}"
    # Outside any handler: the library's own error, whose text has the address, is then not in the log.
    raise CcfError(
        f"The alert about run {alert.run_id} was not sent: the address in CCF_ALERT_URL {trouble}."
    )
