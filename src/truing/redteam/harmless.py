"""Harmless prompts beside the refusals, so that a policy that learns to decline goes on answering.

A twin of a failed prompt stands in the same form as the prompt did: plain, or inside the same attack. Without
the latter a policy learns that the attack's words are to be declined. Where more are wanted the twins stand
plain too, as people ask them. Everyday prompts fill up what twins leave, plain first and then inside the
attacks.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from truing.core.languages import Language
from truing.core.messages import message
from truing.core.records import Record, Turns, user
from truing.evals.bench import TaskWatch
from truing.evals.suites.ordinary import split_ordinary
from truing.redteam.attacks.table import ATTACKS
from truing.redteam.attacks.types import Seed
from truing.redteam.failures import PLAIN, FailedPrompt
from truing.redteam.talks import Talk, hold_talks
from truing.redteam.targets import language_of
from truing.sampling.roles import ModelRole, Wish
from truing.synthesis.prompts import PromptSet

TWIN, EVERYDAY = "twin", "everyday"


@dataclass(frozen=True)
class HarmfulForm:
    """A failed prompt in one form, `attack` or PLAIN; `language` is that of its refusal."""

    failed: FailedPrompt
    attack: str
    asked: Turns
    language: Language


@dataclass(frozen=True)
class HarmlessForm:
    """A harmless prompt in one form, and the row that it is from; `asked` is empty until it is put."""

    text: str
    attack: str
    kind: str  # TWIN or EVERYDAY
    category: str | None  # of the failed prompt, for a twin
    record: Record
    prompts: PromptSet
    asked: Turns = ()


def harmful_forms(failed: Sequence[FailedPrompt], forms: Sequence[str]) -> list[HarmfulForm]:
    """Return each failed prompt plain, once, and in each form in which it failed."""
    found: dict[Turns, HarmfulForm] = {}
    for one in failed:
        plain = one.record.prompt
        if PLAIN in forms:
            found.setdefault(plain, HarmfulForm(one, PLAIN, plain, one.language))
        if "attacked" in forms:
            attack = PLAIN if one.attacked == plain else one.attack
            spoken = _other(one.language) if _swaps(attack) else one.language
            found.setdefault(one.attacked, HarmfulForm(one, attack, one.attacked, spoken))
    return list(found.values())


def _swaps(attack: str) -> bool:
    return attack in ATTACKS and ATTACKS[attack].swaps


def _other(language: Language) -> Language:
    return "en" if language == "zh" else "zh"


def harmless_forms(
    forms: Sequence[HarmfulForm], failures: PromptSet, everyday: PromptSet, wanted: tuple[int, int], seed: int
) -> list[HarmlessForm]:
    """Return so many twins and so many everyday prompts (`wanted`); everyday prompts stand in for twins.

    Twins in the form that failed come first, then the same twins plain.
    """
    chance = random.Random(seed)
    twins: dict[tuple[str, str], HarmlessForm] = {}
    drawn = chance.sample(list(forms), len(forms))
    for form, attack in [*((one, one.attack) for one in drawn), *((one, PLAIN) for one in drawn)]:
        one, attack = form.failed, attack if attack in ATTACKS else PLAIN
        if one.benign is not None and len(twins) < wanted[0]:
            twin = HarmlessForm(one.benign, attack, TWIN, one.category, one.record, failures)
            twins.setdefault((one.benign, attack), twin)
    attacks = list(dict.fromkeys([PLAIN, *(form.attack for form in forms if form.attack in ATTACKS)]))
    more = sum(wanted) - len(twins)
    return [*twins.values(), *islice(_everyday(everyday, attacks, chance), more)]


def _everyday(everyday: PromptSet, attacks: Sequence[str], chance: random.Random) -> Iterator[HarmlessForm]:
    for attack in attacks:
        for record in chance.sample(everyday.records, len(everyday.records)):
            text = record.prompt[-1].content
            if language_of(text) in ATTACKS[attack].languages:
                yield HarmlessForm(text, attack, EVERYDAY, None, record, everyday)


def for_training(everyday: PromptSet) -> PromptSet:
    """Return those of truing's ordinary prompts that no evaluation asks."""
    languages = dict.fromkeys(one.columns["language"] for one in everyday.records)
    rows = [[one for one in everyday.records if one.columns["language"] == name] for name in languages]
    return PromptSet([one for some in rows for one in split_ordinary(some)[0]], everyday.sources)


def put(forms: Sequence[HarmlessForm], role: ModelRole, wish: Wish, watch: TaskWatch) -> list[HarmlessForm]:
    """Return the forms with the turns that the model is asked; an attack of several turns is talked through.

    A form whose talk ended without an answer is left out.
    """
    talks = [Talk(Seed(one.text, language_of(one.text)), ATTACKS[one.attack]) for one in forms]
    several = [talk for talk in talks if talk.attack.turns > 1]
    hold_talks(role, several, wish, watch, message("asking harmless prompts in turns"))
    found: list[HarmlessForm] = []
    for form, talk in zip(forms, talks, strict=True):
        if talk.attack.turns > 1:
            asked = talk.transcript[:-1] if talk.answer is not None else ()
        else:
            asked = user(talk.attack.step(talk.seed, ()) or "") if form.attack != PLAIN else _plain(form)
        if asked:
            found.append(replace(form, asked=asked))
    return found


def _plain(form: HarmlessForm) -> Turns:
    return form.record.prompt if form.kind == EVERYDAY else user(form.text)
