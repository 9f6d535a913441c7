"""Gates: bounds that a number must keep with its whole interval, for evaluations that nobody watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from truing.config.evaluation import Gate
from truing.core.words import t
from truing.evals.numbers import NumberFinding, NumberUnit
from truing.stats.clusters import Measured
from truing.stats.told import interval_text, value_text


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """A gate and its number as measured."""

    name: str
    gate: Gate
    unit: NumberUnit
    measured: Measured | None  # None: the number was not found

    @property
    def met(self) -> bool:
        """Tell whether the interval keeps the bound, even with every missing sample at the worst value."""
        if self.measured is None or self.measured.interval is None:
            return False
        interval = self.measured.interval
        worst = [self.measured.worst] if self.measured.missing else []
        if self.gate.above is not None:
            return min([interval.low, *worst]) > self.gate.above
        assert self.gate.below is not None
        return max([interval.high, *worst]) < self.gate.below

    def __str__(self) -> str:
        bound = self.gate.above if self.gate.above is not None else self.gate.below
        assert bound is not None
        asked = t(
            "above {bound}" if self.gate.above is not None else "below {bound}",
            bound=value_text(bound, self.unit),
        )
        if self.measured is None or self.measured.interval is None:
            return t("{name}: not measured, asked for {asked}", name=self.name, asked=asked)
        interval, missing = self.measured.interval, self.measured.missing
        found = f"{value_text(interval.estimate, self.unit)} ({interval_text(interval, self.unit)})"
        aside = t(", {n} missing", n=missing) if missing else ""
        said = "{name}: {found}{aside}, asked for {asked} with the whole interval"
        return t(said, name=self.name, found=found, aside=aside, asked=asked)

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, **self.gate.model_dump(exclude_none=True), "met": self.met}


def judge_gates(gates: Mapping[str, Gate], findings: Sequence[NumberFinding]) -> list[GateOutcome]:
    """Judge each gate; a gate whose number could not be measured is missed."""
    found = {finding.number.name: finding for finding in findings}
    return [
        GateOutcome(
            name,
            gate,
            found[name].number.unit if name in found else "",
            found[name].policy if name in found else None,
        )
        for name, gate in gates.items()
    ]
