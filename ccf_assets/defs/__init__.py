"""The Dagster definitions: assets, checks, jobs, sensors, schedules and resources, each a thin wrapper.

Not here: parsing, comparing and SQL; a definition wires these together and describes what came out.
"""

import warnings

import dagster as dg

# What Dagster may still change concerns those who raise its bounds in pyproject.toml, not its users.
warnings.filterwarnings(
    "ignore",
    r".*`(backfill_policy|CodeReferencesMetadataValue|LocalFileCodeReference|UrlCodeReference)`",
    dg.BetaWarning,
)
