"""Benchmarks of loading and asking; see README.md."""
