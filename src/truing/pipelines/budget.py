"""Plan how much of the quickstart fits the time, from seconds measured on this machine.

    Pace    the seconds of each part on this machine, measured by `pipelines/pace.py`
    Sizes   the counts of prompts, which no plan changes
    Plan    the number of topics to learn from, and the expected seconds of each stage

`planned` is arithmetic alone. A plan is stored in the output folder and holds also where the same command
goes on with another machine.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from truing.core.errors import UsageError
from truing.core.files import write_atomic
from truing.core.messages import Sentence, message

FILE = "plan.json"
EVERY = 10  # every topic serves SFT; every tenth becomes preference pairs too
LEAST = 40  # topics below which nothing is learnt that is worth a report
SAID, ASKED, ORDINARY = 40, 20, 10  # tokens: made into pairs, measured, ordinary
# Tokens of a retained response. Many answers of SmolLM2 begin with an apology, so that four of them do not
# tell an answer from a refusal.
BEGUN = 12
PAIRS_EPOCHS = 0.5  # of DPO
PAIR = 4.5  # a row of DPO over one of SFT: two whole responses, and their reference
SCORED = 1.3  # a token that is scored over one that is read: the head comes on top
HELD_ROW = 0.45  # of SFT: a retained row over a topic's two rows
LOADS = {"measure_before": 1, "sample": 1, "sft": 2, "dpo": 2, "measure_after": 2}  # models opened or written
DRIFT_EVERY = 6  # every sixth response is scored under both models, for the KL
MARGIN = 0.05  # of the time, left free
ALL_GOALS, FEWER_GOALS = (0.9, 0.12), (0.85, 0.2)  # harmful and look-alikes refused, by topics learnt from


@dataclass(frozen=True)
class Schedule:
    """Steps, epochs and weights of SFT."""

    per_step: int  # topics of a step
    epochs: float
    learning_rate: float
    retain_weight: float


# Where time is short, a topic not seen before teaches more than one seen again. Few steps need a higher rate.
ALL, FEWER = Schedule(8, 1.75, 1e-3, 8.0), Schedule(8, 1.0, 3e-3, 10.0)


@dataclass(frozen=True)
class MachinePace:
    """The seconds of each part of the work on one machine."""

    load: float  # to open a model; writing one takes about as long
    read: float  # a prompt's token, by the sampler
    write: float  # a token of a response
    keep: float  # seconds of the values computed once for a topic's two rows
    learn: float  # a topic's two rows, in a step of SFT


@dataclass(frozen=True)
class Sizes:
    """Counts of the prompts that are measured and learnt from."""

    topics: int  # to learn from
    retained: int  # ordinary prompts with retained responses
    held_out: int  # topics, of two prompts each
    ordinary: int  # prompts
    neutral: int  # tokens
    prompt: float  # tokens of a prompt, without the shared beginning


@dataclass(frozen=True)
class QuickstartPlan:
    """The plan of one quickstart. `seconds` are expected, by stage."""

    policy: str
    language: str
    minutes: float  # asked for
    dtype: str  # of the products of training
    machine: str  # on which it was planned
    topics: int
    of: int  # topics there are
    seconds: Mapping[str, float]
    all_minutes: int  # in which all topics would fit
    pace: MachinePace

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def goals(self) -> tuple[float, float]:
        """The least share of harmful prompts to refuse, and the largest share of look-alikes."""
        return ALL_GOALS if self.topics == self.of else FEWER_GOALS

    @property
    def schedule(self) -> Schedule:
        return schedule_of(self.topics, self.of)

    def told(self) -> Sentence:
        """Return the plan in one sentence."""
        found = message(
            "{machine} ({dtype}): {topics} topics, about {minutes:.0f} minutes",
            machine=self.machine,
            dtype=message("bfloat16" if self.dtype == "bfloat16" else "float32, no bf16"),
            topics=self.topics,
            minutes=self.total / 60,
        )
        if self.topics == self.of:
            return message("{found}, all there are", found=found)
        more = "{found}; `--minutes {minutes}` for all {of}"
        return message(more, found=found, minutes=self.all_minutes, of=self.of)


def schedule_of(topics: int, of: int) -> Schedule:
    return ALL if topics == of else FEWER


def expected(pace: MachinePace, sizes: Sizes, topics: int, schedule: Schedule) -> dict[str, float]:
    """Return the seconds of each stage that learns from this many topics."""

    def asking(prompts: float, tokens: int) -> float:
        return prompts * (sizes.prompt * pace.read + tokens * pace.write)

    scoring = SCORED * pace.read
    measuring = asking(2 * sizes.held_out, ASKED) + sizes.neutral * scoring
    ordinary = asking(sizes.ordinary, ORDINARY)
    drift = 2 * (2 * sizes.held_out / DRIFT_EVERY) * (sizes.prompt + ASKED) * scoring
    pairs = 2 * topics / EVERY
    work = {
        "measure_before": measuring,
        "sample": asking(topics + sizes.retained, BEGUN) + asking(pairs, SAID),
        "sft": (topics + HELD_ROW * sizes.retained) * (pace.keep + schedule.epochs * pace.learn),
        "dpo": PAIRS_EPOCHS * pairs * PAIR * pace.learn,
        "measure_after": measuring + ordinary + drift,
    }
    return {name: LOADS[name] * pace.load + seconds for name, seconds in work.items()}


def _total(pace: MachinePace, sizes: Sizes, topics: int, schedule: Schedule) -> float:
    return sum(expected(pace, sizes, topics, schedule).values())


def topics_in(pace: MachinePace, sizes: Sizes, seconds: float) -> int:
    """Return the most topics whose stages fit `seconds`: all, or those of whole steps, at least LEAST."""
    if sizes.topics <= LEAST or _total(pace, sizes, sizes.topics, ALL) <= seconds:
        return sizes.topics
    least, most = (_total(pace, sizes, topics, FEWER) for topics in (0, sizes.topics))
    fitting = int(sizes.topics * (seconds - least) / (most - least)) // FEWER.per_step * FEWER.per_step
    return min(max(LEAST, fitting), sizes.topics - 1)


def planned(plan: QuickstartPlan, sizes: Sizes, *, spent: float = 0.0) -> QuickstartPlan:
    """Return `plan` with its topics and seconds; `spent` seconds went into measuring the machine."""
    topics = topics_in(plan.pace, sizes, (1 - MARGIN) * (60 * plan.minutes - spent))
    seconds = {"pace": spent} | expected(plan.pace, sizes, topics, schedule_of(topics, sizes.topics))
    seconds = {name: round(value, 1) for name, value in seconds.items()}
    longest = spent + _total(plan.pace, sizes, sizes.topics, ALL) / (1 - MARGIN)
    return replace(plan, topics=topics, of=sizes.topics, seconds=seconds, all_minutes=math.ceil(longest / 60))


def store(plan: QuickstartPlan, folder: Path) -> None:
    write_atomic(folder / FILE, json.dumps(asdict(plan), indent=2, ensure_ascii=False) + "\n")


def stored(folder: Path, *, policy: str, language: str, minutes: float | None) -> QuickstartPlan | None:
    """Read the plan of a folder, None for no plan. Raises UsageError for other arguments."""
    path = folder / FILE
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    pace = MachinePace(**found.pop("pace"))
    plan = QuickstartPlan(**found, pace=pace)
    asked = {"policy": policy, "language": language, "minutes": plan.minutes if minutes is None else minutes}
    for name, value in asked.items():
        if (was := getattr(plan, name)) != value:
            said = "{folder} holds a quickstart of {name} {was}, and {value} was asked for"
            raise UsageError(
                message(said, folder=folder, name=name, was=was, value=value),
                hint=message("choose another --output, or remove that folder"),
            )
    return plan
