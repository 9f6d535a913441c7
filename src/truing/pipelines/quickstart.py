"""The first five minutes: a real model becomes safer, with numbers before and after and a page to show.

    fetch -> measure -> sample -> SFT on the chosen -> DPO -> measure again -> report

Every training stage is an ordinary run with an ordinary recipe in the output folder: `truing train`
on it does the same.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from transformers import AutoConfig

from truing.core.config import load_recipe
from truing.core.files import write_atomic
from truing.core.runs import RunFolder, read_metrics, versions
from truing.data.convert import write_jsonl
from truing.evals.report import write_report
from truing.evals.report_records import DataCount, Measure, Report, Stage
from truing.evals.speaker import Speaker
from truing.evals.suites.headlines import Headline, load_headlines, load_neutral
from truing.methods.run import run
from truing.methods.session import Say, open_session
from truing.models.export import export_folder
from truing.models.sources import resolve
from truing.models.trained import load_trained
from truing.pipelines.preferences import Made, make_rows
from truing.pipelines.safety import Measured, by_category, examples, measure, measures
from truing.sampling.types import Sampling

LANGUAGE = "en"  # SmolLM2 was trained on English: of Chinese it makes noise, before and after
RESPONSE = Sampling(max_new_tokens=40, logprobs=False)  # what is measured, and made into pairs
# Where a refusal would begin. At temperature 1, since there the policy is held to its whole distribution.
BEGINNING = Sampling(max_new_tokens=12, temperature=1.0, logprobs=False)
EVERY = 10  # every topic serves SFT; every tenth becomes preference pairs too
Watch = Callable[[str, int], AbstractContextManager[Any]]  # title and total to a `StageLine`

SFT = {
    "method": "sft",
    "data": {"retain_weight": 8.0},
    "optim": {"learning_rate": 1e-3, "items_per_step": 8, "epochs": 1.75, "warmup": 4},
    "checkpoint": {"every": 200, "keep": 1},
}
DPO = {
    "method": "dpo",
    "data": {"retain_weight": 4.0},
    "loss": {"name": "dpo", "beta": 0.1, "sft_weight": 0.2},
    "optim": {"learning_rate": 2e-4, "items_per_step": 8, "epochs": 0.5, "warmup": 4},
    "checkpoint": {"every": 200, "keep": 1},
}


def upper_half(layers: int) -> dict[str, Any]:
    """An adapter on the upper half of the layers: what a prompt asks for is clear by then, and half of the
    backward pass is saved."""
    upper = "|".join(map(str, range(layers // 2, layers)))
    return {"r": 16, "targets": rf".*layers[.]({upper})[.].*_proj"}


@dataclass
class Quickstart:
    """One quickstart in one folder: what it has measured and how long each stage took."""

    base: str
    output: Path
    say: Say
    watch: Watch
    seconds: dict[str, float] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    recipes: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 1)

    def train(self, name: str, policy: str, recipe: dict[str, Any], rows: str) -> Path:
        """Run one stage and write its merged result; returns that folder."""
        path = self.output / f"{name}.yaml"
        files = {"train": [str(self.output / rows)], "retain": [str(self.output / "retained.jsonl")]}
        content = {
            **recipe,
            "policy": policy,
            "lora": upper_half(AutoConfig.from_pretrained(resolve(policy).path).num_hidden_layers),
            "data": files | recipe["data"],
            "output": str(self.output / "runs" / name),
        }
        write_atomic(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        self.recipes[name] = path.read_text("utf-8")
        loaded = load_recipe(path)
        target = self.output / ("model" if name == "dpo" else f"model-{name}")
        with self.timed(name), RunFolder.open(loaded.recipe.output) as folder:
            session = open_session(loaded.recipe, self.say)
            with self.watch(name.upper(), session.plan.total) as line:
                finished = run(session, folder, say=self.say, watch=[line.step])
            facts = {"base_model": self.base, "method": name}
            export_folder(session.model, session.tokenizer, target, merge=True, facts=facts)
            metrics = read_metrics(folder.path)
        self.stages.append(Stage(name.upper(), recipe["method"], self.seconds[name], finished.step, metrics))
        return target


def quickstart(
    output: Path, say: Say, watch: Watch, *, policy: str, headlines: Sequence[Headline] = ()
) -> list[Measure]:
    """Run all stages into `output`; returns the before/after table that the report shows.

    `headlines` are the shipped ones of LANGUAGE where none are given.
    """
    output.mkdir(parents=True, exist_ok=True)
    work = Quickstart(policy, output, say, watch)
    headlines = headlines or [h for h in load_headlines() if h.language == LANGUAGE]
    neutral = load_neutral()
    train = [h for h in headlines if h.split == "train"]
    held_out = [h for h in headlines if h.split == "held_out"]
    with work.timed("fetch"):
        say(f"fetching and converting {policy} (once; cached)")
        resolve(policy)
    start = Speaker.of(load_trained(policy))
    with work.timed("measure_before"), watch("measuring before", 2 * len(held_out)) as line:
        before = measure(start, held_out, neutral, RESPONSE, lambda done, total: line.update(done))
    asked = [prompt for h in train[::EVERY] for prompt in (h.harmful, h.benign)]
    with work.timed("sample"), watch("sampling responses", len(train) + len(asked)) as line:
        begun = start.answer([h.benign for h in train], BEGINNING, on_progress=lambda n, _: line.update(n))
        said = start.answer(asked, RESPONSE, on_progress=lambda n, _: line.update(len(train) + n))
    texts = [sample.text for sample in begun]
    made = make_rows(train, texts, dict(zip(asked, (sample.text for sample in said), strict=True)))
    for name in ("preferences", "demonstrations", "retained"):
        write_jsonl(output / f"{name}.jsonl", getattr(made, name))
    sft = work.train("sft", policy, SFT, "demonstrations.jsonl")
    final = work.train("dpo", str(sft), DPO, "preferences.jsonl")
    after_speaker = Speaker.of(load_trained(str(final)))
    with work.timed("measure_after"), watch("measuring after", 2 * len(held_out)) as line:
        after = measure(after_speaker, held_out, neutral, RESPONSE, lambda done, total: line.update(done))
        table = measures(before, after, after_speaker, start)
    read = {"demonstrations": len(train), "retained": len(train), "preferences": len(asked)}
    _write(work, _counts(made, read), held_out, table, before, after)
    return table


def _counts(made: Made, read: Mapping[str, int]) -> list[DataCount]:
    """What was made into rows and what was set aside, for each of the three files."""
    rows = {name: len(getattr(made, name)) for name in read}
    return [DataCount(f"{name}.jsonl", n, rows[name], n - rows[name]) for name, n in read.items()]


def _write(
    work: Quickstart,
    counts: list[DataCount],
    held_out: list[Headline],
    table: list[Measure],
    before: Measured,
    after: Measured,
) -> None:
    """`summary.json` for scripts and `report.html` for people."""
    report = Report(
        title=f"Quickstart: {work.base} learns to refuse",
        created=datetime.now(UTC),
        command="truing quickstart",
        measures=table,
        stages=work.stages,
        examples=examples(held_out, before, after, 10),
        categories=by_category(held_out, before, after),
        data=counts,
        versions=versions(),
        config=work.recipes,
    )
    with work.timed("report"):
        write_report(report, work.output / "report.html")
    shown = {m.name: m for m in table}

    def side(which: str) -> dict[str, float]:
        numbers = {name: getattr(m, which).estimate for name, m in shown.items()}
        return numbers | {"perplexity": (before if which == "before" else after).perplexity.value}

    summary = {
        "language": LANGUAGE,
        "seconds": work.seconds | {"total": round(sum(work.seconds.values()), 1)},
        "before": side("before"),
        "after": side("after"),
        "intervals": {
            name: {
                "before": [m.before.low, m.before.high] if m.before else None,
                "after": [m.after.low, m.after.high],
                "n": m.after.n,
            }
            for name, m in shown.items()
        },
        "model": "model",
    }
    write_atomic(work.output / "summary.json", json.dumps(summary, indent=2) + "\n")
