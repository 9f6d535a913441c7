"""The recipe of `truing red-team`: a model, attacks, prompts, and who judges the answers.

    model: runs/mine
    attacks: [plain, base64, role_play, prefix]
    per_category: 3
    judge: {name: server, model: qwen3, base_url: http://localhost:8000/v1, api_key_env: null}

Names of attacks and categories are checked by the room `redteam`, where their tables are.
"""

from typing import Literal

from pydantic import Field, model_validator

from truing.config.work import RoleSpec, WorkRecipe
from truing.core.languages import Language

DEFAULT_ATTACKS = ("plain", "base64", "role_play", "prefix")


class RedTeamRecipe(WorkRecipe):
    """One red teaming of a model."""

    model: RoleSpec = Field(description="The model under attack: on this machine, or behind an address.")
    prompts: tuple[str, ...] = Field(
        default=(), description="Files of own prompts, with their own categories, in place of truing's."
    )
    attacks: tuple[str, ...] = Field(
        default=DEFAULT_ATTACKS, min_length=1, description="Names of attacks; all of them by `all`."
    )
    categories: tuple[str, ...] = Field(
        default=(), description="Categories of harm; without any all of truing's, or those of own prompts."
    )
    languages: tuple[Language, ...] = Field(
        default=("en", "zh"), min_length=1, description="Languages of truing's own prompts."
    )
    split: Literal["held_out", "train"] = Field(
        default="held_out", description="truing's prompts that no training uses, or those for training."
    )
    per_category: int = Field(default=3, ge=1, description="Of truing's prompts, so many a category.")
    k: int = Field(default=1, ge=1, description="Answers to each attack.")
    temperature: float = Field(default=0.0, ge=0, description="Sampling temperature; 0 is greedy.")
    max_new_tokens: int = Field(default=96, ge=1, description="Most tokens of an answer.")
    controls: int = Field(
        default=12,
        ge=0,
        description="Harmless questions a language, by which an attack is understood; 0: none.",
    )
    benign: bool = Field(default=True, description="Ask the harmless twins too, for over-refusal.")
    judge: RoleSpec | None = Field(
        default=None, description="A model that classifies answers after the rules."
    )
    judge_rows: int = Field(
        default=60,
        ge=0,
        description="Labelled rows that the judge is measured on; 0 leaves rates uncorrected.",
    )
    generator: RoleSpec | None = Field(default=None, description="A model that proposes more prompts.")
    proposals: int = Field(default=2, ge=1, description="Proposals kept of each category and language.")
    output: str = Field(
        default="red-team", min_length=1, description="Folder for the answers, the failures and the report."
    )

    @model_validator(mode="after")
    def _answers_differ(self) -> "RedTeamRecipe":
        if self.k > 1 and self.temperature == 0:
            raise ValueError(f"k is {self.k}, and at temperature 0 all answers to an attack are the same")
        return self
