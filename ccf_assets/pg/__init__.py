"""PostgreSQL for any data: the embedded server, connections, rows into tables and out of them.

Not here: our tables (db), and the IO manager that Dagster calls (io_manager). It imports neither the
atlas nor Dagster.
"""
