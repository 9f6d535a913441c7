"""One recipe: every setting of a training run.

To add a key, add a field with a description here and read it where it acts; `truing schema`,
`--print-config` and the messages about misspelt keys follow from the field. A default of `null` means
that something else decides, and the description says what. Hyper-parameters of a loss are not listed
here: they are the keyword-only arguments of the loss itself.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from truing.config.health import Health
from truing.config.online import CriticSection, Online, SamplingSection
from truing.config.rewards import RewardPart
from truing.config.section import Section
from truing.config.track import Track, Tracked

HyperValue = bool | int | float | str


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Files = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | list[str])]
Weight = Annotated[float, Field(strict=True, gt=0)]  # strict: true is not 1, and "0.5" is text


class Data(Section):
    """The rows to train on, and the way they become tokens."""

    train: Files = Field(min_length=1, description="Files to train on; one name or a list.")
    eval: Files = Field(default=(), description="Files to evaluate on.")
    eval_fraction: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the training rows kept for evaluation."
    )
    unpair: bool = Field(default=False, description="Make two labelled rows of every pair, for KTO and BCO.")
    one_class: bool = Field(
        default=False, description="Learn from labelled rows that are all of one class, for KTO and BCO."
    )
    tokens: Literal["all", "differing"] = Field(
        default="all", description="Which tokens of a pair carry loss; differing suits near-identical pairs."
    )
    retain: Files = Field(
        default=(),
        description="Files of responses on which the KL to the initial policy (adapter off) is added to the "
        "loss, whatever `reference` names.",
    )
    retain_weight: float = Field(default=1.0, gt=0, description="Weight of that KL beside the loss.")
    retain_per_step: int | None = Field(
        default=None, ge=1, description="Retained rows of a step; null is as many as items_per_step."
    )
    ptx: Files = Field(
        default=(),
        description="Files of responses whose likelihood online training keeps high beside the reward.",
    )
    ptx_weight: float = Field(default=1.0, gt=0, description="Weight of that likelihood beside the loss.")
    format: str | None = Field(default=None, description="Format of the rows; null detects and shows it.")
    template: Literal["auto", "chat", "alpaca", "plain"] = Field(
        default="auto",
        description="How turns become text; auto takes the model's chat template where it has one.",
    )
    template_arguments: dict[str, Any] = Field(
        default={},
        description="Arguments of the chat template, such as enable_thinking: false, which "
        "sample, chat, eval and export keep to.",
    )
    bad_rows: Literal["stop", "skip"] = Field(
        default="stop", description="What to do with rows that cannot be used or are lost to their length."
    )
    max_tokens: int = Field(default=2048, ge=2, description="Most tokens of one prompt with one response.")
    truncation: Literal["drop", "prompt-left", "response-right"] = Field(
        default="drop",
        description="What to do with rows longer than max_tokens; drop stops the run above 1 %.",
    )
    trust_control_tokens: bool = Field(
        default=False, description="Read text such as <|im_start|> in the rows as control tokens."
    )

    @field_validator("eval_fraction")
    @classmethod
    def _one_source_of_evaluation(cls, value: float, info: ValidationInfo) -> float:
        if value and info.data.get("eval"):
            raise ValueError("cannot be combined with data.eval; keep one of the two")
        return value

    @property
    def evaluates(self) -> bool:
        return bool(self.eval) or self.eval_fraction > 0


class Lora(Section):
    """A low-rank adapter; a recipe without one trains the weights themselves."""

    r: int = Field(default=16, ge=1, description="Rank of the adapter.")
    alpha: float | None = Field(default=None, gt=0, description="Scale of the adapter; null is 2 * r.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on the adapter's input.")
    targets: str | tuple[str, ...] = Field(
        default="all-linear", description="Modules to adapt: all-linear, a pattern, or a list of names."
    )
    dora: bool = Field(default=False, description="Learn magnitude and direction apart (DoRA).")
    rslora: bool = Field(default=False, description="Scale by alpha / sqrt(r) instead of alpha / r (rsLoRA).")

    @property
    def effective_alpha(self) -> float:
        return 2.0 * self.r if self.alpha is None else self.alpha


class LossSection(Section):
    """The loss or losses, with hyper-parameters that the losses' signatures check later."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, HyperValue] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    name: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the loss, or module:function of your own; null is the method's.",
    )
    mix: dict[str, Weight] | None = Field(
        default=None,
        description="Losses to add up instead of one, each with its weight: {dpo: 0.8, ipo: 0.2}.",
    )

    @field_validator("name", mode="before")
    @classmethod
    def _several_are_a_mix(cls, value: object) -> object:
        if isinstance(value, dict | list):
            raise ValueError("several losses and their weights go under loss.mix")
        return value

    @field_validator("mix")
    @classmethod
    def _a_mix_is_of_several(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value is not None and len(value) < 2:
            raise ValueError("a mix is of two losses or more; one alone goes under loss.name")
        return value

    @model_validator(mode="after")
    def _one_or_a_mix(self) -> Self:
        if self.name is not None and self.mix is not None:
            raise ValueError("loss.name and loss.mix cannot be combined; keep one of the two")
        return self

    @model_validator(mode="after")
    def _hyper_parameters_have_names(self) -> Self:
        for name in self.__pydantic_extra__:
            if not name.isidentifier():
                raise ValueError(f"{name!r} in loss cannot be the name of a hyper-parameter")
        return self

    @property
    def hyper(self) -> dict[str, HyperValue]:
        """The hyper-parameters the recipe sets; the others keep the defaults of the loss."""
        return dict(self.__pydantic_extra__)


class Optim(Section):
    """The length of training, the learning rate and the optimiser."""

    learning_rate: float | None = Field(
        default=None, gt=0, description="Peak learning rate; null is the method's own."
    )
    items_per_step: int = Field(
        default=32, ge=1, description="Rows (pairs, prompts …) behind one optimiser step."
    )
    epochs: float = Field(default=1.0, gt=0, description="Passes over the training rows; 0.5 is half a pass.")
    max_steps: int | None = Field(
        default=None, ge=1, description="Stop after this many steps; null runs all epochs."
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        default="cosine", description="Course of the learning rate after the warm-up."
    )
    warmup: float = Field(
        default=0.1, ge=0, description="Warm-up: a share of all steps when < 1, else a number of steps."
    )
    weight_decay: float = Field(default=0.0, ge=0, description="Decoupled weight decay.")
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="Decay of Adam's two moments.")
    eps: float = Field(default=1e-8, gt=0, description="Adam's epsilon.")
    max_grad_norm: float | None = Field(
        default=1.0, gt=0, description="Clip gradients to this norm; null never clips."
    )

    @field_validator("betas")
    @classmethod
    def _betas_are_decays(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in value):
            raise ValueError("expected two numbers from 0 up to, but not including, 1")
        return value

    @field_validator("warmup")
    @classmethod
    def _whole_steps(cls, value: float) -> float:
        if value >= 1 and value != int(value):
            raise ValueError("expected a share below 1 or a whole number of steps")
        return value

    def warmup_steps(self, total: int) -> int:
        """Count the warm-up steps among `total` steps."""
        return min(total, math.ceil(self.warmup * total) if self.warmup < 1 else int(self.warmup))


