"""What the UI says of every asset beside its description: whose it is, and where its code is.

Not here: what it says of the tables (table_metadata).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from ccf_assets import settings

_ROOT = Path(__file__).resolve().parents[2]


def labelled(assets: Iterable[dg.AssetsDefinition]) -> Sequence[dg.AssetsDefinition]:
    """The assets with the owner that CCF_OWNER names, and with a link to their code."""
    owners = [settings.owner()]

    def label(asset: dg.AssetsDefinition) -> dg.AssetsDefinition:
        code = {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[_code_of(asset)])}
        return asset.map_asset_specs(
            lambda spec: spec.replace_attributes(owners=owners, metadata={**spec.metadata, **code})
        )

    return [label(asset) for asset in assets]


def _code_of(asset: dg.AssetsDefinition) -> dg.LocalFileCodeReference | dg.UrlCodeReference:
    """The function behind an asset: on the web where CCF_CODE_URL names its place there, else its file.

    ``dg.with_source_code_references`` would name the file of the decorator `refusals.in_words`.
    """
    written: Any = asset.op.compute_fn
    function = inspect.unwrap(getattr(written, "decorated_fn", written))
    file, line = Path(inspect.getfile(function)), inspect.getsourcelines(function)[1]
    base = settings.code_url()
    if base is None:
        return dg.LocalFileCodeReference(file_path=str(file), line_number=line)
    return dg.UrlCodeReference(url=f"{base.rstrip('/')}/{file.relative_to(_ROOT).as_posix()}#L{line}")
