"""The frame of the alignment GUI of the IBL, by its name in frames.toml, and its bregma in the CCF."""

from __future__ import annotations

IBL_UM = "ibl_um"
"""ML, AP, DV in µm from bregma."""

BREGMA_UM = (5739.0, 5400.0, 332.0)
"""ML, AP, DV of bregma in the CCF (iblatlas, atlas.py: ALLEN_CCF_LANDMARKS_MLAPDV_UM)."""
