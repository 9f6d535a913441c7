"""Facts that a reader of a quickstart needs beside its numbers."""

from types import SimpleNamespace

import pytest

from truing.pipelines.budget import MachinePace, QuickstartPlan
from truing.pipelines.quickstart_report import UNREAD, Shown

PACE = MachinePace(load=2.0, read=0.001, write=0.005, keep=0.1, learn=0.5)


def shown(perplexity: float, language: str = "en") -> Shown:
    plan = QuickstartPlan("some/model", language, 7.5, "float32", "a CPU", 80, 1000, {}, 0, PACE)
    read = SimpleNamespace(before=SimpleNamespace(perplexity=SimpleNamespace(value=perplexity)))
    return Shown(plan, read, [], {}, {})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("perplexity", "notes"), [(UNREAD - 1, 1), (UNREAD + 1, 2)])
def test_a_model_that_cannot_read_the_language_is_told(perplexity: float, notes: int):
    found = shown(perplexity).notes()
    assert len(found) == notes
    assert found[0] == "80 of 1000 topics were learnt from, as many as fit 7.5 minutes on a CPU."
    assert "perplexity on everyday text is 61" in found[-1] or notes == 1


def test_the_command_is_the_one_that_repeats_it():
    assert shown(1.0).command == "truing quickstart --model some/model --minutes 7.5"
    assert "--language zh" in shown(1.0, "zh").command
