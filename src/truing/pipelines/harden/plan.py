"""Plan how many prompts a round of a hardening attacks, from seconds measured on this machine.

Measuring costs the same however many prompts are learnt from: n held-out prompts × attacks decide how sure
the numbers are. What time is left is shared by the rounds. A plan is stored in the output folder and holds
also where the same command goes on with another machine.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from truing.config.harden import HardenRecipe
from truing.core.files import write_atomic
from truing.core.messages import Say, Sentence, message
from truing.evals.suites import load_suite
from truing.evals.suites.headlines import CATEGORIES, load_headlines
from truing.evals.suites.ordinary import load_ordinary
from truing.models.load import pick_device
from truing.models.machine import cpu_line
from truing.models.precision import pick_precision
from truing.pipelines.budget import BEGUN, FEWER, MARGIN, MachinePace, Schedule
from truing.pipelines.pace import measured_pace
from truing.pipelines.quickstart import TRIED, recipe_of, sft, spread

FILE = "plan.json"
LEAST = 24  # prompts of a round, below which nothing is learnt that shows
DRESS = 35  # tokens that an attack puts around a prompt
# docs/harden.md measures the weights 10 and 30, between attacks declined and harmless prompts declined.
TEACHING = Schedule(per_step=8, epochs=1.0, learning_rate=2e-3, retain_weight=30.0)
LONGER, WHOLE = 1.5, 0.25  # an attacked prompt over the rows of the pace; more for a whole refusal
LOOKALIKE, EVERYDAY, HELPFUL = 24, 12, 96  # tokens of answers for the gates


@dataclass(frozen=True)
class RoundsPlan:
    """Prompts of a round, what was expected of the time, and where it was planned."""

    topics: int
    of: int  # prompts there are for a round
    seconds: float | None  # None where the recipe says how many prompts
    machine: str
    minutes: float

    def told(self) -> Sentence:
        """Return the plan in one sentence."""
        if self.seconds is None:
            said = "{topics} of {of} prompts a round, as the recipe says"
            return message(said, topics=self.topics, of=self.of)
        found = message(
            "{machine}: {topics} of {of} prompts a round, about {minutes:.0f} minutes for all rounds",
            machine=self.machine,
            topics=self.topics,
            of=self.of,
            minutes=self.seconds / 60,
        )
        if self.seconds <= 60 * self.minutes:
            return found
        return message("{found}; the {asked:g} minutes do not suffice", found=found, asked=self.minutes)


@dataclass(frozen=True)
class RoundCosts:
    """Seconds of a hardening: those that no number of prompts changes, and those of each prompt."""

    fixed: float
    prompt: float

    def topics_in(self, seconds: float, of: int) -> int:
        """Return the most prompts a round that fit, from LEAST to all there are."""
        return min(of, max(LEAST, int((seconds - self.fixed) / self.prompt)))

    def of(self, topics: int) -> float:
        return self.fixed + topics * self.prompt


def costs(recipe: HardenRecipe, pace: MachinePace, prompt: float) -> RoundCosts:
    """Return what the rounds of a recipe cost; `prompt` is the mean number of a prompt's tokens."""
    plan = recipe.harden
    arms = 2 if plan.control else 1
    measured = 1 + arms * plan.rounds
    attacks = len(plan.attacks) + len(plan.held_out_attacks)

    def asking(prompts: float, tokens: int, read: float = prompt) -> float:
        return prompts * (read * pace.read + tokens * pace.write)

    headlines = sum(one.split == "held_out" and one.language == plan.language for one in load_headlines())
    tasks = sum(len(load_suite(name, (plan.language,))) for name in ("instructions", "short_answers"))
    attacked = plan.per_category * len(CATEGORIES) * attacks
    measuring = (
        asking(attacked, plan.max_new_tokens, prompt + DRESS)
        + asking(headlines, LOOKALIKE)
        + asking(len(load_ordinary(plan.language)), EVERYDAY)
        + asking(tasks, HELPFUL)
    )
    fixed = measured * (measuring + 2 * pace.load) + arms * plan.rounds * 3 * pace.load
    # Each round trains on its own rows, or on those of the rounds before it as well.
    learnt = sum(range(1, plan.rounds + 1)) if plan.begin == "start" else plan.rounds
    longer = LONGER + (WHOLE if plan.teach == "whole" else 0)
    rows = (1 + plan.balance) / 2  # the pace is that of one refusal beside one retained row
    learn = rows * longer * (pace.keep + TEACHING.epochs * pace.learn)
    own = asking(1, plan.max_new_tokens, prompt + DRESS) * plan.rounds
    held = asking(plan.balance, BEGUN, prompt + DRESS) * plan.rounds
    pairs = 2 * plan.pairs * asking(1, plan.max_new_tokens, prompt + DRESS) * plan.rounds
    return RoundCosts(fixed, own + arms * (held + pairs + learnt * learn))


def make_plan(recipe: HardenRecipe, available: int, say: Say) -> RoundsPlan:
    """Measure this machine, unless the recipe says how many prompts; `available` prompts are for a round."""
    plan = recipe.harden
    device = pick_device("auto")
    machine = cpu_line() if device.type == "cpu" else str(device)
    if plan.topics is not None:
        return RoundsPlan(min(plan.topics, available), available, None, machine, recipe.minutes)
    say(message("measuring this machine"))
    dtype = pick_precision("auto", device, adapter=True).name
    rows = [one for one in load_headlines() if one.split == "train" and one.language == plan.language]
    pace, prompt = measured_pace(plan.policy, recipe_of(plan.policy, sft(FEWER), dtype), spread(rows, TRIED))
    found = costs(recipe, pace, prompt)
    topics = found.topics_in((1 - MARGIN) * 60 * recipe.minutes, available)
    return RoundsPlan(topics, available, round(found.of(topics), 1), machine, recipe.minutes)


def stored_plan(folder: Path) -> RoundsPlan | None:
    """Read the plan of a folder; None where there is none."""
    path = folder / FILE
    return RoundsPlan(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def store_plan(plan: RoundsPlan, folder: Path) -> None:
    write_atomic(folder / FILE, json.dumps(asdict(plan), indent=2, ensure_ascii=False) + "\n")
