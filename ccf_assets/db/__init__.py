"""Our database: its tables, views and functions, and the statements over them.

Not here: reading whole atlases into memory (atlas), and PostgreSQL in general (pg).
"""
