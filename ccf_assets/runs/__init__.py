"""Dagster's own records: where they are kept, which runs are alive, what was requested before.

Not here: what the runs do (defs).
"""
