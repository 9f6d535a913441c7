"""Write the results of a quickstart: `summary.json` for scripts and `report.html` for people."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from truing.config.run_folder import versions
from truing.core.files import write_atomic
from truing.core.memory import peak_bytes
from truing.core.words import t
from truing.pipelines.budget import QuickstartPlan
from truing.pipelines.safety import PolicyReading, Readings
from truing.reports.page import write_report
from truing.reports.records import DataCount, Measure, Report, StageRecord

EXAMPLES = 10
UNREAD = 60.0  # perplexity of everyday text above which a model hardly reads its language


@dataclass(frozen=True)
class Shown:
    """The results of a quickstart."""

    plan: QuickstartPlan
    read: Readings
    stages: Sequence[StageRecord]
    rows: Mapping[str, Sequence[int]]  # of each file of rows: read, kept
    seconds: Mapping[str, float]

    @cached_property
    def table(self) -> list[Measure]:
        """Return the numbers before and after, with the goals of the plan."""
        return self.read.measures(self.plan.goals)

    @property
    def command(self) -> str:
        plan = self.plan
        said = [] if plan.language == "en" else [f"--language {plan.language}"]
        return " ".join(["truing quickstart", f"--model {plan.policy}", *said, f"--minutes {plan.minutes:g}"])

    def notes(self) -> list[str]:
        """Return notes that a reader needs beside the numbers."""
        plan, start = self.plan, self.read.before.perplexity.value
        told = t(
            "{topics} of {of} topics were learnt from, as many as fit {minutes} minutes on {machine}.",
            topics=plan.topics,
            of=plan.of,
            minutes=f"{plan.minutes:g}",
            machine=plan.machine,
        )
        unread = t(
            "The starting model hardly reads this language: its perplexity on everyday text is {value}. "
            "What it says is noise before and after, and its refusals show no judgement. "
            "Choose another --model.",
            value=f"{start:.0f}",
        )
        return [told, *([unread] if start > UNREAD else [])]


def write_results(shown: Shown, output: Path, fetched: float) -> None:
    """Write both files. The total leaves out the `fetched` seconds, which the model's download took."""
    start = time.perf_counter()
    report = Report(
        title=t("Quickstart: {model} learns to refuse", model=shown.plan.policy),
        created=datetime.now(UTC),
        command=shown.command,
        notes=shown.notes(),
        measures=shown.table,
        stages=shown.stages,
        examples=shown.read.examples(EXAMPLES),
        categories=shown.read.categories(),
        data=[DataCount(f"{name}.jsonl", n, kept, n - kept) for name, (n, kept) in shown.rows.items()],
        versions=versions(),
        config={stage.name: (output / f"{stage.method}.yaml").read_text("utf-8") for stage in shown.stages},
    )
    write_report(report, output / "report.html")
    seconds = dict(shown.seconds) | {"report": round(time.perf_counter() - start, 1)}
    write_atomic(output / "summary.json", json.dumps(_summary(shown, seconds, fetched), indent=2) + "\n")


def _summary(shown: Shown, seconds: Mapping[str, float], fetched: float) -> dict[str, Any]:
    plan, by_name = shown.plan, {measure.name: measure for measure in shown.table}

    def side(which: str, reading: PolicyReading) -> dict[str, float]:
        sides = {name: getattr(measure, which) for name, measure in by_name.items()}
        numbers = {name: one.estimate for name, one in sides.items() if one is not None}
        return numbers | {"perplexity": reading.perplexity.value}

    return {
        "language": plan.language,
        "topics": [plan.topics, plan.of],
        "machine": plan.machine,
        "dtype": plan.dtype,
        "seconds": {"fetch": round(fetched, 1), **seconds, "total": round(sum(seconds.values()), 1)},
        "planned_seconds": round(plan.total, 1),
        "peak_memory_gb": round(peak_bytes() / 1e9, 2),
        "before": side("before", shown.read.before),
        "after": side("after", shown.read.after),
        "intervals": {
            name: {
                "before": [m.before.low, m.before.high] if m.before else None,
                "after": [m.after.low, m.after.high],
                "n": m.after.n,
            }
            for name, m in by_name.items()
        },
        "model": "model",
    }
