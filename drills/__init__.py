"""Drills: what really happens to a lab's database, done to a real one on purpose; see README.md."""
