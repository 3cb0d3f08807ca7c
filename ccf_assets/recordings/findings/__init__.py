"""What is wrong with a table of sites, or suspicious about it, in words and numbers. No database.

Not here: reading the table (recordings.files), and storing the findings (defs.assets.recordings).
"""
