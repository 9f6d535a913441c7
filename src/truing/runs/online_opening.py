"""From a recipe of an online method to its session: prompts, then the policy, then the other roles."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from truing.config.recipe import Recipe
from truing.config.rewards import ASKED, RewardPart
from truing.core.errors import ConfigError
from truing.core.messages import Say, message
from truing.data.chat import Renderer
from truing.data.kept import Rows, say_shared
from truing.judges.cache import ANSWERS
from truing.methods.offline import choose
from truing.methods.online import choose_online
from truing.models.load import pick_device
from truing.models.passes import tokens_per_pass
from truing.models.scoring import Scorer
from truing.models.sharding import WholeCopy, shard
from truing.models.sources import resolve
from truing.models.weights import require_rows
from truing.models.world import world
from truing.objectives.choices import ChosenOnline
from truing.objectives.offline import Reference
from truing.rewards.build import build_mix
from truing.rewards.mix import Mix
from truing.rewards.model import Host
from truing.rollouts.ahead import Ahead
from truing.rollouts.experience import Teacher
from truing.rollouts.prompts import Prompt, Prompts, read_prompts
from truing.rollouts.text import Text
from truing.runs.critics import OpenedCritic, critic_in_shards, open_critic
from truing.runs.idle import require_used
from truing.runs.online_session import OnlineSession
from truing.runs.opened import sources_of
from truing.runs.policies import live_reference, precision_of, renderer_of, tell_of, trained_policy
from truing.runs.preflight import listed_in
from truing.runs.rows import read_rows, split_off
from truing.sampling.local import LocalSampler
from truing.sampling.types import Sampler
from truing.training.kl_weight import KlController


def open_online(recipe: Recipe, say: Say = lambda line: None, *, aside: Path | None = None) -> OnlineSession:
    """Load prompts, weights and rewards. Nothing is sampled yet."""
    chosen = choose_online(
        recipe.method, recipe.loss.name, recipe.loss.hyper, max_length=recipe.sampling.max_new_tokens
    )
    require_used(recipe, chosen)
    _require_overlap(recipe, chosen)
    _require_groups(recipe, chosen)
    source = resolve(recipe.policy).path
    renderer = renderer_of(recipe, source)
    tokenizer: Any = renderer.encoder.tokenizer
    prompts = read_prompts(recipe.data.train, recipe, renderer, say, aside)
    asked = read_prompts(recipe.data.eval, recipe, renderer, say) if recipe.data.eval else None
    pool, held_out = _split(prompts, asked, recipe)
    learnt, evaluated = ([prompt.record.prompt for prompt in part] for part in (pool, held_out))
    rows = say_shared(prompts.rows, learnt, evaluated, say)
    text = _read_text(recipe, renderer, say)
    device = pick_device(recipe.device)
    precision = precision_of(recipe, device, say)
    shards = recipe.ranks.shard and not world().alone
    place = torch.device("cpu") if shards else device  # no device need hold all weights
    scorer, reason = trained_policy(recipe, source, precision, place, dropout=False)
    require_rows(scorer.inner, tokenizer, recipe.policy)
    tell_of(scorer, reason, say)
    # Rank 0 alone asks rewards, and a backbone in shards is read by all ranks together.
    host = Host(renderer) if shards else Host(renderer, scorer, source)
    rewards = _rewards(recipe, host, [*pool, *held_out], say)
    critic = open_critic(recipe, scorer, source, precision, renderer, say) if chosen.needs_critic else None
    whole = WholeCopy(scorer) if shards else None
    if shards:
        shard(scorer, device)
        critic = critic_in_shards(critic, scorer) if critic is not None else None
    if critic is not None:
        critic.critic.room = scorer.room  # their passes are cut together
    reference = live_reference(recipe, scorer, source, precision) if chosen.needs_reference else None
    settings, cut = chosen.settings, tokens_per_pass(recipe, scorer)
    return OnlineSession(
        recipe=recipe,
        chosen=chosen,
        tokenizer=tokenizer,
        rows=rows,
        train=pool,
        held_out=held_out,
        scorer=scorer,
        places=[*(prompt.record.place for prompt in pool), *(text.places if text else [])],
        sources=sources_of(prompts.rows, asked.rows if asked else None, text),
        precision=precision,
        layout_reason=reason,
        sampler=_sampler(recipe, whole.model if whole else scorer.model, tokenizer, renderer, say),
        whole=whole,
        rewards=rewards,
        teacher=_teacher(recipe, chosen, scorer, reference, critic),
        critic=critic,
        text=Text(text.trees, len(pool), scorer, cut, recipe.seed) if text else None,
        controller=KlController(settings.kl_weight, settings.kl_target, settings.kl_horizon),
        ahead=Ahead() if recipe.online.overlap else None,
        say=say,
    )


def _teacher(
    recipe: Recipe,
    chosen: ChosenOnline,
    scorer: Scorer,
    reference: Reference | None,
    critic: OpenedCritic | None,
) -> Teacher:
    online = recipe.online
    return Teacher(
        scorer,
        chosen,
        reference,
        critic.critic if critic else None,
        tokens_per_pass(recipe, scorer),
        updates=(online.epochs or chosen.method.epochs) * online.mini_batches,
        missing_eos_penalty=online.missing_eos_penalty,
        mask_truncated=online.truncated == "mask",
    )


def _rewards(recipe: Recipe, host: Host, prompts: Sequence[Prompt], say: Say) -> Mix:
    """Build the rewards of a recipe, and check that these prompts have every column they ask for."""
    rewards = build_mix(_remembering(recipe), host=host, say=say, skip_failed=recipe.online.skip_failed)
    columns = {key for prompt in prompts for key in prompt.record.columns}
    rewards.require_rows(columns, rubrics=any(prompt.record.rubric for prompt in prompts))
    return rewards


def _remembering(recipe: Recipe) -> list[RewardPart]:
    """Return the rewards; a judge without a cache in the recipe keeps its answers in the run folder."""
    kept = {"cache": str(Path(recipe.output) / ANSWERS)}
    return [
        part if part.name not in ASKED else RewardPart.model_validate(kept | part.model_dump())
        for part in recipe.rewards
    ]


def _require_overlap(recipe: Recipe, chosen: ChosenOnline) -> None:
    """Raise ConfigError where responses of older weights are asked for, and cannot be had or learnt from."""
    if recipe.online.max_staleness and recipe.sampling.served and not chosen.needs_sampler:
        said = "online.max_staleness is {bound}, and loss.correction is none"
        raise ConfigError(
            message(said, bound=recipe.online.max_staleness),
            hint=message("set loss.correction: token_truncate"),
        )
    if not recipe.online.overlap:
        return
    if recipe.online.oldest == 0:
        raise ConfigError(
            message("online.max_staleness is 0, and online.overlap draws from weights one step old"),
            hint=message("set online.max_staleness: 1, or leave it out"),
        )
    if not recipe.sampling.served:
        raise ConfigError(
            "online.overlap needs servers: this machine cannot sample while it learns",
            hint="set sampling.servers, or leave it out",
        )
    if not chosen.needs_sampler:
        raise ConfigError(
            "online.overlap draws from weights one step old, and loss.correction is none",
            hint="set loss.correction: token_truncate",
        )


def _require_groups(recipe: Recipe, chosen: ChosenOnline) -> None:
    """Refuse a credit that compares the responses to a prompt where the recipe asks for a single response."""
    size = recipe.online.group_size or chosen.method.group_size
    if size == 1 and chosen.credit.takes("group"):
        raise ConfigError(
            f"online.group_size is 1, and {recipe.method} compares responses: one alone teaches nothing",
            hint="set online.group_size to 2 or more, or method: reinforce_pp, which takes one",
        )


def _sampler(recipe: Recipe, model: Any, tokenizer: Any, renderer: Renderer, say: Say) -> Sampler:
    asked = recipe.sampling
    if not asked.served:
        return LocalSampler(model, tokenizer, stop_ids=renderer.stop_ids)
    from truing.sampling.http import HttpSampler

    return HttpSampler(
        asked.servers,
        tokenizer,
        stop_ids=renderer.stop_ids,
        folder=Path(recipe.output) / "served",
        say=say,
        timeout=asked.timeout,
        model=asked.served_model,
        listed=listed_in(recipe),
        wait=asked.wait,
        lag=recipe.online.oldest - recipe.online.overlap,
    )


def _split(prompts: Prompts, asked: Prompts | None, recipe: Recipe) -> tuple[list[Prompt], list[Prompt]]:
    if asked is not None:
        return prompts.prompts, asked.prompts
    known = prompts.prompts
    kept, out = split_off([prompt.record.id for prompt in known], recipe.data.eval_fraction, recipe.seed)
    return [known[i] for i in kept], [known[i] for i in out]


def _read_text(recipe: Recipe, renderer: Renderer, say: Say) -> Rows | None:
    """Read the rows of `data.ptx`: one response each, as supervised fine-tuning reads them."""
    if not recipe.data.ptx:
        return None
    return read_rows(recipe.data.ptx, recipe, choose("sft", None, {}), renderer, say)