class EvaluateSection(Section):
    """The times of evaluation while training."""

    every: int | None = Field(
        default=None, ge=1, description="Steps between evaluations; null evaluates at the end."
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="Stop after this many evaluations without a better one; null never does.",
    )

    @field_validator("patience")
    @classmethod
    def _patience_needs_evaluations(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("every") is None:
            raise ValueError("early stopping needs evaluate.every")
        return value


class Checkpoint(Section):
    """The times of saving, and the number of saves to keep."""

    every: int = Field(default=100, ge=1, description="Optimiser steps between checkpoints.")
    keep: int = Field(default=2, ge=1, description="How many of the newest checkpoints stay on disk.")


class RanksSection(Section):
    """The processes that `torchrun` starts for one run."""

    shard: bool = Field(
        default=False,
        description="Each of several ranks holds a part of the weights (FSDP2); adapters stay whole.",
    )


class Recipe(Section):
    """Every setting of one training run."""

    method: str = Field(min_length=1, description="How to train: sft, dpo, kto, reward, ppo, grpo …")
    policy: str = Field(min_length=1, description="The model to train: a folder, a hub name, or wheel:NAME.")
    data: Data = Field(description="Which rows are trained on.")
    reference: str | None = Field(
        default=None, min_length=1, description="The model to stay close to; null is the policy as it starts."
    )
    lora: Lora | None = Field(
        default=None,
        validate_default=True,
        description="Train a low-rank adapter; null trains the weights themselves.",
    )
    top_layers: int | None = Field(
        default=None, ge=1, description="Train only the top N layers; null trains all."
    )
    loss: LossSection = Field(default=LossSection(), description="The loss and its hyper-parameters.")
    rewards: tuple[RewardPart, ...] = Field(
        default=(), description="Parts of the reward that scores responses of online training."
    )
    sampling: SamplingSection = Field(
        default=SamplingSection(), description="How online training draws responses."
    )
    online: Online = Field(default=Online(), description="How online training learns from the responses.")
    optim: Optim = Field(default=Optim(), description="How long and how fast to learn.")
    critic: CriticSection = Field(
        default=CriticSection(), description="The critic, which estimates the reward still to come."
    )
    evaluate: EvaluateSection = Field(
        default=EvaluateSection(), description="When to evaluate while training."
    )
    checkpoint: Checkpoint = Field(default=Checkpoint(), description="When to save.")
    health: Health = Field(default=Health(), description="Rules that watch the run, and their action.")
    track: Tracked = Field(
        default=Track(), description="Experiment trackers that also get the numbers: [tensorboard, wandb]."
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Number format of frozen weights and products; auto: bfloat16 where it is faster here.",
    )
    device: str = Field(default="auto", min_length=1, description="Where to train: auto, cpu, cuda, cuda:1 …")
    tokens_per_pass: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto",
        description="Most tokens of one forward and backward pass; changes memory and the last bits."
        " auto: on a CPU, whose caches are small, 1024 in float32 and 512 in bfloat16; 2048 elsewhere.",
    )
    activation_checkpointing: bool = Field(
        default=False, description="Compute activations twice to save memory."
    )
    packing: Literal["auto", "trees", "padded"] = Field(default="auto", description="How rows share a pass.")
    ranks: RanksSection = Field(
        default=RanksSection(), description="How the processes that torchrun starts share the work of a run."
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of every random choice.")
    output: str = Field(
        default="runs/my-run", min_length=1, description="The run folder; an unfinished run resumes here."
    )

    @field_validator("top_layers")
    @classmethod
    def _layers_or_adapter(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("lora") is not None:
            raise ValueError("cannot be combined with lora; keep one of the two")
        return value

    @field_validator("lora")
    @classmethod
    def _retaining_needs_an_adapter(cls, value: Lora | None, info: ValidationInfo) -> Lora | None:
        data = info.data.get("data")
        if value is None and data is not None and data.retain:
            raise ValueError("data.retain compares the policy with and without its adapter: set lora")
        return value

    @field_validator("evaluate")
    @classmethod
    def _rows_to_evaluate_on(cls, value: EvaluateSection, info: ValidationInfo) -> EvaluateSection:
        data = info.data.get("data")
        if value.every is not None and data is not None and not data.evaluates:
            raise ValueError("evaluate.every needs rows to evaluate on: set data.eval or data.eval_fraction")
        return value


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe, for editors; `truing schema` prints it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
