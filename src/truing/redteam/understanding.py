"""Controls of a run: harmless questions asked plainly, then those with a right answer inside each attack."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from truing.core.languages import Language
from truing.core.messages import message
from truing.evals.bench import TaskWatch
from truing.evals.suites import ShortAnswer
from truing.redteam.attacks.table import ATTACKS
from truing.redteam.attacks.types import Attack
from truing.redteam.controls import (
    Understanding,
    controls_of,
    seed_of,
    serves,
    understanding,
    understood,
)
from truing.redteam.talks import Talk, hold_talks
from truing.sampling.roles import ModelRole, Wish

SHORT = 48  # tokens in which the answer to a harmless question is found


def ask_controls(
    model: ModelRole,
    attacks: Mapping[str, Attack],
    languages: Sequence[Language],
    many: int,
    wish: Wish,
    watch: TaskWatch,
) -> dict[tuple[str, Language], Understanding]:
    """Return how a model understands each attack in each language; empty where no control is to be asked."""
    if not many:
        return {}
    wish = replace(wish, temperature=0.0, max_new_tokens=min(wish.max_new_tokens, SHORT))
    chosen = [one for language in languages for one in chosen_controls(language, many)]
    plain = [Talk(seed_of(one), ATTACKS["plain"]) for one in chosen]
    hold_talks(model, plain, wish, watch, message("asking harmless questions plainly"))
    known = [
        one
        for one, talk in zip(chosen, plain, strict=True)
        if understood(talk.answer or "", one, talk.attack)
    ]
    cells: list[tuple[str, Language]] = [
        (name, language)
        for name, attack in attacks.items()
        for language in attack.languages
        if language in languages
    ]
    asked: dict[tuple[str, Language], list[ShortAnswer]] = {
        cell: [one for one in known if one.language == cell[1] and serves(one, attacks[cell[0]])]
        for cell in cells
    }
    talks = {
        (name, one.id): Talk(seed_of(one), attacks[name]) for (name, _), own in asked.items() for one in own
    }
    hold_talks(model, list(talks.values()), wish, watch, message("asking harmless questions by attack"))
    return {
        (name, language): understanding(
            [understood(talks[name, one.id].answer or "", one, attacks[name]) for one in own]
        )
        for (name, language), own in asked.items()
    }


def chosen_controls(language: Language, many: int) -> list[ShortAnswer]:
    """Return so many questions, half of them with answers that are the same in both languages."""
    own = controls_of(language)
    both = [one for one in own if serves(one, ATTACKS["language_swap"])]
    others = [one for one in own if one not in both]
    half = both[: (many + 1) // 2]
    return [*half, *others[: many - len(half)]]
