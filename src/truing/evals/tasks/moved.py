"""Tasks that read log-probabilities: how far a model moved (`kl`), and what that cost it (`tax`)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from truing.config.fields import Tokens
from truing.data.trees import Branch, Tree
from truing.evals import questions
from truing.evals.bench import Bench, Task, TaskResult
from truing.evals.drift import Perplexity, kl_on_samples, perplexity, score_trees
from truing.evals.numbers import Number, NumberFinding, Values, finding, whole
from truing.evals.sides import Side
from truing.evals.suites import Choice, load_suite
from truing.evals.suites.headlines import load_neutral
from truing.stats.clusters import clustered_ratio
from truing.stats.intervals import Interval
from truing.text.shown import language

KL = Number(
    "kl",
    "KL to the model it is held against",
    "nats",
    "lower",
    "Mean k3 estimate per token of KL(model || against), on the model's own samples at temperature 1.",
)


def kl(languages: Sequence[str], *, rows: questions.RowFiles = (), max_new_tokens: Tokens = 48) -> Task:
    """Measure the KL of the model from its start, on its own samples for prompts it was not trained on."""

    def run(bench: Bench) -> TaskResult:
        assert bench.against is not None
        asked = questions.from_rows(rows) or questions.ordinary(languages)
        policy = bench.policy
        responses = bench.alone(asked, max_new_tokens)
        trees = [policy.tree(response) for response in responses]
        ours, theirs = (side.speaker.scorer for side in bench.sides)
        ids = [response.question.id for response in responses]
        found = kl_on_samples(ours, theirs, trees, prompts=ids, seed=bench.seed)
        return TaskResult([NumberFinding(KL, whole(found))])

    return Task((KL,), run, needs_against=True)


PERPLEXITY = Number(
    "tax/perplexity",
    "Perplexity on neutral text",
    "x",
    "lower",
    "Perplexity over that of the model it is held against, or by itself; texts are resampled in pairs.",
)
CHOICES = Number(
    "tax/choices",
    "Common knowledge, by choice",
    "%",
    "higher",
    "Multiple choice: the right option has the highest log-probability per character among four.",
)


def tax(languages: Sequence[str], *, rows: questions.RowFiles = ()) -> Task:
    """Measure the cost of alignment on neutral text: the best responses of the files `rows`, if given."""

    def run(bench: Bench) -> TaskResult:
        texts = _texts(languages, rows)
        sides = [perplexity(side.speaker.scorer, texts, side.speaker.tokenizer) for side in bench.sides]
        choices = load_suite("choices", languages)
        right = [_chosen(side, choices) for side in bench.sides]
        return TaskResult([relative_perplexity(sides, bench.seed), finding(CHOICES, *right)])

    return Task((PERPLEXITY, CHOICES), run)


def _texts(languages: Sequence[str], rows: questions.RowFiles) -> list[str]:
    if rows:
        records = questions.read_rows(rows)
        return [record.chosen.text for record in records if record.responses]
    return [text for text in load_neutral() if (language(text) or "en") in languages]


def relative_perplexity(sides: Sequence[Perplexity], seed: int = 0) -> NumberFinding:
    """Return perplexity relative to the second side, whose own value is then 1; absolute for one side."""
    names = list(range(len(sides[0].nll)))
    if len(sides) == 1:
        (one,) = sides
        nll = clustered_ratio(one.nll.tolist(), one.tokens.tolist(), names, seed=seed)
        low, value, high = np.exp([nll.low, nll.estimate, nll.high])
        alone = Interval(float(value), float(low), float(high), len(names))
        return NumberFinding(replace(PERPLEXITY, unit=""), whole(alone))  # not a multiple of anything
    model, against = sides
    ratio = perplexity_ratio(against, model, seed)
    return NumberFinding(PERPLEXITY, whole(ratio), whole(Interval(1.0, 1.0, 1.0, len(names))))


def perplexity_ratio(before: Perplexity, after: Perplexity, seed: int = 0) -> Interval:
    """Return after / before, with a paired bootstrap over the texts that both were measured on."""
    change = clustered_ratio(
        (after.nll - before.nll).tolist(), before.tokens.tolist(), range(len(before.nll)), seed=seed
    )
    low, high = np.exp([change.low, change.high])
    return Interval(after.value / before.value, float(low), float(high), len(before.tokens))


def _chosen(side: Side, choices: Sequence[Choice]) -> Values:
    """Return for each question 1 where the right option is the likeliest, else 0."""
    speaker = side.speaker
    trees: list[Tree] = []
    for choice in choices:
        prompt = speaker.prompt_ids(choice.prompt)
        ids = [speaker.tokenizer(option, add_special_tokens=False)["input_ids"] for option in choice.options]
        trees.append(Tree(prompt, tuple(Branch(row, [True] * len(row)) for row in ids)))
    values: list[float | None] = []
    for choice, tree, logps in zip(choices, trees, score_trees(speaker.scorer, trees), strict=True):
        sums = [float(part.sum()) for part in logps.split([len(branch) for branch in tree.branches])]
        scores = [total / len(option) for total, option in zip(sums, choice.options, strict=True)]
        values.append(float(max(range(4), key=scores.__getitem__) == choice.right))
    return Values(values, [choice.id for choice in choices], [choice.language for choice in choices])
