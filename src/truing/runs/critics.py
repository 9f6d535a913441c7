"""Open the critic of an online run: on the policy's backbone where it can be, else a model of its own.

begins as              under LoRA                                     in full training
a reward run's adapter another adapter of the backbone, its head      the reward model's weights and head
a reward model         its weights under a new adapter, its head      its weights and head
the policy             another adapter of the backbone, a new head    the policy's weights, a new head
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftModel
from torch import nn

from truing.config.online import AUTO, POLICY, REWARD
from truing.config.recipe import Recipe
from truing.config.rewards import MODEL
from truing.core.errors import ConfigError
from truing.core.messages import Say, message
from truing.data.chat import Renderer
from truing.kernels.fused import fuse
from truing.kernels.layers import fuse_layers
from truing.models.critic import Critic, new_head
from truing.models.load import add_adapter, load_model, silence_dropout, trainable
from truing.models.precision import Precision
from truing.models.reward import linear_head
from truing.models.roles import CRITIC, add_role, linear, role_on
from truing.models.scoring import Policy, Scorer
from truing.models.sharding import shard
from truing.models.trained import load_trained_reward


@dataclass(frozen=True)
class OpenedCritic:
    """A critic, and its parameters that train, by the names a checkpoint gives them."""

    critic: Critic
    parameters: dict[str, nn.Parameter]


def open_critic(
    recipe: Recipe, scorer: Scorer, source: Path, precision: Precision, renderer: Renderer, say: Say
) -> OpenedCritic:
    """Open the critic that `critic.start` names. Raises ConfigError for a reward model of other tokens."""
    start = _reward_to_start_from(recipe)
    backbone = scorer.model if isinstance(scorer.model, PeftModel) else None
    if start is not None and backbone and (stored := role_on(source, Path(start))) is not None:
        say(message("the critic begins as the reward model of {run}, on the policy's backbone", run=start))
        adapter = _role(backbone, stored.config, precision, weights=stored.weights)
        return _on_backbone(scorer, linear(stored.head.to(scorer.device)), adapter)
    if start is not None:
        found = load_trained_reward(start, device=str(scorer.device))
        if found.tokenizer.get_vocab() == cast(Any, renderer.encoder.tokenizer).get_vocab():
            say(message("the critic begins as the reward model of {run}, a model of its own", run=start))
            return _of_its_own(recipe, scorer, precision, found.model)
        if recipe.critic.start != AUTO:
            raise ConfigError(
                f"critic.start: {start} has another tokenizer than the policy, and a critic reads its tokens",
                hint="set critic.start: policy",
            )
        other = "{run} has another tokenizer than the policy: the critic begins as the policy with a new head"
        say(message(other, run=start))
    head = new_head(scorer.inner.config.get_text_config().hidden_size, recipe.seed, scorer.device)
    if backbone is not None:
        config = backbone.peft_config["default"]
        assert isinstance(config, LoraConfig)
        return _on_backbone(scorer, head, _role(backbone, config, precision, seed=recipe.seed + 1))
    trunk = load_model(source, precision.base, scorer.device).base_model
    assert isinstance(trunk, nn.Module)
    return _trained_whole(scorer, trunk, head)


def critic_in_shards(opened: OpenedCritic, scorer: Scorer) -> OpenedCritic:
    """Return a critic beside a policy that lies in shards: on its backbone, or in shards of its own."""
    critic = opened.critic
    if critic.role is not None:
        critic.head.to(scorer.device)
        critic.read_through(scorer)
        return opened
    shard(critic, scorer.device)
    return OpenedCritic(critic, _named(critic))


def _named(critic: Critic) -> dict[str, nn.Parameter]:
    return {f"critic.{name}": one for name, one in trainable(critic).items()}


def _role(
    backbone: PeftModel, config: LoraConfig, precision: Precision, **how: Any
) -> dict[str, nn.Parameter]:
    return add_role(backbone, CRITIC, config, trained=precision.trained, trains=True, **how)


def _reward_to_start_from(recipe: Recipe) -> str | None:
    """Return the run or folder of the reward model that the critic begins as, None for the policy."""
    models = [part.options["path"] for part in recipe.rewards if part.name == MODEL]
    if recipe.critic.start == REWARD and not models:
        raise ConfigError(
            "critic.start: reward, and no reward is a model",
            hint="set critic.start: policy, or name a folder",
        )
    if recipe.critic.start in (AUTO, REWARD):
        return models[0] if models else None
    return None if recipe.critic.start == POLICY else recipe.critic.start


def _on_backbone(scorer: Scorer, head: nn.Linear, adapter: dict[str, nn.Parameter]) -> OpenedCritic:
    critic = Critic(scorer.model, head, role=CRITIC, layout=scorer.layout, autocast=scorer.autocast)
    head_weight = head.get_parameter("weight")
    return OpenedCritic(critic, {"critic.head.weight": head_weight, **adapter})


def _of_its_own(recipe: Recipe, scorer: Scorer, precision: Precision, reward: Policy) -> OpenedCritic:
    """Make a critic with a reward model's weights and head."""
    assert not isinstance(reward, PeftModel), "reward models are whole"
    score = linear_head(reward)
    if score is None:
        raise ConfigError(
            f"critic.start: {type(reward).__name__} pools its rows itself, and a critic judges every token",
            hint="set critic.start: policy",
        )
    head, trunk = linear(score.get_parameter("weight").detach()), reward.base_model
    assert isinstance(trunk, nn.Module)
    if recipe.lora is None:
        return _trained_whole(scorer, trunk, head)
    kind = "FEATURE_EXTRACTION"
    model = add_adapter(
        trunk.to(precision.base),  # pyright: ignore[reportArgumentType]
        recipe.lora,
        dropout=False,
        seed=recipe.seed + 1,
        trained=precision.trained,
        task=kind,
    )
    fuse(model)
    fuse_layers(model)
    silence_dropout(model, keep_adapter=False)
    return _critic_of(scorer, model, head)


def _trained_whole(scorer: Scorer, trunk: nn.Module, head: nn.Linear) -> OpenedCritic:
    fuse_layers(trunk)
    silence_dropout(trunk, keep_adapter=False)
    return _critic_of(scorer, trunk.float().requires_grad_(True), head)


def _critic_of(scorer: Scorer, model: nn.Module, head: nn.Linear) -> OpenedCritic:
    """Make a critic that is a model of its own, in the layout that suits its kind of model."""
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    alike = type(inner) is type(scorer.inner.base_model)
    layout = scorer.layout if alike else "padded"
    critic = Critic(model.train(), head, role=None, layout=layout, autocast=scorer.autocast)
    return OpenedCritic(critic, _named(critic))
