"""Rows that teach a model to decline what it failed to, and to go on answering what is harmless.

    failures -> forms: plain, attacked -> refusals: by hand, by template, by a writer
             -> twins in the same forms, everyday prompts -> the model's own answers

    sft.jsonl          a refusal of each form
    preferences.jsonl  the refusal against the model's own answer; of twins its answer against a refusal
    retain.jsonl       the beginnings of the model's own answers to harmless prompts, for `data.retain`

The same recipe in the same folder goes on where it was stopped, and asks nothing twice.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from truing.config.refusals import RefusalsRecipe
from truing.config.work import RoleSpec
from truing.core.errors import ConfigError
from truing.core.languages import Language
from truing.core.messages import Say, message
from truing.core.records import Record, Turns
from truing.evals.bench import TaskWatch
from truing.judges.opinions import NoVerdict
from truing.models.trained import Trained
from truing.redteam.declining import BY_HAND, BY_TEMPLATE, Decline, by_template, by_writer
from truing.redteam.failures import ASIDE, PLAIN, FailedPrompt, Failures, read_failures
from truing.redteam.harmless import (
    TWIN,
    HarmfulForm,
    HarmlessForm,
    for_training,
    harmful_forms,
    harmless_forms,
    put,
)
from truing.redteam.targets import OWN, language_of
from truing.sampling.roles import Attempt, ModelRole, Wish, live_of, open_role
from truing.synthesis.constitution.helpful import read_helpful
from truing.synthesis.lineage import LINEAGE, lineage
from truing.synthesis.prompts import PromptSet
from truing.synthesis.work import WorkFolder, answers_in, work_folder
from truing.text.degeneration import Fault, degenerate
from truing.text.refusal import no_example
from truing.text.units import first_sentence, whole_sentences

VERB = "refusals"
SFT, PREFERENCES, RETAIN = "sft.jsonl", "preferences.jsonl", "retain.jsonl"
UNANSWERED, BROKEN = "no-answer", "broken"
_BY_RULE = (BY_HAND, BY_TEMPLATE)
_Form = TypeVar("_Form")


@dataclass
class Refusals:
    """The rows of a recipe, and the counts of all that became no row."""

    recipe: RefusalsRecipe
    path: Path
    policy: ModelRole
    policy_spec: RoleSpec
    failures: Failures
    forms: list[HarmfulForm]
    declines: list[Decline]
    faults: Counter[str]  # of a writer's texts, for which a template stands in
    harmless: list[HarmlessForm]
    sft: list[dict[str, Any]] = field(default_factory=list)
    preferences: list[dict[str, Any]] = field(default_factory=list)
    retain: list[dict[str, Any]] = field(default_factory=list)
    pairs_asked: int = 0
    no_pairs: Counter[str] = field(default_factory=Counter)
    not_held: Counter[str] = field(default_factory=Counter)

    @property
    def reached(self) -> float:
        """The retained answers for each refusal."""
        return len(self.retain) / len(self.sft)


def make_refusals(
    recipe: RefusalsRecipe,
    say: Say,
    watch: TaskWatch,
    opened: Mapping[str, Trained] = MappingProxyType({}),
) -> Refusals:
    """Make the rows of a recipe in its folder; the same call goes on where another was stopped.

    `opened` holds models in memory by their name. Raises ConfigError, DataError and ModelError before
    any model is asked.
    """
    failures = read_failures(recipe.prompts, say, limit=recipe.limit)
    languages = list(dict.fromkeys(one.language for one in failures.failed))
    everyday = read_helpful(recipe.everyday, languages, say).prompts
    everyday = everyday if recipe.everyday else for_training(everyday)
    spec = recipe.policy if recipe.policy is not None else policy_that_failed(failures.failed)
    specs = {"policy": spec, **({} if recipe.writer is None else {"writer": recipe.writer})}
    answers = answers_in(recipe.output)
    roles = {name: open_role(one, answers, live_of(one, opened)) for name, one in specs.items()}
    asked = {
        "recipe": recipe.recorded(),
        "inputs": failures.prompts.inputs | everyday.inputs,
        **{name: dict(role.identity) for name, role in roles.items()},
    }
    with work_folder(recipe.output, VERB, asked) as folder:
        done = _declined(recipe, spec, failures, roles, folder, watch)
        _answer_harmless(done, everyday, watch)
        _write_pairs(done, watch)
        for rows, name in ((done.sft, SFT), (done.preferences, PREFERENCES), (done.retain, RETAIN)):
            folder.write_rows(rows, name)
        folder.write_results(as_json(done))
    return done


def policy_that_failed(failed: Sequence[FailedPrompt]) -> str:
    """Return the model on this machine that the rows' lineage names. Raises ConfigError where none is one."""
    named = {str(one.writer["model"]) for one in failed if one.writer and "server" not in one.writer}
    if len(named) != 1:
        raise ConfigError(
            message("the rows name {n} models on this machine that failed, expected one", n=len(named)),
            hint=message("say which model will learn: --policy runs/mine"),
        )
    return named.pop()


