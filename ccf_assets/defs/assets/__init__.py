"""The software-defined assets, one module a group: each returns rows or a query, the IO manager writes it.

Not here: how the rows are made (ccf, db, recordings).
"""
