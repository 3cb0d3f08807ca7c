"""The folder of recordings: its sources, whether they have changed, and reading one of them. No database.

Not here: what a format is, and how its files are read (recordings.formats).
"""
