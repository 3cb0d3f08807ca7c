"""Measures what is to be fast; see README.md."""

import warnings

# Remarks of dagster and its dependencies about each other; before anything imports them.
warnings.simplefilter("ignore")