# Refusals


def _declined(
    recipe: RefusalsRecipe,
    spec: RoleSpec,
    failures: Failures,
    roles: Mapping[str, ModelRole],
    folder: WorkFolder,
    watch: TaskWatch,
) -> Refusals:
    forms = harmful_forms(failures.failed, recipe.forms)
    faults: Counter[str] = Counter()
    declines = [_at_hand(form, recipe.seed) for form in forms]
    if "writer" in roles:
        places = [place for place, one in enumerate(declines) if one.made != BY_HAND]
        asked: list[tuple[str, Language]] = [
            (forms[place].failed.text, forms[place].language) for place in places
        ]
        found = by_writer(roles["writer"], asked, recipe.seed, partial(watch, message("writing refusals")))
        for place, one in zip(places, found, strict=True):
            if isinstance(one, Decline):
                declines[place] = one
            else:
                faults[one] += 1
    done = Refusals(recipe, folder.path, roles["policy"], spec, failures, forms, declines, faults, [])
    writer = dict(roles["writer"].identity) if "writer" in roles else None
    for form, decline in zip(forms, declines, strict=True):
        text = first_sentence(decline.text) if recipe.teach == "first" else decline.text
        how = {"made": decline.made, **({"writers": [writer]} if decline.made not in _BY_RULE else {})}
        done.sft.append(_row(form.asked, _told(done, form, **how), form.failed.category, completion=text))
    return done


def _at_hand(form: HarmfulForm, seed: int) -> Decline:
    """Return the refusal written for a training headline, else one by template."""
    own = form.failed
    if own.headline is not None and form.language == own.headline.language:
        return Decline(own.headline.refusal, BY_HAND)
    return by_template(f"{form.attack}/{own.text}", own.category, form.language, seed)


def _told(done: Refusals, form: HarmfulForm | HarmlessForm, **facts: Any) -> dict[str, Any]:
    record = form.record if isinstance(form, HarmlessForm) else form.failed.record
    prompts: PromptSet = form.prompts if isinstance(form, HarmlessForm) else done.failures.prompts
    return lineage(VERB, prompts, record, attack=form.attack, seed=done.recipe.seed, **facts)


def _row(asked: Turns, told: Mapping[str, Any], category: str | None, **texts: str) -> dict[str, Any]:
    shared = {"category": category} if category else {}
    return {"prompt": [turn.as_dict() for turn in asked], **texts, **shared, LINEAGE: dict(told)}


# Harmless prompts


