"""What a person does in the Dagster UI, through its GraphQL interface: launch, backfill, end a run."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

_REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "ccf_assets"}

_LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } ... on PipelineNotFoundError { message } } }
"""
_BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  ... on PartitionSetNotFoundError { message } ... on PartitionKeysNotFoundError { message } } }
"""
_PARTITION = """
mutation($repository: RepositorySelector!, $of: String!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: $of, partitionKey: $key) { __typename
    ... on PythonError { message } } }
"""
_TERMINATE = """
mutation($run: String!) { terminateRun(runId: $run) { __typename
  ... on TerminateRunFailure { message } ... on PythonError { message } } }
"""
_SENSORS = """
query($repository: RepositorySelector!) { sensorsOrError(repositorySelector: $repository) { __typename
  ... on Sensors { results { name sensorState { ticks(limit: 1) { status skipReason error { message } } } } } } }
"""


class DagsterUi:
    """The UI at an address, such as ``http://10.77.0.1:3000``."""

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def answers(self) -> bool:
        """Whether it does."""
        with suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{self._address}/server_info", timeout=5).close()
            return True
        return False

    def launch(
        self,
        job: str,
        partition: str = "",
        config: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Launch a run of a job; its id."""
        named = {**({"dagster/partition": partition} if partition else {}), **(tags or {})}
        params = {
            "selector": {**_REPOSITORY, "jobName": job},
            "runConfigData": config or {},
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in named.items()]},
        }
        return str(self._did("launchRun", _LAUNCH, "LaunchRunSuccess", params=params)["run"]["runId"])

    def add_partition(self, key: str, of: str = "atlas") -> None:
        """Make an atlas a partition, as "Add a partition" does."""
        self._ask(_PARTITION, repository=_REPOSITORY, of=of, key=key)

    def backfill(self, job: str, partitions: Sequence[str]) -> str:
        """Backfill partitions of a job; the backfill's id."""
        params = {
            "selector": {"repositorySelector": _REPOSITORY, "partitionSetName": f"{job}_partition_set"},
            "partitionNames": list(partitions),
        }
        done = self._did("launchPartitionBackfill", _BACKFILL, "LaunchBackfillSuccess", params=params)
        return str(done["backfillId"])

    def terminate(self, run: str) -> None:
        """End a run, as its button does."""
        self._did("terminateRun", _TERMINATE, "TerminateRunSuccess", run=run)

    def sensors(self) -> dict[str, str]:
        """What each sensor said at its last tick."""
        found = self._ask(_SENSORS, repository=_REPOSITORY)["sensorsOrError"]["results"]
        said = {}
        for sensor in found:
            for tick in sensor["sensorState"]["ticks"]:
                error = (tick["error"] or {}).get("message")
                said[str(sensor["name"])] = str(error or tick["skipReason"] or tick["status"])
        return said

    def _did(self, mutation: str, query: str, success: str, **variables: object) -> Any:  # noqa: ANN401 - JSON
        done = self._ask(query, **variables)[mutation]
        if done["__typename"] != success:
            raise RuntimeError(f"{mutation}: {done}")
        return done

    def _ask(self, query: str, **variables: object) -> Any:  # noqa: ANN401 - JSON
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self._address}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        if "errors" in found:
            raise RuntimeError(str(found["errors"]))
        return found["data"]
