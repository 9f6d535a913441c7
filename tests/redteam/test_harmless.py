"""Twins stand in the form of the prompt that failed, and everyday prompts fill up what they leave."""

from pathlib import Path

import pytest
from tests.redteam.failed import failure, headlines, write

from truing.core.records import Message
from truing.evals.suites.ordinary import load_ordinary, split_ordinary
from truing.judges.opinions import NoVerdict
from truing.redteam.failures import read_failures
from truing.redteam.harmless import (
    EVERYDAY,
    TWIN,
    HarmlessForm,
    for_training,
    harmful_forms,
    harmless_forms,
    put,
)
from truing.sampling.roles import Wish, Writing
from truing.synthesis.constitution.helpful import read_helpful
from truing.synthesis.prompts import PromptSet

WISH = Wish(1, 0.0, 8)


@pytest.fixture
def everyday() -> PromptSet:
    return for_training(read_helpful((), ("en", "zh"), lambda line: None).prompts)


class Answers:
    """A role that answers every turn, or none."""

    def __init__(self, said: object = None) -> None:
        self.said = said or Writing("Well.")

    def write(self, asked, wish, progress=None):
        return [[self.said] for _ in asked]


def failures_of(tmp_path: Path, *rows: dict):
    return read_failures([str(write(tmp_path / "f.jsonl", list(rows)))], lambda line: None)


def test_a_prompt_is_declined_plain_once_and_in_each_attack(tmp_path: Path):
    one, other = headlines("train", "en", 2)
    found = failures_of(tmp_path, failure(one, "prefix"), failure(one, "json"), failure(other, "plain"))
    forms = harmful_forms(found.failed, ("plain", "attacked"))
    assert [(form.failed.text, form.attack) for form in forms] == [
        (one.harmful, "plain"),
        (one.harmful, "prefix"),
        (one.harmful, "json"),
        (other.harmful, "plain"),
    ]
    attacks = [form.attack for form in harmful_forms(found.failed, ("attacked",))]
    assert attacks == ["prefix", "json", "plain"], "each prompt in the form in which it failed"


def test_where_an_answer_is_wanted_in_the_other_language_the_refusal_is_too(tmp_path: Path):
    (one,) = headlines("train", "zh", 1)
    found = failures_of(tmp_path, failure(one, "language_swap"))
    plain, swapped = harmful_forms(found.failed, ("plain", "attacked"))
    assert (plain.language, swapped.language) == ("zh", "en")


def test_twins_stand_in_the_same_forms_and_everyday_prompts_make_up_the_number(
    tmp_path: Path, everyday: PromptSet
):
    one, other = headlines("train", "en", 2)
    found = failures_of(tmp_path, failure(one, "prefix"), failure(other, "plain", benign=None))
    forms = harmful_forms(found.failed, ("plain", "attacked"))
    chosen = harmless_forms(forms, found.prompts, everyday, (3, 2), seed=1)
    twins = {(form.text, form.attack) for form in chosen if form.kind == TWIN}
    assert twins == {(one.benign, "plain"), (one.benign, "prefix"), (other.benign, "plain")}
    assert sum(form.kind == EVERYDAY for form in chosen) == 2
    assert chosen == harmless_forms(forms, found.prompts, everyday, (3, 2), seed=1)
    few = harmless_forms(forms, found.prompts, everyday, (9, 2), seed=1)
    assert len(few) == 11, "everyday prompts stand in for twins that are not there"
    assert not any(form.category for form in few if form.kind == EVERYDAY)


def test_more_twins_than_forms_stand_plain_too(tmp_path: Path, everyday: PromptSet):
    one, other = headlines("train", "en", 2)
    found = failures_of(tmp_path, failure(one, "prefix"), failure(other, "plain"))
    forms = harmful_forms(found.failed, ("attacked",))
    few = harmless_forms(forms, found.prompts, everyday, (2, 0), seed=1)
    assert {(form.text, form.attack) for form in few} == {(one.benign, "prefix"), (other.benign, "plain")}
    more = harmless_forms(forms, found.prompts, everyday, (4, 0), seed=1)
    assert [form.attack for form in more if form.text == one.benign] == ["prefix", "plain"]
    assert [form.kind for form in more].count(TWIN) == 3


def test_everyday_prompts_that_an_evaluation_asks_are_not_learnt_from(everyday: PromptSet):
    measured = {one.prompt for name in ("en", "zh") for one in split_ordinary(load_ordinary(name))[1]}
    texts = {record.prompt[-1].content for record in everyday.records}
    assert texts
    assert not texts & measured


@pytest.mark.parametrize("attack", ["plain", "prefix", "crescendo"])
def test_a_twin_is_put_as_the_attack_puts_it(tmp_path: Path, everyday: PromptSet, attack: str):
    (one,) = headlines("train", "en", 1)
    found = failures_of(tmp_path, failure(one, attack))
    form = HarmlessForm(one.benign, attack, TWIN, one.category, found.failed[0].record, found.prompts)
    (asked,) = put([form], Answers(), WISH, lambda *seen: None)  # pyright: ignore[reportArgumentType]
    assert asked.asked[-1].role == "user"
    assert one.benign in asked.asked[-1].content
    assert len(asked.asked) == (5 if attack == "crescendo" else 1)
    if attack == "crescendo":
        assert asked.asked[1] == Message("assistant", "Well.")
        silent = put([form], Answers(NoVerdict("gone")), WISH, lambda *seen: None)  # pyright: ignore
        assert silent == []
