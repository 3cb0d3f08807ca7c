"""The targets by name."""

from __future__ import annotations

import importlib

from fuzz.target import Target

NAMES = (
    "ontology", "ontologies", "annotation", "volumes", "sites", "parquet", "frames", "region_sets",
    "nwb", "json_formats", "npy", "mat", "workbook", "cells",
)  # fmt: skip
"""Each is the ``TARGET`` of the module of its name."""


def target_of(name: str) -> Target:
    """A target; only what it reads with is imported, for the fuzzer to follow."""
    found: Target = importlib.import_module(f"fuzz.{name}").TARGET
    return found
