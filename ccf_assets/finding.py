"""The outcome of a check of the data, in words and numbers: of an ontology, a volume or a table of sites.

What is checked is in ccf, db and recordings.findings; a finding becomes a check of Dagster's in defs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from typing import TypeAlias

Numbers: TypeAlias = dict[str, float | int | str]
"""What a finding is based on: counts, shares (0 to 1), names."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 site``, ``1,204 sites``; ``many`` where the plural is not an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(items: Collection[str], most: int = 8) -> str:
    """The first ``most`` items for a sentence, and how many more there are."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(islice(items, most)) + more


@dataclass(frozen=True)
class Finding:
    """The outcome of one check of the data; made by `passes`, `warns` or `blocks`.

    Attributes:
        name: a stable name, used as the name of the asset check.
        blocking: the check failed, and the data must not be used.
        passed: there is nothing to report.
        sentence: what was found; if the check did not pass, also where and what to do.
        numbers: what the sentence is based on.
    """

    name: str
    _: KW_ONLY
    blocking: bool
    passed: bool
    sentence: str
    numbers: Numbers = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.blocking and self.passed:
            raise ValueError(f"The finding {self.name} cannot both block and pass.")

    @classmethod
    def passes(cls, name: str, sentence: str, numbers: Numbers | None = None) -> Finding:
        """A check with nothing to report."""
        return cls(name, blocking=False, passed=True, sentence=sentence, numbers=numbers or {})

    @classmethod
    def warns(cls, name: str, sentence: str, numbers: Numbers | None = None) -> Finding:
        """A check that found something suspicious; the data are used all the same."""
        return cls(name, blocking=False, passed=False, sentence=sentence, numbers=numbers or {})

    @classmethod
    def blocks(cls, name: str, sentence: str, numbers: Numbers | None = None) -> Finding:
        """A check that found something impossible; the data must not be used."""
        return cls(name, blocking=True, passed=False, sentence=sentence, numbers=numbers or {})

    @classmethod
    def required(
        cls, name: str, passed: bool, sentence: str, numbers: Mapping[str, float | int | str]
    ) -> Finding:
        """The outcome of a check that blocks whenever it does not pass."""
        return (cls.passes if passed else cls.blocks)(name, sentence, dict(numbers))
