"""One pass over prompts: first answers, critiques and revisions, a judge, helpful rows, preferences.

OpenedParts     the parts of a recipe, with their models; nothing is asked yet
make       OpenedParts -> ConstitutionPass: cases and rows
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from truing.config.constitution import ConstitutionRecipe
from truing.core.messages import Say, message
from truing.evals.bench import TaskWatch
from truing.judges.cache import AnswerCache
from truing.judges.opinions import NoVerdict
from truing.models.trained import Trained
from truing.sampling.roles import Attempt, ModelRole, Wish, Writing
from truing.synthesis.constitution.by_model import said
from truing.synthesis.constitution.counts import PairCounts
from truing.synthesis.constitution.drafts import RevisionPart
from truing.synthesis.constitution.guard import Drop
from truing.synthesis.constitution.helpful import Helpful, read_helpful
from truing.synthesis.constitution.pairs import AnswerPair, compared
from truing.synthesis.constitution.parts import RevisionParts
from truing.synthesis.constitution.principles import Constitutions, read_constitutions
from truing.synthesis.constitution.revising import Case, CaseEnd, begin, revise, shown, spoken_in
from truing.synthesis.constitution.rows import (
    NewRow,
    Origins,
    helpful_row,
    mixed,
    preference,
    revision_rows,
)
from truing.synthesis.prompts import PromptSet, read_prompts


@dataclass(frozen=True)
class OpenedParts:
    """The files and parts of a recipe, read and opened. A model that several parts name is opened once."""

    recipe: ConstitutionRecipe
    prompts: PromptSet
    helpful: Helpful
    constitutions: Constitutions
    policy: ModelRole
    critic: RevisionPart
    reviser: RevisionPart
    judge: ModelRole | None

    @property
    def identities(self) -> dict[str, Mapping[str, Any]]:
        """The identity of each role, by its name."""
        parts = {"policy": self.policy, "critic": self.critic, "reviser": self.reviser}
        found = {name: part.identity for name, part in parts.items()}
        return found if self.judge is None else found | {"judge": self.judge.identity}

    @property
    def asked(self) -> dict[str, Any]:
        """Everything that decides the rows, for the folder."""
        return {
            "recipe": self.recipe.recorded(),
            "inputs": self.prompts.inputs | self.helpful.prompts.inputs,
            "constitution": self.digests,
            "models": self.identities,
        }

    @property
    def digests(self) -> dict[str, str]:
        return {one.name: one.sha256 for one in self.constitutions.all}

    def origins(self, prompts: PromptSet) -> Origins:
        return Origins(prompts, self.identities, self.recipe.seed, self.digests)


@dataclass(frozen=True)
class ConstitutionPass:
    """The result: cases, and rows by their file."""

    opened: OpenedParts
    cases: Sequence[Case]
    revisions: Sequence[NewRow]
    helpful: Sequence[NewRow]
    preferences: Sequence[NewRow]
    pairs: PairCounts

    @property
    def mixed(self) -> list[NewRow]:
        return mixed(self.revisions, self.helpful, self.opened.recipe.seed)


def open_all(
    recipe: ConstitutionRecipe, cache: AnswerCache, say: Say, model: Trained | None = None
) -> OpenedParts:
    """Read the files of a recipe and open its parts; `model` is the policy where it is loaded already.

    Raises ConfigError for a wrong part or constitution, DataError for files without prompts.
    """
    parts = RevisionParts(cache, model, recipe.policy)
    policy = parts.role(recipe.policy)
    critic, reviser = parts.part(recipe.critic), parts.part(recipe.reviser)
    judge = None if recipe.judge is None else parts.role(recipe.judge)
    constitutions = read_constitutions(recipe.constitution)
    prompts = read_prompts(recipe.prompts, say, limit=recipe.limit)
    spoken = {spoken_in(one) for one in prompts.records}
    helpful = read_helpful(recipe.helpful, sorted(spoken), say)
    return OpenedParts(recipe, prompts, helpful, constitutions, policy, critic, reviser, judge)


def make(opened: OpenedParts, watch: TaskWatch) -> ConstitutionPass:
    """Write, criticise, revise and judge. Every answer is kept before the next is waited for."""
    recipe, records = opened.recipe, opened.prompts.records
    samples = recipe.preferences == "samples"
    wish = Wish(recipe.samples if samples else 1, recipe.temperature, recipe.max_new_tokens, recipe.seed)
    answers = [
        [said(one) for one in texts]
        for texts in opened.policy.write(records, wish, shown(watch, message("first answers")))
    ]
    cases = [
        begin(record, texts[0], opened.constitutions, recipe.seed)
        for record, texts in zip(records, answers, strict=True)
    ]
    revise(cases, opened.critic, opened.reviser, recipe, watch)
    shares = {} if opened.judge is None else judge_revisions(cases, opened.judge, watch, recipe.votes)
    origins = opened.origins(opened.prompts)
    if samples:
        pairs = sample_pairs(cases, answers, recipe.votes)
        preferences, counts = sampled_preferences(pairs, opened.judge, origins, watch)
    else:
        preferences, counts = revised_preferences(cases, shares, origins)
    revisions = revision_rows(cases, origins)
    helpful = _helpful(opened, round(recipe.helpful_per_revision * len(revisions)), watch)
    return ConstitutionPass(opened, cases, revisions, helpful, preferences, counts)


def judge_revisions(
    cases: Sequence[Case], judge: ModelRole, watch: TaskWatch, votes: int
) -> dict[tuple[int, int], float]:
    """Drop revisions that the judge does not call better in both orders.

    Returns the share of verdicts for each revision that stays, by the id of its record.
    """
    revised = [case for case in cases if case.outcome is CaseEnd.REVISED]
    pairs = [AnswerPair(case.record, case.answer, case.initial, case.principles[:votes]) for case in revised]
    shares: dict[tuple[int, int], float] = {}
    found = compared(judge, pairs, message("judging revisions"), watch)
    for case, one in zip(revised, found, strict=True):
        share = one.share
        if isinstance(share, NoVerdict):
            case.unrevised(CaseEnd.ERROR, share.reason)
        elif one.better:
            shares[case.record.id] = share
        else:
            case.unrevised(CaseEnd.DROPPED, Drop.NOT_BETTER.value)
    return shares


def revised_preferences(
    cases: Sequence[Case], shares: Mapping[tuple[int, int], float], origins: Origins
) -> tuple[list[NewRow], PairCounts]:
    """Return a row of each revision against its first answer; an empty one can be no rejected answer."""
    revised = [case for case in cases if case.outcome is CaseEnd.REVISED]
    usable = [case for case in revised if case.initial.strip()]
    rows = [
        preference(
            case.record,
            case.answer,
            case.initial,
            origins.of(case.record, principle=case.drawn),
            shares.get(case.record.id),
        )
        for case in usable
    ]
    return rows, PairCounts(len(revised), len(rows), empty=len(revised) - len(rows))


def sample_pairs(cases: Sequence[Case], answers: Sequence[Sequence[Attempt]], votes: int) -> list[AnswerPair]:
    """Return the samples of each prompt two by two: the first with the second, the third with the fourth."""
    found = []
    for case, texts in zip(cases, answers, strict=True):
        good = [one.text for one in texts if isinstance(one, Writing) and one.text.strip()]
        for first, second in zip(good[::2], good[1::2], strict=False):
            found.append(AnswerPair(case.record, first, second, case.principles[:votes]))
    return found


def sampled_preferences(
    pairs: Sequence[AnswerPair], judge: ModelRole | None, origins: Origins, watch: TaskWatch
) -> tuple[list[NewRow], PairCounts]:
    """Return a row of each pair with a better side, and what became of all pairs."""
    assert judge is not None, "a recipe with samples has a judge"
    rows: list[NewRow] = []
    ties = errors = 0
    unlike = [pair for pair in pairs if pair.first != pair.second]
    for pair, one in zip(unlike, compared(judge, unlike, message("judging samples"), watch), strict=True):
        share = one.share
        if isinstance(share, NoVerdict):
            errors += 1
        elif share == 0.5:
            ties += 1
        else:
            sides = (pair.first, pair.second) if share > 0.5 else (pair.second, pair.first)
            beside = origins.of(pair.record, principle=[principle.id for principle in pair.principles])
            rows.append(preference(pair.record, *sides, beside, max(share, 1 - share)))
    equal = len(pairs) - len(unlike)
    return rows, PairCounts(len(pairs), len(rows), equal=equal, ties=ties, errors=errors)


def _helpful(opened: OpenedParts, count: int, watch: TaskWatch) -> list[NewRow]:
    recipe = opened.recipe
    wish = Wish(1, recipe.temperature, recipe.max_new_tokens, recipe.seed)
    found = opened.helpful.drawn(opened.policy, count, wish, shown(watch, message("helpful answers")))
    origins = opened.origins(opened.helpful.prompts)
    return [helpful_row(record, text, origins) for record, text in found]
