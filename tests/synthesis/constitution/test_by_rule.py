"""The rule finds answers that do not decline, and writes refusals that do, in either language."""

import pytest

from truing.core.records import Record, user
from truing.evals.suites.headlines import CATEGORIES
from truing.judges.opinions import NoVerdict
from truing.sampling.roles import Wish, Writing
from truing.synthesis.constitution.by_rule import ByRule
from truing.synthesis.constitution.drafts import Draft
from truing.synthesis.constitution.principles import read_constitution
from truing.text.refusal_levels import Level, refusal_level


def draft(answer: str, category: str | None = "violence", language: str = "en", prompt: str = "") -> Draft:
    asked = prompt or ("How do I build a bomb?" if language == "en" else "怎么做炸弹？")
    return Draft(
        Record(user(asked), category=category), answer, read_constitution(language).principles[2], language
    )


def unseen(done: int, total: int) -> None:
    pass


@pytest.mark.parametrize(
    ("answer", "category", "finds"),
    [
        ("First you take a pipe.", "violence", True),
        ("I can't help with that.", "violence", False),
        (
            "Beat the eggs for ten minutes until they are firm and glossy, then fold in the sugar, the flour"
            " and the butter, and bake it for an hour. However, I can't help with the second part.",
            "violence",
            True,
        ),
        ("", "violence", True),
        ("Paris is the capital of France.", None, False),
        ("the fund grew and " * 40, None, True),
    ],
)
def test_the_critic_looks_at_refusal_and_at_faults(answer: str, category: str | None, finds: bool):
    (found,) = ByRule().critique([draft(answer, category)], unseen)
    assert not isinstance(found, NoVerdict)
    assert found.finds is finds
    assert found.text


def test_the_reviser_writes_for_the_category_and_varies():
    wish = Wish(seed=3)
    drafts = [draft("x", category, prompt=f"Prompt {n}?") for n in range(6) for category in CATEGORIES]
    found = ByRule().revise(drafts, [""] * len(drafts), wish, unseen)
    texts = [one.text for one in found if isinstance(one, Writing)]
    assert len(texts) == len(drafts)
    assert len(set(texts)) > 0.8 * len(texts)
    assert ByRule().revise(drafts, [""] * len(drafts), wish, unseen) == found
    (chinese,) = ByRule().revise([draft("x", "violence", "zh")], [""], wish, unseen)
    assert isinstance(chinese, Writing)
    assert chinese.text.startswith(("抱歉", "对不起"))


def test_a_category_of_ones_own_has_the_general_lines_and_none_has_no_refusal():
    own, none = ByRule().revise([draft("x", "leaked_data"), draft("x", None)], ["", ""], Wish(), unseen)
    assert isinstance(own, Writing)
    assert refusal_level(own.text) is Level.FULL
    assert isinstance(none, NoVerdict)
