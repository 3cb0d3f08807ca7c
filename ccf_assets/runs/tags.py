"""Tags of Dagster's runs: the partitions a run is for, and the batch it was asked for in."""

from collections.abc import Mapping, Sequence

_START, _END, _ONE = (
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
    "dagster/partition",
)


def keys_of_run(tags: Mapping[str, str], in_order: Sequence[str]) -> list[str] | None:
    """The partitions a run is for, by its tags; None for a run that names none.

    Args:
        tags: the run's tags.
        in_order: all keys in the order of the partition set. Of a range whose first or last key was deleted
            only the other is known.
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


BATCH_TAG = ".dagster/ccf_assets/batch"  # not shown in the UI
