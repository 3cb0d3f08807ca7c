"""Coverage-guided fuzzing of everything that parses a file: ``python -m fuzz TARGET``; see README.md."""
