"""The recipe of `truing data negatives`: rows with true answers, and the way in which false ones are made.

prompts: [answers.jsonl]
rules: [numbers, percentages, hedges]
changes: 1

by: writer
writer: {name: server, model: qwen3, base_url: http://localhost:8000/v1, api_key_env: null}

by: samples
policy: runs/sft
k: 4
judge: runs/reward
"""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from truing.config.work import RoleSpec, WorkRecipe

RuleName = Literal[
    "numbers",
    "percentages",
    "years",
    "dates",
    "units",
    "numerals",
    "negation",
    "directions",
    "entities",
    "hedges",
]
RULES: tuple[RuleName, ...] = get_args(RuleName)
# Keys that only some ways of making false answers read.
READ_BY = {
    "rules": ("rules",),
    "changes": ("rules",),
    "low": ("rules",),
    "high": ("rules",),
    "years": ("rules",),
    "other_names": ("rules",),
    "writer": ("writer",),
    "shortest": ("writer",),
    "k": ("samples",),
    "judge": ("writer", "samples"),
    "temperature": ("writer", "samples"),
    "max_new_tokens": ("writer", "samples"),
}


class NegativesRecipe(WorkRecipe):
    """Preference rows of a true answer and a false one."""

    prompts: tuple[str, ...] = Field(
        min_length=1, description="Files of rows with a true answer, in any format that training reads."
    )
    by: Literal["rules", "writer", "samples"] = Field(
        default="rules", description="By rule, by a model that rewrites, or from a policy's own responses."
    )
    rules: tuple[RuleName, ...] = Field(
        default=RULES, min_length=1, description="Rules that may change an answer."
    )
    changes: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = Field(
        default=1, description="Changes of an answer, or a share of all that are possible."
    )
    low: float = Field(default=0.1, gt=0, description="Least relative change of a number.")
    high: float = Field(default=0.5, gt=0, lt=1, description="Largest relative change of a number.")
    years: int = Field(default=5, ge=1, description="Most years by which a year moves.")
    other_names: bool = Field(
        default=False, description="Put names of other rows in the place of an answer's own."
    )
    writer: RoleSpec | None = Field(default=None, description="The model that rewrites an answer.")
    shortest: float = Field(
        default=0.6, ge=0, le=1, description="Least length of a rewritten answer, as a share of the true one."
    )
    policy: RoleSpec | None = Field(
        default=None, description="The model that is sampled, and that train.yaml trains."
    )
    k: int = Field(default=1, ge=1, description="Samples of the policy, of which the worst is taken.")
    judge: RoleSpec | None = Field(
        default=None, description="Tells which answer is worse: a reward model, or a judge of `win_rate`."
    )
    temperature: float = Field(default=1.0, ge=0, description="Sampling temperature; 0 is greedy.")
    max_new_tokens: int = Field(default=512, ge=1, description="Most tokens of a written answer.")
    near: float = Field(
        default=0.9, gt=0, le=1, description="Rows at least so alike (Jaccard) are taken once; 1 is equal."
    )
    against_eval: tuple[str, ...] = Field(
        default=(), description="Files of evaluations; rows that hold what they ask are dropped."
    )
    own_suites: bool = Field(default=True, description="Drop rows that hold a prompt of truing's suites.")
    output: str = Field(
        default="negatives", min_length=1, description="Folder for the rows, the answers and the report."
    )

    @property
    def unread(self) -> set[str]:
        """The keys that this way of making false answers does not read, and that no recipe of it may set."""
        return {key for key, ways in READ_BY.items() if self.by not in ways}

    @model_validator(mode="after")
    def _read_keys(self) -> "NegativesRecipe":
        for key in sorted(self.model_fields_set & self.unread):
            if getattr(self, key) is not None:
                raise ValueError(f"{key} is set, and by: {self.by} does not read it")
        if self.low > self.high:
            raise ValueError(f"low is {self.low}, above high: {self.high}")
        if self.by == "writer" and self.writer is None:
            raise ValueError("by: writer needs a writer, the model that rewrites answers")
        if self.by == "samples" and self.policy is None:
            raise ValueError("by: samples needs a policy, the model that is sampled")
        if self.k > 1 and self.judge is None:
            raise ValueError(f"k is {self.k}, and no judge tells the worst; set judge, or k: 1")
        if self.k > 1 and self.temperature == 0:
            raise ValueError(f"k is {self.k}, and at temperature 0 all samples are the same")
        return self
