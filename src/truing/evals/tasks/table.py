"""The tasks of `truing eval`, by name.

A task is a function of the languages asked for, with keyword-only options, that returns a `Task`: the
signature is the schema of its options. To add one, write such a function in the file it belongs to, add a row
to `TASKS`, and a test. `module:function` in a recipe names one of the user's own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from truing.config.evaluation import EvalRecipe
from truing.config.imports import closest, is_import, load_function
from truing.config.names import require_tasks
from truing.config.options import called, check_options, keyword_options
from truing.core.errors import ConfigError
from truing.core.messages import message
from truing.evals.bench import Task, TaskMaker
from truing.evals.tasks import moved, outside, responses, versus

TASKS: dict[str, TaskMaker] = {
    "win_rate": versus.win_rate,
    "harmlessness": responses.harmlessness,
    "over_refusal": responses.over_refusal,
    "over_refusal_ordinary": responses.over_refusal_ordinary,
    "helpfulness": responses.helpfulness,
    "honesty": responses.honesty,
    "kl": moved.kl,
    "degeneration": responses.degeneration,
    "tax": moved.tax,
    "reward": versus.reward,
    "lm_eval": outside.lm_eval,
    "inspect": outside.inspect,
}


def build_tasks(recipe: EvalRecipe) -> dict[str, Task]:
    """Build the recipe's tasks, by name. Raises ConfigError for a wrong name, option or gate."""
    tasks = {
        name: _build(name, options or {}, recipe.languages, held=recipe.against is not None)
        for name, options in recipe.tasks.items()
    }
    known = [number.name for task in tasks.values() for number in task.numbers]
    if twice := next((name for name in known if known.count(name) > 1), None):
        raise ConfigError(
            message("two tasks measure {name!r}", name=twice), hint=message("leave one of them out")
        )
    for gate in recipe.gates:
        if gate not in known:
            near = closest(gate, known)
            raise ConfigError(
                message("the gate {gate!r} is on no number of this evaluation{end}", gate=gate, end=near),
                hint=message("its numbers are {names}", names=", ".join(known)),
            )
    return tasks


def _build(name: str, options: Mapping[str, Any], languages: Sequence[str], *, held: bool) -> Task:
    require_tasks([name])
    maker = load_function(name) if is_import(name) else TASKS[name]
    check_options(called("task", name), keyword_options(maker), options)
    task = maker(languages, **options)
    if task.needs_against and not held:
        raise ConfigError(
            message("the task {name!r} compares with another model, and none is given", name=name),
            hint=message("set against, usually to the model it began as"),
        )
    return task
