"""Our database: its tables, views and functions, the statements over them, and an atlas read into memory.

Not here: the answers to people who ask in Python (atlas), and PostgreSQL in general (pg).
"""
