"""The recipe of `truing feedback`: prompts, the models that answer, a judge, and the rows to make.

prompts: [prompts.jsonl]
policies: [runs/sft]
judge: {name: server, model: qwen3, base_url: http://localhost:8000/v1, api_key_env: null}
k: 4
select: best_worst
"""

from typing import Literal

from pydantic import Field, model_validator

from truing.config.work import RoleSpec, WorkRecipe

ROUNDS = 3  # of pairs of each prompt, where not all pairs are compared


class FeedbackRecipe(WorkRecipe):
    """Preferences, or the best responses, of models' own responses as a judge sees them."""

    policies: tuple[RoleSpec, ...] = Field(min_length=1, description="Models that answer each prompt.")
    judge: RoleSpec = Field(
        description="A row of the judges of `win_rate`, a model on this machine, or a reward model."
    )
    k: int = Field(default=4, ge=1, description="Responses of each model to each prompt.")
    temperature: float = Field(default=1.0, ge=0, description="Sampling temperature; 0 is greedy.")
    max_new_tokens: int = Field(default=256, ge=1, description="Most tokens of a response.")
    compare: Literal["all", "swiss", "uncertain"] = Field(
        default="all", description="All pairs, rounds of a Swiss tournament, or the least certain pairs."
    )
    rounds: int | None = Field(
        default=None, ge=1, description=f"Rounds of `swiss` and of `uncertain`; {ROUNDS} where not given."
    )
    select: Literal["best_worst", "all_pairs", "best_of_n"] = Field(
        default="best_worst", description="A pair of each prompt, all sure pairs, or the best response."
    )
    across: Literal["prompt", "all"] = Field(
        default="prompt", description="`best_of_n` of each prompt, or the best of all prompts together."
    )
    sure: float = Field(
        default=0.6, ge=0.5, le=1, description="A pair below this probability of its preference is unsure."
    )
    unsure: Literal["drop", "keep"] = Field(default="drop", description="Drop unsure pairs, or keep them.")
    output: str = Field(
        default="feedback", min_length=1, description="Folder for the rows, the answers and the report."
    )

    @model_validator(mode="after")
    def _read_keys(self) -> "FeedbackRecipe":
        if self.rounds is not None and self.compare == "all":
            raise ValueError("rounds is set, and compare: all has one round")
        if self.across == "all" and self.select != "best_of_n":
            raise ValueError(f"across is set, and select: {self.select} takes pairs of one prompt")
        if self.k * len(self.policies) < 2:
            raise ValueError("there is one response to a prompt; set k to 2 or more, or name two policies")
        if self.k > 1 and self.temperature == 0:
            raise ValueError(f"k is {self.k}, and at temperature 0 all of them are the same")
        return self
