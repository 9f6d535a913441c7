"""A recipe's `sampling` and `online`: how responses are drawn, and how often a step learns from them.

Offline methods read neither.
"""

from pydantic import Field

from truing.core.section import Section


class Sampling(Section):
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


class Online(Section):
    """How much is sampled for a step, and how it is learnt from. A step has optim.items_per_step prompts."""

    group_size: int | None = Field(
        default=None, ge=1, description="Responses to each prompt; null is the method's own number."
    )
    epochs: int = Field(default=1, ge=1, description="How often a step goes through what it sampled.")
    mini_batches: int = Field(
        default=1, ge=1, description="Optimiser updates in each of these epochs, by prompts."
    )
    skip_failed: float = Field(
        default=0.1, ge=0, le=1, description="Largest share of a step's rewards that may fail."
    )