def _answer_harmless(done: Refusals, everyday: PromptSet, watch: TaskWatch) -> None:
    """Draw the beginnings of the policy's own answers to twins and everyday prompts, at temperature 1.

    The policy is held to its whole distribution there, which its likeliest answer does not show.
    """
    recipe = done.recipe
    many = round(recipe.balance * len(done.forms))
    ordinary = round(recipe.ordinary * many)
    chosen = harmless_forms(
        done.forms, done.failures.prompts, everyday, (many - ordinary, ordinary), recipe.seed
    )
    greedy = Wish(1, 0.0, recipe.max_new_tokens, recipe.seed)
    done.harmless = put(chosen, done.policy, greedy, watch)
    done.not_held[UNANSWERED] += len(chosen) - len(done.harmless)
    wish = Wish(1, 1.0, recipe.begun, recipe.seed)
    records = [Record(form.asked) for form in done.harmless]
    found = done.policy.write(records, wish, partial(watch, message("answering harmless prompts")))
    for form, (said,) in zip(done.harmless, found, strict=True):
        text = None if isinstance(said, NoVerdict) else said.text
        if (why := UNANSWERED if text is None else no_example(text)) is not None:
            done.not_held[why] += 1
            continue
        told = _told(done, form, kind=form.kind, writers=[dict(done.policy.identity)])
        done.retain.append(_row(form.asked, told, form.category, completion=str(text).strip()))


# Pairs


def _write_pairs(done: Refusals, watch: TaskWatch) -> None:
    """Set a refusal against the policy's own answer, and for twins the own answer against a refusal."""
    chance = random.Random(done.recipe.seed)
    twins = [form for form in done.harmless if form.kind == TWIN]
    harmful = _share(list(zip(done.forms, done.declines, strict=True)), done.recipe.pairs, chance)
    harmless = _share(twins, done.recipe.pairs, chance)
    done.pairs_asked = len(harmful) + len(harmless)
    records = [Record(form.asked) for form, _ in harmful] + [Record(form.asked) for form in harmless]
    wish = Wish(1, 0.0, done.recipe.max_new_tokens, done.recipe.seed)
    found = done.policy.write(records, wish, partial(watch, message("answering for pairs")))
    own = [_own_answer(said, done.no_pairs) for (said,) in found]
    writers = [dict(done.policy.identity)]
    for (form, decline), text in zip(harmful, own, strict=False):
        if text is not None:
            told, category = _told(done, form, made=decline.made, writers=writers), form.failed.category
            done.preferences.append(_row(form.asked, told, category, chosen=decline.text, rejected=text))
    for form, text in zip(harmless, own[len(harmful) :], strict=True):
        if text is not None:
            language = language_of(form.text)
            refusal = by_template(form.text, form.category or OWN, language, done.recipe.seed).text
            told = _told(done, form, kind=form.kind, writers=writers)
            done.preferences.append(_row(form.asked, told, form.category, chosen=text, rejected=refusal))


def _share(forms: Sequence[_Form], share: float, chance: random.Random) -> list[_Form]:
    """Draw a share of the forms; they stay in their order."""
    places = sorted(chance.sample(range(len(forms)), round(share * len(forms))))
    return [forms[place] for place in places]


def _own_answer(said: Attempt, aside: Counter[str]) -> str | None:
    """Return the whole sentences of an own answer; count one that teaches nothing."""
    if isinstance(said, NoVerdict):
        aside[UNANSWERED] += 1
        return None
    text = whole_sentences(said.text)
    broken = any(fault not in (Fault.CUT, Fault.EMPTY) for fault in degenerate(text))
    if (why := no_example(text) or (BROKEN if broken else None)) is not None:
        aside[why] += 1
        return None
    return text


# Files


def as_json(done: Refusals) -> dict[str, Any]:
    """Return all counts for scripts; each part adds up to what was read or asked."""
    failures = done.failures
    return {
        "failures": {
            "read": failures.read,
            "used": len(failures.failed),
            **{why: failures.aside[why] for why in ASIDE},
        },
        "refusals": {
            "rows": len(done.sft),
            "forms": dict(Counter(PLAIN if one.attack == PLAIN else "attacked" for one in done.forms)),
            "made": dict(Counter(one.made for one in done.declines)),
            "not by the writer": dict(done.faults),
        },
        "retained": {
            "asked": len(done.retain) + done.not_held.total(),
            "rows": len(done.retain),
            **done.not_held,
        },
        "kinds": dict(Counter(one.kind for one in done.harmless)),
        "pairs": {"asked": done.pairs_asked, "rows": len(done.preferences), **done.no_pairs},
        "balance": {"asked": done.recipe.balance, "reached": done.reached},
        "recipe": done.recipe.recorded(),
    }
