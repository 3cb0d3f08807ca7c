"""How assets are divided: one partition per atlas of the catalogue."""

from __future__ import annotations

import dagster as dg

from ccf_assets.atlases import CATALOGUE

atlas_partitions = dg.StaticPartitionsDefinition(list(CATALOGUE))
"""Each atlas loads by itself: its rows share nothing with another's but the tables."""

CCF_ID_OF = {key: entry.ccf_id for key, entry in CATALOGUE.items()}
"""Partition key to the number that stands in the tables, for the IO manager."""
