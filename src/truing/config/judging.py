"""The recipe of `truing judge`: rows, judges, and how they are asked.

rows: [pairs.jsonl]
judges: [{name: server, model: qwen3, base_url: http://localhost:8000/v1, api_key_env: null}]
audit: true
"""

from typing import Literal

from pydantic import Field

from truing.config.section import Section
from truing.config.work import RoleSpec
from truing.core.languages import Language

KindOption = Literal["auto", "pairwise", "axes", "rubric", "ranking"]


class JudgingRecipe(Section):
    """Verdicts of one judge or of several on the responses of rows."""

    rows: tuple[str, ...] = Field(
        min_length=1, description="Files of rows with responses, in any format that training reads."
    )
    judges: tuple[RoleSpec, ...] = Field(min_length=1, description="Models that judge; several are a panel.")
    kind: KindOption = Field(
        default="auto", description="The question; auto chooses it for each row by its responses."
    )
    axes: tuple[str, ...] = Field(
        default=("helpful", "harmless", "honest"),
        min_length=1,
        description="Points that a single response is scored on; overall is all of them in one.",
    )
    scale: Literal["ten", "likert"] = Field(default="ten", description="1 to 10, or 1 to 5 in words.")
    apart: bool = Field(default=False, description="Ask each point by itself, not all in one question.")
    language: Language = Field(default="en", description="Language of the questions.")
    rubric: str | None = Field(
        default=None, min_length=1, description="The criteria of a comparison or ranking, in your words."
    )
    panel: Literal["mean", "majority"] = Field(
        default="mean", description="How several judges' opinions of a pair become one."
    )
    audit: bool = Field(default=False, description="Hold the verdicts against the labels in the rows.")
    limit: int | None = Field(default=None, ge=1, description="Take the first so many rows.")
    max_errors: float = Field(
        default=0.1, ge=0, le=1, description="Share of items without a verdict above which it fails."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the intervals.")
    page_language: Language = Field(default="en", description="Language of the report.")
    output: str = Field(
        default="judged", min_length=1, description="Folder for the rows, the answers and the report."
    )
