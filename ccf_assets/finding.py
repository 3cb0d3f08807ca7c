"""The outcome of one look at the data: what every check here reports, of an ontology, a volume or a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 site``, ``1,204 sites``; ``many`` where the plural is not an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@dataclass(frozen=True)
class Finding:
    """The outcome of one look at the data, in words and numbers.

    Attributes:
        name: a stable name, used as the name of the asset check.
        blocking: it did not pass, and nothing may be built on the data.
        passed: there is nothing to report.
        sentence: what was found; when not passed, also where and what to do.
        numbers: what the sentence rests on: counts, shares (0 to 1), names.
    """

    name: str
    blocking: bool
    passed: bool
    sentence: str
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)

    @classmethod
    def required(
        cls, name: str, passed: bool, sentence: str, numbers: Mapping[str, float | int | str]
    ) -> Finding:
        """The outcome of a look that blocks whenever it does not pass."""
        return cls(name, not passed, passed, sentence, numbers)
