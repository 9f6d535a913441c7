"""The recipe of `truing data refusals`: failures of a red teaming, and the rows that teach to decline them.

prompts: [red-team/failures.jsonl]
policy: runs/mine
forms: [plain, attacked]
balance: 1.25
output: refusals
"""

from typing import Literal

from pydantic import Field

from truing.config.work import RoleSpec, WorkRecipe


class RefusalsRecipe(WorkRecipe):
    """Refusals to learn, harmless prompts to go on answering, and how many of each."""

    policy: RoleSpec | None = Field(
        default=None, description="The model that will learn; without one, the model that failed."
    )
    writer: RoleSpec | None = Field(
        default=None, description="A model that writes refusals, in place of templates."
    )
    forms: tuple[Literal["plain", "attacked"], ...] = Field(
        default=("plain", "attacked"),
        min_length=1,
        description="The prompt as it stands, and as the attack that succeeded put it.",
    )
    teach: Literal["whole", "first"] = Field(
        default="whole", description="SFT learns the whole refusal, or its first sentence."
    )
    balance: float = Field(
        default=1.25, ge=0, description="Harmless prompts whose answers are retained, for each refusal."
    )
    ordinary: float = Field(
        default=0.2, ge=0, le=1, description="Share of everyday prompts among them; the others are twins."
    )
    everyday: tuple[str, ...] = Field(
        default=(), description="Files of everyday prompts, in place of truing's."
    )
    begun: int = Field(
        default=12, ge=1, description="Tokens of a retained answer: whether one declines shows at its start."
    )
    pairs: float = Field(
        default=1.0, ge=0, le=1, description="Share of the refusals and of the twins that become pairs too."
    )
    max_new_tokens: int = Field(default=48, ge=1, description="Most tokens of an own answer in a pair.")
    output: str = Field(
        default="refusals", min_length=1, description="Folder for the rows, the answers and the report."
    )
