"""The first five minutes: a real model becomes safer, with numbers before and after and a page to show.

    plan -> measure -> sample -> SFT on the chosen -> DPO -> measure again -> report

The machine is measured first, and the plan says how many topics fit the time (`budget.py`). Every training
stage is an ordinary run with an ordinary recipe in the output folder: `truing train` on that recipe does the
same. A stage that has ended leaves its result in `stages/`; the same command goes on after it.
"""

import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from truing.config.run_folder import read_metrics
from truing.core.errors import Stopped
from truing.core.files import write_atomic
from truing.core.languages import Language
from truing.core.messages import Say, joined, message
from truing.core.signals import STOPS, signal_of
from truing.core.words import speaking
from truing.data.convert import write_jsonl
from truing.data.trees import Tree
from truing.evals.drift import kl_of_logps, score_trees
from truing.evals.suites.headlines import Headline, load_headlines, load_neutral
from truing.evals.suites.ordinary import load_ordinary, split_ordinary
from truing.models.load import load_tokenizer, pick_device
from truing.models.machine import cpu_line
from truing.models.precision import pick_precision
from truing.models.sources import resolve
from truing.pipelines import budget
from truing.pipelines.budget import (
    ALL,
    BEGUN,
    DRIFT_EVERY,
    EVERY,
    PAIRS_EPOCHS,
    SAID,
    QuickstartPlan,
    Schedule,
)
from truing.pipelines.pace import measured_pace, speaker_of
from truing.pipelines.preferences import make_rows
from truing.pipelines.quickstart_report import Shown, write_results
from truing.pipelines.safety import PolicyReading, Readings, Yardstick, read_policy
from truing.pipelines.stages import stage_heading, train_merged
from truing.reports.records import Measure, StageRecord
from truing.sampling.speaker import Speaker
from truing.sampling.types import Sampling
from truing.stats.intervals import Interval
from truing.text.shown import language as script

MINUTES = 5.0
TRIED = 48  # topics that the machine is measured with
OWN = Sampling(max_new_tokens=SAID, logprobs=False)  # responses for pairs
STAGES = {
    "measure_before": "measuring before",
    "sample": "sampling responses",
    "sft": "SFT",
    "dpo": "DPO",
    "measure_after": "measuring after",
}
LineWatch = Callable[[str, int], AbstractContextManager[Any]]  # title and total to a `StageLine`


def sft(schedule: Schedule, retained: float = 1.0) -> dict[str, Any]:
    """Return the recipe of the first training stage, without model and files.

    `retained` is the number of retained rows over that of topics: an epoch sees all of both.
    """
    rate, size, epochs = schedule.learning_rate, schedule.per_step, schedule.epochs
    held = {"retain_weight": schedule.retain_weight, "retain_per_step": max(1, round(size * retained))}
    return {
        "method": "sft",
        "data": held,
        "optim": {"learning_rate": rate, "items_per_step": size, "epochs": epochs, "warmup": 4},
        "checkpoint": {"every": 20, "keep": 1},
    }


def dpo(schedule: Schedule) -> dict[str, Any]:
    """Return the recipe of the second training stage, without model and files."""
    size = schedule.per_step
    return {
        "method": "dpo",
        "data": {"retain_weight": 4.0},
        "loss": {"name": "dpo", "beta": 0.1, "sft_weight": 0.2},
        "optim": {"learning_rate": 2e-4, "items_per_step": size, "epochs": PAIRS_EPOCHS, "warmup": 2},
        "checkpoint": {"every": 20, "keep": 1},
    }


