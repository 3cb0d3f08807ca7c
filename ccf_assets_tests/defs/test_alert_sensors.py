"""Alerts: who is to be told of a failed run or check is told once, with the sentence and the link."""

from __future__ import annotations

import json
from collections.abc import Iterator

import dagster as dg
import pytest
import sqlalchemy as sa

from ccf_assets.definitions import defs
from ccf_assets.defs.alert_sensors import alerts
from ccf_assets.errors import CcfError
from ccf_assets.refusals import Refused
from ccf_assets.runs.alerts import TIMEOUT_S, alert_of, send
from ccf_assets_tests.support.http_server import LocalServer, status, whole
from ccf_assets_tests.support.program import python
from ccf_assets_tests.support.recordings_lab import RecordingsLab

HOOK = "/ccf/T0KEN-s3cret"


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A web address that takes alerts, named in the settings, as is that of the UI."""
    with LocalServer() as server:
        server.files[HOOK] = b"ok"
        monkeypatch.setenv("CCF_ALERT_URL", f"http://{server.address}{HOOK}")
        monkeypatch.setenv("CCF_UI_URL", "http://lab.example:3000/")
        yield server


@dg.op
def refuses() -> None:
    raise Refused(CcfError("The volume was refused. Fetch the official file.", found="10 µm"))


@dg.op
def crashes() -> None:
    raise ZeroDivisionError("division by zero")


@dg.op
def goes_well() -> None: ...


@dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="table") for name in ("whole", "odd")])
def table() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(check_name="whole", passed=False, description="3 regions are lost.")
    warning = dg.AssetCheckSeverity.WARN
    yield dg.AssetCheckResult(check_name="odd", passed=False, severity=warning, description="It is odd.")


def run(instance: dg.DagsterInstance, op: dg.OpDefinition, **tags: str) -> dg.DagsterRun:
    """A run of one op, as it ended."""
    job = dg.JobDefinition(name="load_atlas", graph_def=dg.GraphDefinition("load_atlas", node_defs=[op]))
    done = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    found = instance.get_run_by_id(done.run_id)
    assert found is not None
    return found


def posts(channel: LocalServer) -> list[dict[str, object]]:
    return [json.loads(body) for body in channel.posted]


def test_a_failed_run_is_told_once_with_the_sentence_and_the_link(
    lab: RecordingsLab, channel: LocalServer
) -> None:
    lab.tick(alerts)  # begins here
    failed = run(lab.instance, refuses, **{"ccf/atlas": "ccf_2017_25um"})
    run(lab.instance, goes_well)
    for _ in range(3):
        lab.tick(alerts)
    (post,) = posts(channel)
    link = f"http://lab.example:3000/runs/{failed.run_id}"
    assert post == {
        "text": "ccf_assets: load_atlas of ccf_2017_25um failed. The volume was refused. Fetch the official "
        f"file.\n{link}",
        "sentence": "The volume was refused. Fetch the official file.",
        "status": "run failed",
        "job": "load_atlas",
        "atlas": "ccf_2017_25um",
        "run_id": failed.run_id,
        "link": link,
    }


def test_a_check_of_severity_error_is_told_of_also_where_the_run_succeeds_and_a_warning_is_not(
    lab: RecordingsLab, channel: LocalServer
) -> None:
    lab.tick(alerts)
    assert dg.materialize([table], instance=lab.instance).success
    assert dg.materialize([dg.asset(name="fine")(lambda: None)], instance=lab.instance).success
    for _ in range(3):
        lab.tick(alerts)
    (post,) = posts(channel)
    assert post["sentence"] == "table, whole: 3 regions are lost."
    assert post["status"] == "check failed"


def test_by_default_nobody_is_told(
    lab: RecordingsLab, channel: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CCF_ALERT_URL")
    lab.tick(alerts)
    run(lab.instance, refuses)
    assert lab.tick(alerts)[1] == "CCF_ALERT_URL is not set."
    assert channel.posted == []


def test_a_run_that_is_repeated_is_not_told_of(lab: RecordingsLab, channel: LocalServer) -> None:
    lab.tick(alerts)
    run(lab.instance, crashes, **{"dagster/will_retry": "true"})
    assert lab.tick(alerts)[1] == "No run failed, and no check."
    assert channel.posted == []


def test_without_a_sentence_the_error_itself_is_told(lab: RecordingsLab) -> None:
    alert = alert_of(lab.instance, run(lab.instance, crashes))
    assert alert is not None
    assert alert.sentences == ("ZeroDivisionError: division by zero",)
    assert (alert.link, alert.atlas) == (None, None)
    lost = lab.queue("load_atlas", {})
    lab.instance.report_run_failed(lost, "The process that executed this run was killed.")
    alert = alert_of(lab.instance, lab.instance.get_run_by_id(lost.run_id) or lost)
    assert alert is not None
    assert alert.sentences == ("The process that executed this run was killed.",)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("refuses", "answers with the HTTP status 404"),
        ("away", "cannot be reached"),
        ("silent", "did not answer in time"),
        ("nonsense", "is no address of the web"),
    ],
)
def test_an_alert_that_cannot_be_sent_fails_in_words_that_do_not_show_the_address(
    lab: RecordingsLab, channel: LocalServer, monkeypatch: pytest.MonkeyPatch, trouble: str, words: str
) -> None:
    address = f"http://{channel.address}{HOOK}"
    monkeypatch.setattr("ccf_assets.runs.alerts.TIMEOUT_S", (1.0, 0.3))
    if trouble == "refuses":
        channel.forever[HOOK] = status(404)
    elif trouble == "silent":
        channel.forever[HOOK] = channel.slow(5)
    elif trouble == "away":
        address = f"http://127.0.0.1:9{HOOK}"
    else:
        address = "s3cret address"
    alert = alert_of(lab.instance, run(lab.instance, refuses))
    assert alert is not None
    with pytest.raises(CcfError, match=f"CCF_ALERT_URL {words}") as refused:
        send(alert, address)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
    assert "s3cret" not in str(refused.value)


def test_an_alert_that_was_not_taken_is_sent_by_a_later_tick_and_none_twice(
    lab: RecordingsLab, channel: LocalServer
) -> None:
    lab.tick(alerts)
    run(lab.instance, refuses)
    channel.faults[HOOK] = [status(503)]
    with pytest.raises(Exception, match="was not sent"):
        lab.tick(alerts)
    assert lab.tick(alerts)[1] == "Messages sent: 1."
    run(lab.instance, crashes)
    run(lab.instance, refuses)
    channel.faults[HOOK] = [whole, status(503)]
    assert lab.tick(alerts)[1] == "Messages sent: 1."
    assert lab.tick(alerts)[1] == "Messages sent: 1."
    assert lab.tick(alerts)[1] == "No run failed, and no check."
    assert len(posts(channel)) == 5  # two of them in vain


def test_a_run_that_ended_before_the_address_was_set_is_not_told_of(
    lab: RecordingsLab, channel: LocalServer
) -> None:
    failed = run(lab.instance, refuses)
    lab.tick(alerts)
    lab.instance.add_run_tags(failed.run_id, {"seen": "yes"})
    lab.tick(alerts)
    assert channel.posted == []


def test_a_tick_never_outlasts_the_patience_of_dagster() -> None:
    assert sum(TIMEOUT_S) < 60


def test_the_address_is_on_no_page_of_the_definitions(channel: LocalServer, database: sa.Engine) -> None:
    told = {sensor.name: sensor.description for sensor in defs.sensors or []}
    assert "CCF_ALERT_URL" in (told["alerts"] or "")
    assert "s3cret" not in str(told)


@pytest.mark.parametrize(("address", "seconds"), [("", 600), ("https://example.org/hook", 30)])
def test_the_sensor_looks_often_where_an_address_is_set_and_rarely_elsewhere(
    address: str, seconds: int
) -> None:
    code = "from ccf_assets.defs.alert_sensors import alerts; print(alerts.minimum_interval_seconds)"
    said, _ = python("-Wignore", "-c", code, CCF_ALERT_URL=address).communicate(timeout=120)
    assert said.split() == [str(seconds)]
