"""A recipe's `health`: the rules that watch a run while it trains, and the action on a finding.

health: {action: stop, rules: {kl_runaway: {nats: 0.5}}, off: [entropy_collapse]}
"""

from typing import Annotated, Literal

from pydantic import Field

from truing.config.section import Section

Threshold = Annotated[float, Field(strict=True, gt=0)]  # strict: true is not 1


class Health(Section):
    """Rules over the metrics of a run, checked after every step."""

    action: Literal["warn", "stop", "rollback", "remedy"] = Field(
        default="warn",
        description="Action on a finding, beside the report of it: warn does nothing; stop ends the run with "
        "code 4; rollback returns to a checkpoint from before the finding with half the learning rate; "
        "remedy adds loss.sft_weight: 1.0 where preferred responses lose likelihood.",
    )
    rollbacks: int = Field(default=2, ge=1, description="Most rollbacks of a run; the next finding ends it.")
    skip_nonfinite: int = Field(
        default=0,
        ge=0,
        description="Most steps of a run that are skipped since a loss or a gradient in them is not finite; "
        "the next one ends the run with code 4. 0 ends it at the first.",
    )
    rules: dict[str, dict[str, Threshold]] = Field(
        default={}, description="Thresholds that differ from a rule's own: {kl_runaway: {nats: 0.5}}."
    )
    off: tuple[str, ...] = Field(default=(), description="Rules to leave out.")
