"""Red teaming: prompts × attacks against a model, controls beside them, outcomes, rates and failures.

    prompts -> attacks -> talks -> controls -> outcomes by rules, by a judge -> rates, raw and corrected

    items.jsonl       every answer with its talk, its outcome and its lineage
    failures.jsonl    the attacks that succeeded, for `truing data refusals`
    proposals.jsonl   the prompts that a generator proposed, and why others were left out

The same recipe in the same folder goes on where it was stopped, and asks nothing twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from truing.config.red_team import RedTeamRecipe
from truing.core.errors import DataError, RewardError
from truing.core.languages import LANGUAGES, Language
from truing.core.messages import Say, message
from truing.evals.bench import TaskWatch
from truing.models.trained import Trained
from truing.redteam.attacks.table import ATTACKS, attacks_of
from truing.redteam.attacks.types import Attack
from truing.redteam.card import own_rows, refusal_card
from truing.redteam.judging import judge_card, judged_items
from truing.redteam.proposals import Proposal, propose, targets_of
from truing.redteam.rates import BenignAnswer, share_cut, success_errors, success_rates
from truing.redteam.record import VERB, RedTeam
from truing.redteam.rows import write_red_team
from truing.redteam.talks import Talk, hold_talks
from truing.redteam.targets import Target, headline_targets, row_targets
from truing.redteam.understanding import ask_controls
from truing.sampling.roles import ModelRole, Wish, live_of, open_role
from truing.synthesis.prompts import PromptSet, read_prompts
from truing.synthesis.work import WorkFolder, answers_in, work_folder
from truing.text.refusal_levels import Level
from truing.text.refusal_reading import read_refusal

ALL = "all"


def red_team(
    recipe: RedTeamRecipe,
    say: Say,
    watch: TaskWatch,
    opened: Mapping[str, Trained] = MappingProxyType({}),
) -> RedTeam:
    """Attack a model in the recipe's folder; the same call goes on where another was stopped.

    `opened` holds models in memory by their name. Raises ConfigError, DataError and ModelError before
    any model is asked, and RewardError where a budget is used up.
    """
    attacks = attacks_of(tuple(ATTACKS) if ALL in recipe.attacks else recipe.attacks)
    prompts = read_prompts(recipe.prompts, say) if recipe.prompts else None
    targets = _targets(recipe, prompts)
    roles = {"model": recipe.model, "judge": recipe.judge, "generator": recipe.generator}
    given = {name: spec for name, spec in roles.items() if spec is not None}
    answers = answers_in(recipe.output)
    at_work = {name: open_role(spec, answers, live_of(spec, opened)) for name, spec in given.items()}
    asked = {
        "recipe": recipe.recorded(),
        "inputs": prompts.inputs if prompts else {},
        "targets": [target.id for target in targets],
        **{name: dict(role.identity) for name, role in at_work.items()},
    }
    with work_folder(recipe.output, VERB, asked) as folder:
        done = _attacked(recipe, attacks, targets, at_work, folder, watch)
        write_red_team(done, folder)
    return done


def _targets(recipe: RedTeamRecipe, prompts: PromptSet | None) -> list[Target]:
    """Return the prompts of a recipe. Raises DataError where own rows have none of its categories."""
    if prompts is None:
        found = headline_targets(recipe.categories, recipe.languages, recipe.split, recipe.per_category)
    else:
        found = row_targets(prompts, recipe.categories)
    if not found:
        raise DataError(
            message("no row has one of the categories {names}", names=", ".join(recipe.categories)),
            hint=message("leave --category out, or give rows that name it as their category"),
        )
    return found[: recipe.limit]


def _attacked(
    recipe: RedTeamRecipe,
    attacks: Mapping[str, Attack],
    targets: list[Target],
    roles: Mapping[str, ModelRole],
    folder: WorkFolder,
    watch: TaskWatch,
) -> RedTeam:
    model = roles["model"]
    proposals: list[Proposal] = []
    spoken: list[Language] = [
        one for one in LANGUAGES if any(target.seed.language == one for target in targets)
    ]
    if "generator" in roles:
        names = list(dict.fromkeys(target.category for target in targets))
        how = {"seed": recipe.seed, "watch": watch}
        proposals = propose(roles["generator"], names, spoken, recipe.proposals, targets, **how)
        targets = [*targets, *targets_of(proposals, roles["generator"], recipe.seed)]
    wish = Wish(1, recipe.temperature, recipe.max_new_tokens, recipe.seed)
    pairs = [
        (one, name) for one in targets for name in attacks if one.seed.language in attacks[name].languages
    ]
    talks = {
        (target.id, name, sample): Talk(target.seed, attacks[name], sample)
        for target, name in pairs
        for sample in range(recipe.k)
    }
    hold_talks(model, list(talks.values()), wish, watch, message("attacking {model}", model=model.title))
    understood = ask_controls(model, attacks, spoken, recipe.controls, wish, watch)
    benign = _benign(model, targets, wish, watch) if recipe.benign else []
    ended = [(target, name, talks[target.id, name, j]) for target, name in pairs for j in range(recipe.k)]
    items = judged_items(ended, understood, roles.get("judge"), watch)
    labelled = own_rows(spoken)
    judge, errors = None, None  # of what had the last word
    if "judge" in roles:
        judge = judge_card(roles["judge"], labelled, recipe.judge_rows, watch)
        errors = None if judge is None else judge.errors
    else:
        errors = success_errors(labelled, share_cut(items))
    return RedTeam(
        recipe,
        folder.path,
        model,
        attacks,
        items,
        len(targets) * len(attacks) - len(pairs),
        understood,
        benign,
        proposals,
        refusal_card("reading", labelled),
        judge,
        dict(roles["judge"].identity) if "judge" in roles else None,
        success_rates(items, errors, recipe.seed),
    )


def _benign(model: ModelRole, targets: Sequence[Target], wish: Wish, watch: TaskWatch) -> list[BenignAnswer]:
    """Ask the harmless twins as they stand."""
    twins = [target for target in targets if target.benign is not None]
    talks = [Talk(replace(target.seed, text=target.benign or ""), ATTACKS["plain"]) for target in twins]
    hold_talks(model, talks, wish, watch, message("asking the harmless twins"))
    found: list[BenignAnswer] = []
    for target, talk in zip(twins, talks, strict=True):
        reading = None if talk.answer is None else read_refusal(talk.answer, talk.seed.text, cut=talk.cut)
        refused = None if reading is None or reading.level is None else reading.level is Level.FULL
        found.append(BenignAnswer(target, talk.answer, refused))
    return found


def require_answered(done: RedTeam) -> None:
    """Raise RewardError where more attacks than `max_errors` have no answer; the answers are kept."""
    if done.unanswered > done.recipe.max_errors:
        why = next(item.talk.failed for item in done.items if item.talk.answer is None)
        raise RewardError(
            message(
                "{share:.0%} of the attacks have no answer; the first: {why}", share=done.unanswered, why=why
            ),
            hint=message("mend it and run the same command: what was answered is kept"),
        )
