"""PostgreSQL without brains or Dagster: the embedded server, connections, rows into tables and out.

Not here: our tables (db), and the IO manager that Dagster calls (io_manager).
"""
