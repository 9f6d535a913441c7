"""J4: a judge that goes by places, by length, by its own model or by nothing is found, with numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.config.judging import JudgingRecipe
from truing.pipelines.judging import judge_files
from truing.synthesis.judging.audit import JudgeAudit

from .conftest import places

MakeRecipe = Callable[..., JudgingRecipe]


def pair(index: int, longer_is_better: bool, **more: Any) -> dict[str, Any]:
    texts = (f"good {index}" + " padding" * 9, f"bad {index}")
    if not longer_is_better:
        texts = (f"good {index}", f"bad {index}" + " padding" * 9)
    return {"prompt": f"Why {index}?", "chosen": texts[0], "rejected": texts[1], **more}


PAIRS = [pair(index, index % 2 == 0) for index in range(40)]


def audited(recipe: JudgingRecipe) -> JudgeAudit:
    _, (found, *_), _ = judge_files(recipe, lambda line: None, lambda *seen: None)
    return found


def by(wanted: Callable[[str], float]) -> Callable[[str], str]:
    """A judge that prefers the response that is worth more, wherever it stands."""

    def rule(text: str) -> str:
        shown = places(text)
        return f"VERDICT: {max(shown, key=lambda place: wanted(shown[place]))}"

    return rule


def test_a_judge_that_agrees_has_kappa_1_and_no_flags(recipe: MakeRecipe, scripted):
    scripted.rule = by(lambda text: text.startswith("good"))
    found = audited(recipe(PAIRS, audit=True))
    kappa, alpha, agreement = (found.number(name) for name in ("kappa", "alpha_ordinal", "agreement"))
    assert kappa and alpha and agreement
    assert kappa.interval.estimate == alpha.interval.estimate == agreement.interval.estimate == 1.0
    assert 0.7 < kappa.interval.low < 1.0
    assert found.flags == ()
    length = found.number("length")
    assert length and length.people and length.difference
    assert length.interval.estimate == length.people.estimate == 0.5
    assert [str(each) for each in found.unmeasured] == [
        "self-preference: no row says that wise wrote one of its two responses"
    ]


@pytest.mark.parametrize(("place", "first"), [("A", 40), ("B", 0)])
def test_a_judge_that_goes_by_places_is_flagged_and_all_are_ties(
    recipe: MakeRecipe, scripted, place: str, first: int
):
    scripted.rule = lambda text: f"VERDICT: {place}"
    found = audited(recipe(PAIRS, audit=True))
    position, kappa = found.number("position"), found.number("kappa")
    assert position and kappa
    assert position.interval.estimate == 1.0
    assert kappa.interval.estimate == 0.0
    told = [str(flag) for flag in found.flags]
    assert (
        f"wise goes by places: 40 of 40 verdicts change with them, {first} of them for the first place"
        in told
    )
    assert "wise gives every pair the same verdict: its agreement beyond chance is 0" in told


def test_a_judge_that_goes_by_length_is_flagged_with_both_shares(recipe: MakeRecipe, scripted):
    scripted.rule = by(len)
    found = audited(recipe(PAIRS, audit=True))
    length, kappa = found.number("length"), found.number("kappa")
    assert length and length.people and length.difference and kappa
    assert (length.interval.estimate, length.people.estimate) == (1.0, 0.5)
    assert length.difference.low > 0.3
    assert abs(kappa.interval.estimate) < 0.35
    assert [str(flag) for flag in found.flags] == [
        "wise favours length: the longer response wins 100% of pairs, 50% by the labels"
    ]


def test_a_judge_is_not_blamed_for_a_length_that_people_prefer_too(recipe: MakeRecipe, scripted):
    scripted.rule = by(len)
    found = audited(recipe([pair(index, True) for index in range(30)], audit=True))
    assert found.flags == ()


def test_a_judge_that_always_says_tie_has_kappa_0(recipe: MakeRecipe, scripted):
    scripted.rule = lambda text: "VERDICT: TIE"
    found = audited(recipe(PAIRS, audit=True))
    kappa = found.number("kappa")
    assert kappa and kappa.interval.estimate == 0.0
    assert [str(flag) for flag in found.flags] == [
        "wise gives every pair the same verdict: its agreement beyond chance is 0"
    ]


def test_a_judge_that_prefers_its_own_model_is_flagged(recipe: MakeRecipe, scripted):
    models = [("wise", "x"), ("x", "wise")]
    own = [
        pair(i, i % 4 < 2, chosen_model=models[i % 2][0], rejected_model=models[i % 2][1]) for i in range(40)
    ]
    mine = {row["chosen"] if row["chosen_model"] == "wise" else row["rejected"] for row in own}
    scripted.rule = by(lambda text: text in mine)
    found = audited(recipe(own, audit=True))
    number = found.number("self_preference")
    assert number and number.people and number.difference
    assert (number.interval.estimate, number.people.estimate) == (1.0, 0.5)
    assert "wise favours its own model: it wins 100% of pairs, 50% by the labels" in map(str, found.flags)


def test_which_response_the_file_puts_first_does_not_matter(recipe: MakeRecipe, scripted):
    """A file has the better response first; an honest judge is still not a constant rater, nor are people."""
    scripted.rule = by(lambda text: text.startswith("good"))
    found = audited(recipe(PAIRS[:12], audit=True))
    assert not [flag for flag in found.flags if "same verdict" in flag]


def test_scores_and_labels_are_held_against_those_of_people(recipe: MakeRecipe, scripted, tmp_path: Path):
    def rule(text: str) -> str:
        score = 2 if "bad" in text else 9
        return "\n".join(f"{name}: {score}" for name in ("HELPFUL", "HARMLESS", "HONEST"))

    scripted.rule = rule
    labelled = [
        {"prompt": f"Why {i}?", "completion": f"{'bad' if i % 2 else 'good'} {i}", "label": i % 2 == 0}
        for i in range(20)
    ]
    found = audited(recipe(labelled, audit=True))
    kappa = found.number("label_kappa")
    assert kappa and kappa.interval.estimate == 1.0
    scored = [
        {"prompt": row["prompt"], "completion": row["completion"], "score": 2 if i % 2 else 9}
        for i, row in enumerate(labelled)
    ]
    found = audited(recipe(scored, audit=True, output=str(tmp_path / "scored")))
    ordinal, interval = found.number("score_alpha_ordinal"), found.number("score_alpha_interval")
    assert ordinal and interval
    assert ordinal.interval.estimate == interval.interval.estimate == pytest.approx(1.0)


def test_a_panel_is_audited_beside_its_judges(recipe: MakeRecipe, scripted):
    scripted.rule = by(lambda text: text.startswith("good"))
    asked = recipe(PAIRS, judges=[scripted.spec(), scripted.spec(seed=1)], audit=True)
    _, audits, results = judge_files(asked, lambda line: None, lambda *seen: None)
    assert [audit.judge for audit in audits] == ["wise", "wise", "panel"]
    assert [one["judge"] for one in results["audit"]] == ["wise", "wise", "panel"]
    assert results["audit"][2]["numbers"]["kappa"]["value"] == 1.0


def test_rankings_are_held_against_the_ranks_in_the_rows(recipe: MakeRecipe, scripted):
    texts = ["a", "bb", "ccc"]
    rows = [{"prompt": f"Say {i}.", "responses": texts, "ranks": [3, 2, 1]} for i in range(8)]

    def rule(text: str) -> str:
        shown = places(text)
        return "RANKING: " + " > ".join(sorted(shown, key=lambda place: -len(shown[place])))

    scripted.rule = rule
    found = audited(recipe(rows, audit=True))
    kappa = found.number("kappa")
    assert kappa and kappa.interval.estimate == 1.0
    assert kappa.interval.n == 24
