"""A recipe to start from, with every key that its method reads: its value and its meaning.

Values and meanings come from the fields of a recipe, the tables of methods and the signatures of losses.
Hyper-parameters are no fields, so `HYPER` says what they mean. A new method or key needs no change here; a
new hyper-parameter of a method's own loss needs a row in `HYPER`. Tests compare all rows with the tables.

Rows to try it on lie beside the package in a wheel, and in `examples/rows` in a checkout.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from truing.config.reads import PARTICULAR, READS
from truing.config.recipe import HyperValue, Lora, Recipe
from truing.config.rewards import RewardPart
from truing.config.section import Section
from truing.methods.offline import OFFLINE, choose
from truing.methods.online import ONLINE, choose_online
from truing.objectives.choices import NONE
from truing.objectives.shapes import DEMONSTRATION, PAIR, UNPAIRED

WIDTH, COLUMN = 110, 44  # of a line; of the begin of its comment
ROOM = 24  # characters that a comment needs behind its line
PLAIN = re.compile(r"[A-Za-z][\w./=-]*(:[\w./=-]+)?")
WORDS = {"null", "true", "false", "yes", "no", "on", "off"}  # with quotes text, without something else
METHODS = {**OFFLINE, **ONLINE}
ROWS = {DEMONSTRATION.wants: "demonstrations", PAIR.wants: "preferences", UNPAIRED.wants: "labelled"}
PROMPTS = "a prompt, and what its rewards read: here the answer to a sum"
# What suits a few rows; everything else is at its default.
FEW = {"items_per_step": 8, "epochs": 4}

HYPER: Mapping[str, str] = {
    "aggregation": "How the losses of tokens are averaged.",
    "beta": "How much log-probabilities count; a policy stays closer to its start with a larger one.",
    "center": "Pulls scores towards 0; 0.01 is usual.",
    "correction": "For samplers that differ from the policy: none, token_truncate, token_mask …",
    "credit": "How rewards become advantages.",
    "desirable_weight": "Weight of liked responses.",
    "divergence": "What keeps the policy near its reference: reverse_kl, forward_kl, js or alpha.",
    "divergence_alpha": "Of the divergence alpha alone: 0 is reverse_kl, 1 is forward_kl.",
    "entropy_share": "Share of the tokens, those of highest entropy, that are learnt from.",
    "entropy_weight": "Weight of the entropy that is added.",
    "eps": "Added to the deviation that rewards are divided by.",
    "gamma": "Discount of rewards per token.",
    "high": "How far the probability ratio of a token may rise above 1; 0.28 is DAPO's.",
    "kl": "How KL is estimated: k1, k2, k3 …",
    "kl_horizon": "Responses over which the weight is steered.",
    "kl_in": "Where KL acts: in the loss, or in the reward.",
    "kl_target": "KL per token that the weight is steered to; 0 keeps the weight.",
    "kl_weight": "Weight of KL to the reference; 0 runs no reference.",
    "label_smoothing": "Believed share of swapped labels.",
    "lam": "How far ahead advantages look: 0 one token, 1 to the end.",
    "ld_alpha": "Weight of the tokens by which the longer response is longer; 1 is that of all others.",
    "low": "How far the probability ratio of a token may fall below 1.",
    "sft_on": "Where that likelihood is taken: response, or sequence, which adds the prompt.",
    "sft_weight": "Weight of the chosen response's likelihood beside the loss.",
    "simpo.gamma": "Lead that the chosen response is asked for.",
    "undesirable_weight": "Weight of disliked responses.",
    "uniform": "What to do with prompts whose responses all have one reward: keep or drop.",
    "value_clip": "How far a value may move from what it was when the response was sampled.",
    "value_loss": "What the critic minimises: clipped_value or squared_value.",
    "value_weight": "Weight of the critic's loss.",
    "whiten": "Give the advantages of a step mean 0 and deviation 1.",
    "whiten_rewards": "Give the rewards per token of a step deviation 1.",
}


def wants(method: str) -> str:
    """Describe the rows that a method learns from."""
    return PROMPTS if method in ONLINE else choose(method, None, {}).shape.wants


def sample_rows(method: str) -> Path:
    """Return the file of sample rows for a method."""
    package = Path(__file__).parents[1]
    shipped = package / "samples"
    folder = shipped if shipped.is_dir() else package.parents[1] / "examples" / "rows"
    return folder / f"{'sums' if method in ONLINE else ROWS[wants(method)]}.jsonl"


def starting(method: str, *, policy: str, rows: str, output: str) -> Recipe:
    """Return the recipe of a method on a few rows: an adapter, and every default in figures."""
    plan = METHODS[method]
    given: dict[str, Any] = {"method": method, "policy": policy, "data": {"train": [rows]}, "output": output}
    given["lora"] = Lora(alpha=32.0)
    given["optim"] = {"learning_rate": plan.adapter_rate, **FEW}
    if method in ONLINE:
        plan = ONLINE[method]
        given |= {
            "rewards": [{"name": "numeric"}],
            "sampling": {"max_new_tokens": 24},
            "online": {"group_size": plan.group_size, "epochs": plan.epochs},
            "loss": _online_loss(method),
        }
    else:
        chosen = choose(method, None, {})
        given["loss"] = {"name": chosen.name, **chosen.hyper, **chosen.options}
    return Recipe.model_validate(given)


def _online_loss(method: str) -> dict[str, HyperValue]:
    """Return the keys of `loss:` for an online method's own functions, with their defaults."""
    chosen, found = choose_online(method, None), {}
    parts = {"name": chosen.loss, "credit": chosen.credit, "aggregation": chosen.aggregation, "kl": chosen.kl}
    if chosen.value_loss is not None:
        parts["value_loss"] = chosen.value_loss
    for key, part in parts.items():
        found |= {key: part.name, **part.hyper}
    found |= asdict(chosen.settings) | {"correction": NONE}
    return found if chosen.needs_critic else {k: v for k, v in found.items() if k != "value_weight"}


