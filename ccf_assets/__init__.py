"""The Allen Mouse Brain Common Coordinate Framework in PostgreSQL, as Dagster assets."""
