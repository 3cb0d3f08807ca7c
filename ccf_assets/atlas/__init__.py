"""Asking a loaded atlas in Python: regions, points, planes, tracks, exports.

Not here: the statements over tables and reading them (db), the viewer (view), and pictures (pictures).
"""
