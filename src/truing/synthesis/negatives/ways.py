"""The ways to make a false answer of a true one: by rule, by a model that rewrites, from a policy's samples.

To add a way, write a function of a `Falsifying` that returns a `Falsehood`, or the reason of none, for each
record, and give it a row in `WAYS` and its name to `by` in `config/negatives.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from truing.config.negatives import NegativesRecipe
from truing.core.messages import message
from truing.core.records import Record, user
from truing.data.stats import language
from truing.evals.bench import TaskWatch
from truing.evals.pair_judges import Compare, scores_of
from truing.evals.questions import question_of
from truing.evals.sides import SampledResponse, response_of
from truing.judges.opinions import NoVerdict
from truing.rewards.model import ModelReward
from truing.sampling.roles import Attempt, ModelRole, Wish
from truing.synthesis.negatives.rows import Without
from truing.synthesis.pools import readable
from truing.text.answers import normalised, spoken
from truing.text.negatives.entities import names_in
from truing.text.negatives.make import Negative, Unmade, alike, falsify
from truing.text.negatives.passages import Draw, NumberRange, read_passage
from truing.text.refusal import is_refusal

HERE = Path(__file__).parent
UNRELATED = 0.2  # share of words in common below which a rewritten answer is another answer
_UNMADE = {
    Unmade.EMPTY: Without.EMPTY,
    Unmade.NOTHING: Without.NOTHING,
    Unmade.TOO_FEW: Without.TOO_FEW,
    Unmade.SAME: Without.SAME,
}


@dataclass(frozen=True, slots=True)
class Falsehood:
    """A false answer; `facts` say in its row's lineage how it was made."""

    text: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


Falsified = Falsehood | Without


@dataclass(frozen=True)
class Falsifying:
    """Everything that false answers are made with."""

    recipe: NegativesRecipe
    role: ModelRole | None  # the writer, or the policy
    judge: "TellsWorse | None"
    watch: TaskWatch

    @property
    def wish(self) -> Wish:
        recipe = self.recipe
        return Wish(recipe.k, recipe.temperature, recipe.max_new_tokens, recipe.seed)


# By rule


def by_rules(making: Falsifying, records: Sequence[Record]) -> list[Falsified]:
    """Change what rules find; see `text/negatives`."""
    recipe = making.recipe
    spread = NumberRange(recipe.low, recipe.high, recipe.years)
    names = _names(records) if recipe.other_names else ()
    found: list[Falsified] = []
    for number, record in enumerate(records):
        passage = read_passage(record.chosen.text, record.prompt[-1].content, names)
        made = falsify(passage, recipe.rules, recipe.changes, Draw(recipe.seed, spread))
        if isinstance(made, Unmade):
            found.append(_UNMADE[made])
        else:
            found.append(Falsehood(made.text, {"edits": list(_told(made))}))
        if number % 100 == 0:
            making.watch(message("changing answers"), number, len(records))
    making.watch(message("changing answers"), len(records), len(records))
    return found


def _names(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for record in records for name in names_in(record.chosen.text)))


def _told(made: Negative) -> Iterator[dict[str, Any]]:
    """Yield every edit for a row's lineage; edits of one number are one `change`."""
    for number, change in enumerate(made.changes):
        for edit in change.edits:
            place = {"at": edit.start, "from": edit.old, "to": edit.new}
            yield {"rule": change.rule, "change": number, **place}


# By a model that rewrites


def by_writer(making: Falsifying, records: Sequence[Record]) -> list[Falsified]:
    """Have a model rewrite each true answer into a subtly wrong one, and check what it wrote."""
    assert making.role is not None
    asked = [Record(user(_request(record))) for record in records]
    seen = partial(making.watch, message("asking {model}", model=making.role.title))
    written = [texts[0] for texts in making.role.write(asked, making.wish, seen)]
    found = [_rewritten(record, one, making.recipe) for record, one in zip(records, written, strict=True)]
    if making.judge is None:
        return found
    return _worst(making, records, [[one] for one in found])


def _request(record: Record) -> str:
    """Return the request in the language of the answer."""
    name = "request_zh.md" if language(record.chosen.text) == "zh" else "request.md"
    head, middle, end = _parts((HERE / name).read_text(encoding="utf-8"))
    question = "\n".join(turn.content for turn in record.prompt if turn.role == "user")
    return f"{head}{question}{middle}{record.chosen.text}{end}"


def _parts(template: str) -> tuple[str, str, str]:
    head, _, rest = template.partition("{question}")
    middle, _, end = rest.partition("{answer}")
    return head, middle, end.rstrip("\n")