def upper_half(layers: int) -> dict[str, Any]:
    """Return an adapter on the upper half of the layers, where the meaning of a prompt is settled.

    The input of these layers is computed once per row.
    """
    upper = "|".join(map(str, range(layers // 2, layers)))
    return {"r": 16, "targets": rf".*layers[.]({upper})[.].*_proj"}


def spread(headlines: Sequence[Headline], count: int) -> list[Headline]:
    """Pick `count` of the headlines, or all, evenly over the categories and within each category."""
    ordered = sorted(headlines, key=lambda headline: headline.category)
    count = min(count, len(ordered))
    return [ordered[place * len(ordered) // count] for place in range(count)]


@dataclass(frozen=True)
class Material:
    """The prompts and texts of one language."""

    train: Sequence[Headline]
    held_out: Sequence[Headline]
    retained: Sequence[str]  # ordinary prompts to hold
    ordinary: Sequence[str]  # others to measure
    neutral: Sequence[str]

    @classmethod
    def of(cls, language: Language, headlines: Sequence[Headline] = ()) -> "Material":
        """Return the shipped material, with `headlines`, if given, in place of the shipped headlines."""
        headlines = headlines or [h for h in load_headlines() if h.language == language]
        retained, measured = split_ordinary([one.prompt for one in load_ordinary(language)])
        return cls(
            [h for h in headlines if h.split == "train"],
            [h for h in headlines if h.split == "held_out"],
            retained,
            measured,
            [text for text in load_neutral() if (script(text) or "en") == language],
        )

    @property
    def yardstick(self) -> Yardstick:
        return Yardstick.of(self.held_out, self.ordinary, self.neutral)


@dataclass
class Quickstart:
    """One quickstart in one folder: its plan, and the stages that have ended."""

    plan: QuickstartPlan
    material: Material
    output: Path
    say: Say
    watch: LineWatch
    seconds: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result of a stage: that of an earlier command, else the result of `work`."""
        path = self.output / "stages" / f"{name}.json"
        heading = stage_heading(list(STAGES).index(name) + 1, len(STAGES), message(STAGES[name]))
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            self.say(message("{heading} is done", heading=heading))
        else:
            expected = self.plan.seconds[name]
            self.say(message("{heading}, about {seconds:.0f} s", heading=heading, seconds=expected))
            start = time.perf_counter()
            with self._stopping(name):
                found = work()
            gc.collect()  # a model and what points to it go before the next is opened
            found["seconds"] = round(time.perf_counter() - start, 1)
            path.parent.mkdir(exist_ok=True)
            write_atomic(path, json.dumps(found, ensure_ascii=False) + "\n")
        self.seconds[name] = found["seconds"]
        return found

    @contextmanager
    def _stopping(self, name: str) -> Iterator[None]:
        """Raise Stopped with the parts that are kept, where a stage is stopped."""
        try:
            yield
        except STOPS as stop:
            kept = ["the plan", *(title for done, title in STAGES.items() if done in self.seconds)]
            said = message(
                "stopped during {stage}{steps}; {folder} keeps {kept}",
                stage=message(STAGES[name]),
                steps=message("; {told}", told=stop.message) if isinstance(stop, Stopped) else "",
                folder=self.output,
                kept=joined(", ", map(message, kept)),
            )
            hint = message("the same command goes on from there")
            raise Stopped(said, signal=signal_of(stop), hint=hint) from stop

    def measure_before(self) -> dict[str, Any]:
        return self._read(self._start(), ordinary=False)[0].as_json()

    def measure_after(self) -> dict[str, Any]:
        """Measure the trained policy, and its KL to the start, with one model in memory at a time."""
        speaker = speaker_of(str(self.result("dpo")), self.plan.dtype)
        found, trees = self._read(speaker, ordinary=True)
        trees = trees[::DRIFT_EVERY]
        ours = score_trees(speaker.scorer, trees)
        del speaker
        gc.collect()
        kl = kl_of_logps(ours, score_trees(self._start().scorer, trees))
        return found.as_json() | {"kl": [kl.estimate, kl.low, kl.high, kl.n]}

    def _start(self) -> Speaker:
        return speaker_of(self.plan.policy, self.plan.dtype)

    def _read(self, speaker: Speaker, *, ordinary: bool) -> tuple[PolicyReading, list[Tree]]:
        asked = self.material.yardstick
        prompts = 2 * len(asked.harmful) + (len(asked.ordinary) if ordinary else 0)
        with self.watch("responses", prompts) as line:
            return read_policy(speaker, asked, ordinary=ordinary, progress=line.update)

    def sample(self) -> dict[str, Any]:
        """Make the three files of rows; return the counts of rows read and written for each file."""
        train = spread(self.material.train, self.plan.topics)
        held = [*(h.benign for h in train), *self.material.retained]
        asked = [prompt for h in train[::EVERY] for prompt in (h.harmful, h.benign)]
        # Where a refusal would begin; at temperature 1, as the policy is held to its whole distribution.
        beginning = Sampling(max_new_tokens=BEGUN, temperature=1.0, logprobs=False)
        speaker = self._start()
        with self.watch("responses", len(held) + len(asked)) as line:
            begun = speaker.answer(held, beginning, on_progress=lambda n, _: line.update(n))
            said = speaker.answer(asked, OWN, on_progress=lambda n, _: line.update(len(held) + n))
        own = dict(zip(asked, (sample.text for sample in said), strict=True))
        texts = [sample.text for sample in begun]
        made = make_rows(train, texts[: len(train)], own)
        for prompt, start in zip(self.material.retained, texts[len(train) :], strict=True):
            made.hold(prompt, start)
        read = {"demonstrations": len(train), "retained": len(held), "preferences": len(asked)}
        for name in read:
            write_jsonl(self.output / f"{name}.jsonl", getattr(made, name))
        return {"rows": {name: [count, len(getattr(made, name))] for name, count in read.items()}}

    def result(self, name: str) -> Path:
        """Return the folder of the merged model of a training stage."""
        return self.output / ("model" if name == "dpo" else f"model-{name}")

    def train(self, name: str, policy: str, recipe: dict[str, Any], rows: str) -> dict[str, Any]:
        """Train one stage as `truing run` does, and write the merged model beside its result."""
        files = {"train": [str(self.output / rows)], "retain": [str(self.output / "retained.jsonl")]}
        content = {
            **recipe_of(policy, recipe, self.plan.dtype),
            "data": files | recipe["data"],
            "output": str(self.output / "runs" / name),
        }
        facts = {"base_model": self.plan.policy, "method": name}
        path, target = self.output / f"{name}.yaml", self.result(name)
        return {"steps": train_merged(path, content, target, facts, self.say, self.watch)}

    def trained(self, name: str, found: dict[str, Any]) -> StageRecord:
        """Return a training stage as a record of the report."""
        metrics = read_metrics(self.output / "runs" / name)
        return StageRecord(name.upper(), name, found["seconds"], found["steps"], metrics)


def recipe_of(policy: str, recipe: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Return a stage's recipe for one model, without its files."""
    layers = AutoConfig.from_pretrained(resolve(policy).path).num_hidden_layers
    return {**recipe, "policy": policy, "lora": upper_half(layers), "dtype": dtype}


def make_plan(
    policy: str, language: Language, minutes: float, material: Material, say: Say
) -> QuickstartPlan:
    """Measure this machine and say how many topics fit the time."""
    start = time.perf_counter()
    say(message("measuring this machine"))
    device = pick_device("auto")
    dtype = pick_precision("auto", device, adapter=True).name
    pace, prompt = measured_pace(policy, recipe_of(policy, sft(ALL), dtype), spread(material.train, TRIED))
    tokenizer = load_tokenizer(resolve(policy).path)
    neutral = sum(len(tokenizer(text)["input_ids"]) for text in material.neutral)
    learnt = (len(material.train), len(material.retained))
    counts = (*learnt, len(material.held_out), len(material.ordinary))
    machine = cpu_line() if device.type == "cpu" else str(device)
    plan = QuickstartPlan(policy, language, minutes, dtype, machine, 0, 0, {}, 0, pace)
    return budget.planned(plan, budget.Sizes(*counts, neutral, prompt), spent=time.perf_counter() - start)


def quickstart(
    output: Path,
    say: Say,
    watch: LineWatch,
    *,
    policy: str,
    language: Language = "en",
    minutes: float | None = None,
    headlines: Sequence[Headline] = (),
) -> list[Measure]:
    """Run all stages into `output`; returns the before/after table that the report shows.

    `headlines` are by default the shipped headlines of `language`. `minutes` is the time for all stages on
    this machine; a folder that holds a plan keeps it. Raises Stopped after a signal.
    """
    output.mkdir(parents=True, exist_ok=True)
    material = Material.of(language, headlines)
    start = time.perf_counter()
    plan = budget.stored(output, policy=policy, language=language, minutes=minutes)
    say(message("fetching and converting {model} (once; cached)", model=policy))
    resolve(policy)
    fetched = time.perf_counter() - start
    if plan is None:
        plan = make_plan(policy, language, minutes or MINUTES, material, say)
        budget.store(plan, output)
    say(plan.told())
    work = Quickstart(plan, material, output, say, watch, {"pace": plan.seconds["pace"]})
    before = PolicyReading.of_json(work.stage("measure_before", work.measure_before))
    made = work.stage("sample", work.sample)
    rows, how = "demonstrations.jsonl", plan.schedule
    retained = made["rows"]["retained"][1] / plan.topics
    first = work.stage("sft", lambda: work.train("sft", policy, sft(how, retained), rows))
    base, pairs = str(work.result("sft")), "preferences.jsonl"
    second = work.stage("dpo", lambda: work.train("dpo", base, dpo(how), pairs))
    last = work.stage("measure_after", work.measure_after)
    read = Readings(material.yardstick, before, PolicyReading.of_json(last), Interval(*last["kl"]))
    stages = [work.trained("sft", first), work.trained("dpo", second)]
    shown = Shown(plan, read, stages, made["rows"], work.seconds)
    with speaking(language):
        write_results(shown, output, fetched)
    return shown.table
