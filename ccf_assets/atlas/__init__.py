"""Asking a loaded atlas in Python: regions, points, planes, tracks, exports.

Not here: the statements that fill tables (db), and pictures (pictures).
"""
