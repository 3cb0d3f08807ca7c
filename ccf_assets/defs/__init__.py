"""The Dagster definitions: assets, checks, jobs, sensors, schedules and resources, each a thin wrapper.

Not here: parsing, comparing and SQL; a definition wires these together and describes what came out.
"""
