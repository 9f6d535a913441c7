"""A recipe's `sampling`, `online` and `critic`: how responses are drawn, and how a step learns from them.

Offline methods read none of these sections.
"""

from typing import Literal

from pydantic import Field

from truing.config.section import Section

OF_SERVERS = ("servers", "servers_file", "served_model", "timeout", "wait")  # say who draws, and not how


class SamplingSection(Section):
    """Sampling of responses from the policy while it trains."""

    max_new_tokens: int = Field(default=256, ge=1, description="Most tokens of a response.")
    temperature: float = Field(default=1.0, gt=0, description="Temperature of sampling.")
    top_k: int = Field(default=0, ge=0, description="Draw from the K most likely tokens; 0 is off.")
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Draw from the likeliest tokens that together have this probability; 1 is off.",
    )
    min_p: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Draw from tokens with at least this share of the top token's probability; 0 is off.",
    )
    repetition_penalty: float = Field(
        default=1.0, gt=0, description="Penalty on tokens that already occur; 1 is off."
    )
    stop: tuple[str, ...] = Field(default=(), description="Texts that end a response.")
    servers: tuple[str, ...] = Field(
        default=(), description="vLLM servers that draw the responses; without one this machine draws."
    )
    servers_file: str | None = Field(
        default=None,
        min_length=1,
        description="File of more servers, one address a line; it is read again while the run goes on.",
    )
    served_model: str | None = Field(
        default=None,
        min_length=1,
        description="Name of the policy on the servers; null is the first name they list.",
    )
    timeout: float = Field(default=600.0, gt=0, description="Seconds a server may take for a response.")
    wait: float = Field(
        default=600.0, ge=0, description="Seconds to wait while no server can be used, before the run ends."
    )

    @property
    def served(self) -> bool:
        """Tell whether servers draw the responses."""
        return bool(self.servers or self.servers_file)


class Online(Section):
    """Size of a step's sample, and use of that sample. A step has optim.items_per_step prompts."""

    group_size: int | None = Field(
        default=None, ge=1, description="Responses to each prompt; null is the method's own number."
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        description="Passes of a step over its sampled responses; null is the method's own number.",
    )
    mini_batches: int = Field(
        default=1, ge=1, description="Optimiser updates in each of these epochs; prompts are shared out."
    )
    target_kl: float | None = Field(
        default=None,
        gt=0,
        description="Skip the rest of a step's updates once approx_kl exceeds this; null never skips.",
    )
    resample: int = Field(
        default=0,
        ge=0,
        description="Rounds in which other prompts replace those whose responses all have one reward.",
    )
    missing_eos_penalty: float = Field(
        default=0.0, ge=0, description="Penalty on the reward of a response cut off at max_new_tokens."
    )
    overlap: bool = Field(
        default=False,
        description="Draw the next step's responses from servers while this step trains.",
    )
    max_staleness: int | None = Field(
        default=None,
        ge=0,
        description="Most steps by which the weights that drew a response may be older than the policy that "
        "learns from it; older responses are drawn again. Null is 1 with overlap, else 0.",
    )
    truncated: Literal["keep", "mask"] = Field(
        default="keep", description="Keep responses cut off at max_new_tokens, or mask their loss."
    )
    skip_failed: float = Field(
        default=0.1, ge=0, le=1, description="Largest share of a step's rewards that may fail."
    )

    @property
    def oldest(self) -> int:
        """Return the bound on the age of responses, in steps."""
        return int(self.overlap) if self.max_staleness is None else self.max_staleness


CRITIC_STARTS = AUTO, REWARD, POLICY = "auto", "reward", "policy"  # the others are folders of reward models


class CriticSection(Section):
    """The critic, which estimates the reward still to come, for methods that need one."""

    start: str = Field(
        default="auto",
        min_length=1,
        description="Initial weights: reward (the first reward model of `rewards`), policy (a new head), "
        "or a reward model's folder; auto is reward where its tokens are the policy's, else policy.",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, description="Peak learning rate; null is the policy's."
    )
