"""What the tests of formats share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ccf_assets_tests.support.volume_25 import Volume25, read_volume_25


@pytest.fixture(scope="session")
def volume_25(ccf_data: Callable[[str], Path]) -> Volume25:
    """The real 25 µm annotation; skipped where there is none."""
    return read_volume_25(
        ccf_data("annotation/ccf_2017/annotation_25.nrrd"), ccf_data("ontology/structure_graph.csv")
    )
