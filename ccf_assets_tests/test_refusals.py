"""What a user can put right is the first line of a failed step, and the run is not tried again."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from ccf_assets.errors import UNREACHABLE, CcfError, SourceUnreachableError
from ccf_assets.refusals import Refused, in_words

SENTENCE = "The volume from x.nrrd was refused. It has 3 axes of 4."


@in_words
def function() -> None:
    raise CcfError(SENTENCE, expected=4, found=3)


@in_words
def generator() -> Iterator[dg.Output[None]]:
    yield dg.Output(None)
    raise CcfError(SENTENCE, expected=4, found=3)


@pytest.mark.parametrize("fails", [function, generator])
def test_the_page_of_a_run_begins_with_the_sentence_and_has_its_details(fails: object) -> None:
    op = dg.op(name="step")(fails)  # type: ignore[operator]
    job = dg.GraphDefinition("job", node_defs=[op]).to_job()
    result = job.execute_in_process(raise_on_error=False)
    (failed,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failed.error is not None
    assert SENTENCE in failed.error.message.splitlines()[0]
    assert failed.error.cause is None
    assert failed.error.context is None
    assert failed.user_failure_data is not None
    assert failed.user_failure_data.description == SENTENCE
    assert {name: value.value for name, value in failed.user_failure_data.metadata.items()} == {
        "expected": 4,
        "found": 3,
    }


def test_it_is_not_tried_again_where_it_would_be_refused_again() -> None:
    with pytest.raises(Refused) as raised:
        function()
    assert raised.value.allow_retries is False


def test_a_source_that_does_not_answer_is_marked() -> None:
    assert UNREACHABLE in Refused(SourceUnreachableError("The server is silent.")).metadata
    assert UNREACHABLE not in Refused(CcfError(SENTENCE)).metadata


def test_other_errors_pass_as_they_are() -> None:
    @in_words
    def divides() -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        divides()