def unread(method: str) -> set[str]:
    """Return the keys and sections of a recipe that a method does not read."""
    found = {key for key in PARTICULAR if key not in READS[method]}
    if method in ONLINE:
        online = choose_online(method, None)
        found |= set() if online.needs_critic else {"critic"}
        return found | (set() if online.needs_reference else {"reference"})
    return found | (set() if choose(method, None, {}).needs_reference else {"reference"})


def write_recipe(recipe: Recipe) -> str:
    """Write the recipe as YAML that loads to the same recipe, each value with its meaning behind it."""
    title = METHODS[recipe.method].title
    title = f"# {title[0].upper()}{title[1:]}. Learns from {wants(recipe.method)}."
    about = "# Every key that it reads is here; all but method, policy and data.train may be left out."
    lines = [title, about, *_section(recipe, "", recipe.method, unread(recipe.method))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _section(section: Section, prefix: str, method: str, left_out: set[str]) -> Iterator[str]:
    """Write the lines of a section. Its keys begin with `prefix`, which ends with a dot, or is empty."""
    indent = "  " if prefix else ""
    for name, value in section:
        key = f"{prefix}{name}"
        if key in left_out:
            continue
        comment = _meaning(section, name, value, method)
        if isinstance(value, Section):
            if inner := list(_section(value, f"{key}.", method, left_out)):
                yield from _told(f"{name}:", comment)
                yield from inner
        elif name == "rewards":
            yield from _told(f"{name}:", comment)
            yield from _parts(value)
        else:
            yield from _told(f"{indent}{name}: {_shown(value)}", comment)


def _parts(parts: tuple[RewardPart, ...]) -> Iterator[str]:
    for part in parts:
        for name, value in part:
            start = "  - " if name == "name" else "    "
            yield from _told(
                f"{start}{name}: {_shown(value)}", RewardPart.model_fields[name].description or ""
            )


def _meaning(section: Section, name: str, value: object, method: str) -> str:
    """Return the meaning of a key, its other values, and its default where the value is not the default."""
    field = type(section).model_fields.get(name)
    if field is None:
        return HYPER.get(f"{method}.{name}") or HYPER[name]
    told = field.description or ""
    literal = next(
        (k for k in (field.annotation, *get_args(field.annotation)) if get_origin(k) is Literal), None
    )
    if choices := [choice for choice in get_args(literal) if str(choice) not in told and choice != value]:
        told += f" Or {', '.join(choices)}."
    default = field.default
    if field.is_required() or default is None or default == value or isinstance(value, Section):
        return told
    return told if default == () else f"{told} Default: {_shown(default)}."


def _shown(value: Any) -> str:
    """Write a value as YAML, without quotes where YAML reads the bare word as text."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value not in WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _told(text: str, comment: str) -> Iterator[str]:
    """Write a line with its comment behind it; a long comment goes on below, and below a long line begins."""
    start = max(COLUMN, len(text) + 2)
    if WIDTH - start < ROOM:
        yield text
        text, start = "", COLUMN
    first, *rest = textwrap.wrap(comment, WIDTH - start - 2, break_long_words=False) or [""]
    yield f"{text.ljust(start)}# {first}" if first else text
    for line in rest:
        yield f"{' ' * start}# {line}"
