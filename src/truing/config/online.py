"""A recipe's `sampling`, `online` and `critic`: how responses are drawn, and how a step learns from them.

Offline methods read none of them.
"""

from typing import Literal

from pydantic import Field

from truing.config.section import Section


class SamplingSection(Section):
    """How the policy answers while it trains."""

    max_new_tokens: int = Field(default=256, ge=1, description="Most tokens of a response.")
    temperature: float = Field(default=1.0, gt=0, description="Of the distribution that is drawn from.")
    top_k: int = Field(default=0, ge=0, description="Draw from the K most likely tokens; 0 is off.")
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Draw from the likeliest tokens up to this probability; 1 is off.",
    )
    min_p: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Draw from tokens at least this share of the likeliest's; 0 is off.",
    )
    repetition_penalty: float = Field(
        default=1.0, gt=0, description="Penalty on tokens that are there already; 1 is off."
    )
    stop: tuple[str, ...] = Field(default=(), description="Texts that end a response.")
    servers: tuple[str, ...] = Field(
        default=(), description="Addresses of vLLM servers that draw the responses; none: this machine does."
    )
    served_model: str | None = Field(
        default=None,
        min_length=1,
        description="Name the servers serve the policy under; null is their first.",
    )
    timeout: float = Field(default=600.0, gt=0, description="Seconds a server may take for a response.")


class Online(Section):
    """How much is sampled for a step, and how it is learnt from. A step has optim.items_per_step prompts."""

    group_size: int | None = Field(
        default=None, ge=1, description="Responses to each prompt; null is the method's own number."
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        description="How often a step goes through what it sampled; null is the method's own number.",
    )
    mini_batches: int = Field(
        default=1, ge=1, description="Optimiser updates in each of these epochs, by prompts."
    )
    target_kl: float | None = Field(
        default=None,
        gt=0,
        description="Leave out the rest of a step's updates once approx_kl is above it; null never does.",
    )
    resample: int = Field(
        default=0,
        ge=0,
        description="How often a step asks others in place of prompts whose responses all have one reward.",
    )
    missing_eos_penalty: float = Field(
        default=0.0, ge=0, description="Taken off the reward of a response cut off at max_new_tokens."
    )
    overlap: bool = Field(
        default=False,
        description="Draw the next step's responses from servers while this one is learnt from.",
    )
    truncated: Literal["keep", "mask"] = Field(
        default="keep", description="Whether responses cut off at max_new_tokens are learnt from."
    )
    skip_failed: float = Field(
        default=0.1, ge=0, le=1, description="Largest share of a step's rewards that may fail."
    )


CRITIC_STARTS = AUTO, REWARD, POLICY = "auto", "reward", "policy"  # the others are folders of reward models


class CriticSection(Section):
    """What estimates the reward still to come, for methods that need it."""

    start: str = Field(
        default="auto",
        min_length=1,
        description="Its weights at first: reward (the first reward model of `rewards`), policy (with a new "
        "head), or a reward model's folder; auto is reward where its tokens are the policy's, else policy.",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, description="Peak learning rate; null is the policy's."
    )
