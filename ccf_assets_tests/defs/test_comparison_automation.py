"""Automation: atlases are compared again when the content of one has changed, once, and when all is done."""

from __future__ import annotations

import dagster as dg
import pytest

from ccf_assets.definitions import defs
from ccf_assets.defs.assets.files import structure_graph
from ccf_assets.defs.sensors import changed_atlases
from ccf_assets_tests.support.records import new_records

COMPARISON = dg.AssetKey("region_consistency")


class Ticks:
    """The evaluations of the condition, one after the other, as the sensor makes them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self._cursor = instance, None

    def load(self, asset: str, atlas: str, content: str) -> None:
        tags = {"dagster/data_version": content}
        event = dg.AssetMaterialization(asset, partition=atlas, tags=tags)
        self.instance.report_runless_asset_event(event)

    def requested(self) -> int:
        result = dg.evaluate_automation_conditions(
            defs=defs,
            asset_selection=dg.AssetSelection.assets(COMPARISON),
            instance=self.instance,
            cursor=self._cursor,
        )
        self._cursor = result.cursor
        return result.get_num_requested(COMPARISON)


def test_other_content_of_an_atlas_asks_for_a_comparison_and_the_same_content_does_not() -> None:
    with new_records() as instance:
        ticks = Ticks(instance)
        ticks.load("voxel_run", "ccf_2017_25um", "one")
        assert ticks.requested() == 0  # what was there before it began is compared by the load
        ticks.load("voxel_run", "ccf_2017_25um", "one")
        assert ticks.requested() == 0
        ticks.load("voxel_run", "ccf_2017_25um", "two")
        assert ticks.requested() == 1
        assert ticks.requested() == 0
        ticks.load("region_volume", "ccf_2017_25um", "three")
        assert ticks.requested() == 0
        ticks.load("region_ancestor", "ccf_2017_50um", "four")
        assert ticks.requested() == 1


def test_a_comparison_that_the_command_line_has_made_is_not_asked_for_again() -> None:
    with new_records() as instance:
        ticks = Ticks(instance)
        assert ticks.requested() == 0
        ticks.load("voxel_run", "ccf_2017_25um", "one")
        instance.report_runless_asset_event(dg.AssetMaterialization(COMPARISON))
        assert ticks.requested() == 0


@pytest.mark.parametrize("what", ["condition", "policy"])
def test_the_page_of_the_asset_says_when_it_is_made(what: str) -> None:
    if what == "condition":
        spec = defs.resolve_asset_graph().get(COMPARISON)
        assert spec.automation_condition is not None
        assert "other content" in (spec.automation_condition.label or "")
        assert changed_atlases.default_status == dg.DefaultSensorStatus.RUNNING
    else:
        (spec,) = structure_graph.specs
        assert isinstance(spec.freshness_policy, dg.FreshnessPolicy)