def _rewritten(record: Record, attempt: Attempt, recipe: NegativesRecipe) -> Falsified:
    made = _said(record, attempt)
    if isinstance(made, Without):
        return made
    if is_refusal(made.text) and not is_refusal(record.chosen.text):
        return Without.REFUSED
    if len(made.text) < recipe.shortest * len(record.chosen.text):
        return Without.SHORT
    return Without.UNRELATED if alike(record.chosen.text, made.text) < UNRELATED else made


def _said(record: Record, attempt: Attempt) -> Falsified:
    """Return the text of an attempt, unless there is none, or it is the true answer."""
    if isinstance(attempt, NoVerdict):
        return Without.FAILED
    text = (spoken(attempt.text) or "").strip()
    if not text:
        return Without.EMPTY
    if attempt.cut:
        return Without.CUT
    if not readable(text):
        return Without.UNREADABLE
    same = normalised(text) == normalised(record.chosen.text)
    return Without.SAME if same else Falsehood(text)


# From a policy's own samples


def by_samples(making: Falsifying, records: Sequence[Record]) -> list[Falsified]:
    """Sample a policy, and take its worst response, or the only one."""
    assert making.role is not None
    asked = [Record(record.prompt, given=record.given) for record in records]
    seen = partial(making.watch, message("asking {model}", model=making.role.title))
    pools: list[list[Falsified]] = []
    for record, texts in zip(records, making.role.write(asked, making.wish, seen), strict=True):
        tried = [_said(record, one) for one in texts]
        pools.append(
            [
                Falsehood(one.text, {"k": k}) if isinstance(one, Falsehood) else one
                for k, one in enumerate(tried)
            ]
        )
    if making.judge is None:
        return [pool[0] for pool in pools]
    return _worst(making, records, pools)


WAYS: dict[str, Callable[[Falsifying, Sequence[Record]], list[Falsified]]] = {
    "rules": by_rules,
    "writer": by_writer,
    "samples": by_samples,
}


# Telling which is worse


TellsWorse = Callable[[Sequence[SampledResponse], Sequence[SampledResponse]], list[float | None]]


def tells_by_reward(reward: ModelReward) -> TellsWorse:
    """Return how far the first response of each pair leads: the difference of its reward."""

    def leads(true: Sequence[SampledResponse], false: Sequence[SampledResponse]) -> list[float | None]:
        scores = [[one.values["reward"] for one in scores_of(reward, side)] for side in (true, false)]
        return [
            None if above is None or below is None else above - below
            for above, below in zip(*scores, strict=True)
        ]

    return leads


def tells_by_judge(compare: Compare) -> TellsWorse:
    """Return how far the first response of each pair leads: the judge's preference above one half."""

    def leads(true: Sequence[SampledResponse], false: Sequence[SampledResponse]) -> list[float | None]:
        return [None if one is None else one - 0.5 for one in compare(true, false).preferences]

    return leads


def _worst(
    making: Falsifying, records: Sequence[Record], pools: Sequence[Sequence[Falsified]]
) -> list[Falsified]:
    """Return of each pool the answer that the true one leads furthest, if it leads any."""
    assert making.judge is not None
    true: list[SampledResponse] = []
    false: list[SampledResponse] = []
    owners: list[tuple[int, Falsehood]] = []
    for place, (record, pool) in enumerate(zip(records, pools, strict=True)):
        question = question_of(record, record.place)
        different = {one.text: one for one in pool if isinstance(one, Falsehood)}
        for one in different.values():
            true.append(response_of(question, record.chosen.text))
            false.append(response_of(question, one.text))
            owners.append((place, one))
    making.watch(message("comparing"), 0, len(true))
    leads = making.judge(true, false) if true else []
    making.watch(message("comparing"), len(true), len(true))
    judged: dict[int, list[tuple[float, Falsehood]]] = {}
    for (place, one), lead in zip(owners, leads, strict=True):
        own = judged.setdefault(place, [])
        if lead is not None:
            own.append((lead, one))
    return [_chosen(pool, judged.get(place)) for place, pool in enumerate(pools)]


def _chosen(pool: Sequence[Falsified], judged: Sequence[tuple[float, Falsehood]] | None) -> Falsified:
    if judged is None:  # no text to judge
        return next(one for one in pool if isinstance(one, Without))
    if not judged:
        return Without.NO_VERDICT
    lead, worst = max(judged, key=lambda one: one[0])
    if lead <= 0:
        return Without.NOT_WORSE
    return Falsehood(worst.text, {**worst.facts, "lead": round(lead, 6)})
