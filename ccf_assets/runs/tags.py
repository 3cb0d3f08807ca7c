"""Tags of Dagster's runs: the partitions of a run, and the batch of requests it belongs to."""

import getpass
from collections.abc import Collection, Mapping, Sequence

_START, _END, _ONE = (
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
    "dagster/partition",
)


def keys_of_run(tags: Mapping[str, str], in_order: Sequence[str]) -> list[str] | None:
    """The partitions of a run, read from its tags; None for a run without partitions.

    Args:
        tags: of the run.
        in_order: all keys in the order of the partition set. If the first or last key of a range was deleted,
            the other one is all that is left of the range.
    """
    if _ONE in tags:
        return [tags[_ONE]]
    if _START not in tags:
        return None
    ends = [in_order.index(tags[end]) for end in (_START, _END) if tags[end] in in_order]
    return list(in_order[ends[0] : ends[-1] + 1]) if ends else []


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of a run for the partitions from ``first`` to ``last``, both included."""
    return {_START: first, _END: last}


LAUNCHED_BY_TAG = "ccf/launched_by"
"""Tag of every run that uses the database: ``cli``, ``sensor``, ``schedule``, ``backfill`` or ``ui``."""

FILES_TAG, REFUSED_TAG = "ccf/files", "ccf/refused"
"""Tags of a run of files of sites: how many it read, and how many of these were refused."""

_LAUNCHERS = {
    "dagster/sensor_name": "sensor",
    "dagster/schedule_name": "schedule",
    "dagster/backfill": "backfill",
}


def described(tags: Mapping[str, str], atlases: Collection[str]) -> dict[str, str]:
    """Tags that a run lacks: who launched it, and its atlas; for those that the UI starts.

    Args:
        tags: of the run.
        atlases: keys of all atlases.
    """
    launched = next((name for tag, name in _LAUNCHERS.items() if tag in tags), "ui")
    key = tags.get(_ONE)
    more = {LAUNCHED_BY_TAG: launched, **({ATLAS_TAG: key} if key in atlases and key else {})}
    return {tag: value for tag, value in more.items() if tag not in tags}


def launcher_tags() -> dict[str, str]:
    """Tags of a run of the command line; the UI shows the user of this machine as the one who launched it."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        user = "unknown"
    return {LAUNCHED_BY_TAG: "cli", "user": user}


def atlas_tags(key: str) -> dict[str, str]:
    """Tags of a run for one atlas: Dagster's for its partition, and ours, by which the UI filters runs.

    With Dagster's own tag a request is complete, and its partition may be one that the same tick adds.
    """
    return {_ONE: key, ATLAS_TAG: key}


ATLAS_TAG = "ccf/atlas"

BACKFILL_TAG = "dagster/backfill"
"""Tag of the runs of a backfill, with its id."""

BATCH_TAG = ".dagster/ccf_assets/batch"  # not shown in the UI
