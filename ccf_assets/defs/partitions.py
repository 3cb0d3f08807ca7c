"""How assets are divided: one partition per atlas of the catalogue, or one per source of recording sites."""

from __future__ import annotations

import dagster as dg

from ccf_assets.ccf.catalogue import CATALOGUE

atlas_partitions = dg.StaticPartitionsDefinition(list(CATALOGUE))
"""Each atlas loads by itself: its rows share nothing with another's but the tables."""

CCF_ID_OF = {key: entry.ccf_id for key, entry in CATALOGUE.items()}
"""Partition key to the number that stands in the tables, for the IO manager."""

recording_partitions = dg.DynamicPartitionsDefinition(name="recording")
"""One per file of recording sites, and one per source of rows that a lab inserts itself."""
