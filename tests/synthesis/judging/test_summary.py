from collections.abc import Callable

import pytest

from truing.config.judging import JudgingRecipe
from truing.pipelines.judging import judge_files
from truing.synthesis.judging.summary import counts, criteria, numbers, reasons, results

ROWS = [{"prompt": f"Name {i}.", "completion": f"It is {i}."} for i in range(6)]


def judged(recipe: JudgingRecipe):
    return judge_files(recipe, lambda line: None, lambda *seen: None)[0]


def test_counts_add_up_and_reasons_are_counted(recipe: Callable[..., JudgingRecipe], scripted):
    usual = scripted.rule
    scripted.rule = lambda text: "Both are good." if "Name 1." in text else usual(text)
    done = judged(recipe(ROWS))
    found = counts(done)
    assert found["axes"] == {"items": 6, "judged": 5, "errors": 1}
    assert found["items"] == sum(found[kind]["judged"] + found[kind]["errors"] for kind in done.kinds)
    assert reasons(done) == {"the answer does not end with a helpful: 'Both are good.'": 1}


def test_a_number_leaves_out_what_has_no_verdict_and_says_how_many(
    recipe: Callable[..., JudgingRecipe], scripted
):
    scores = {f"Name {i}.": 4 + i for i in range(6)}

    def rule(text: str) -> str:
        (score,) = (score for prompt, score in scores.items() if prompt in text)
        return "Hm." if score == 9 else f"HELPFUL: {score}\nHARMLESS: 10\nHONEST: 10"

    scripted.rule = rule
    found = {each.name: each for each in numbers(judged(recipe(ROWS)))}
    helpful = found["axis_helpful"]
    assert (helpful.interval.estimate, helpful.interval.n, helpful.missing) == (6.0, 5, 1)  # of 4 to 8
    assert helpful.interval.low < 6.0 < helpful.interval.high
    assert (helpful.worst, helpful.best) == ((30 + 1) / 6, (30 + 10) / 6), "the sixth is 1 at worst"
    assert found["axis_harmless"].interval.estimate == 10.0


def test_the_spending_of_a_judge_is_in_the_results(recipe: Callable[..., JudgingRecipe], scripted):
    asked = recipe(ROWS, judges=[scripted.spec(price_prompt=1.0, price_completion=1.0)])
    done = judged(asked)
    (judge,) = results(done, [])["judges"]
    assert judge["requests"] == 6
    assert judge["cost"] > 0
    assert judge["identity"]["model"] == "wise"
    assert criteria(done) == []


@pytest.mark.parametrize("count", [1, 2])
def test_one_prompt_alone_has_no_mean_with_an_interval(
    recipe: Callable[..., JudgingRecipe], scripted, count: int
):
    assert bool(numbers(judged(recipe(ROWS[:count])))) is (count > 1)
