"""The page counts every prompt, shows transcripts in the language of the page, and puts warnings on top."""

from types import SimpleNamespace

import pytest
from tests.synthesis.constitution.cases import ALL, case

from truing.config.constitution import ConstitutionRecipe
from truing.core.words import speaking
from truing.reports.constitution import chosen, constitution_report, measures_of
from truing.reports.page import render_report
from truing.synthesis.constitution.counts import PairCounts
from truing.synthesis.constitution.revising import CaseEnd


def page(cases: list, judge: object = None) -> str:
    named = SimpleNamespace(title="m")
    recipe = ConstitutionRecipe(prompts=("p.jsonl",), policy="m", output="o")
    opened = SimpleNamespace(recipe=recipe, policy=named, critic=named, reviser=named, judge=judge)
    made = SimpleNamespace(opened=opened, cases=cases, revisions=[1], helpful=[1], pairs=PairCounts(1, 1))
    return render_report(constitution_report(made))


def test_the_page_counts_and_shows():
    found = page(ALL)
    assert "1 of 4 prompts have a revision" in found
    assert "the rules alone dropped revisions" in found
    assert "longer without reason" in found
    assert "Critique 1 · " in found
    assert "Whether a revision is better, J said" in page(ALL, SimpleNamespace(title="J"))


def test_the_page_is_in_chinese():
    with speaking("zh"):
        found = page(ALL)
    assert "从最初的回答到最后的回答" in found
    assert "批评 1 · " in found
    assert "Critique" not in found


@pytest.mark.parametrize(
    ("end", "told"),
    [(CaseEnd.UNCHANGED, "The critic never finds anything"), (CaseEnd.REVISED, "The revisions are alike")],
)
def test_a_warning_is_an_alarm(end: CaseEnd, told: str):
    found = page([case(end, number=n) for n in range(8)])
    assert told in found
    assert "since step" not in found


def test_prompts_without_a_category_are_measured_apart():
    names = [one.name for one in measures_of([*ALL, case(CaseEnd.UNCHANGED, number=9, category=None)])]
    assert names == ["declined", "declined_others", "words", "distinct"]


def test_every_outcome_is_shown_before_a_second_of_any():
    many = [case(CaseEnd.REVISED, number=n) for n in range(30)] + ALL[1:]
    assert {one.outcome for one in chosen(many)[:4]} == set(CaseEnd)
