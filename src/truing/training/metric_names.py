"""Names that other trainers give the metrics we log. Ours are TRL's; docs/metrics.md says what they mean.

    renames(["actor/grad_norm", "response_length/mean"])
        {"actor/grad_norm": "grad_norm", "response_length/mean": "completions/mean_length"}

To add a name: its place in `ALIASES`, and in the table of docs/metrics.md, which a test compares.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

ALIASES: Mapping[str, tuple[str, ...]] = {  # our name: their names, the nearest in meaning first
    "loss": ("train/loss", "actor/pg_loss", "loss/mean", "loss/total_avg", "train/rm/loss", "train_loss"),
    "eval/loss": ("val/loss", "eval/rm/loss"),
    "grad_norm": ("actor/grad_norm", "train/grad_norm", "optim/grad_norm"),
    "grad_norm/value": ("critic/grad_norm",),
    "learning_rate": ("actor/lr", "train/lr", "optim/lr", "lr", "train/rm/lr"),
    "rewards/accuracies": ("rewards/accuracy",),
    "rewards/margins": ("rewards/margin",),
    "accuracy": ("train/rm/accuracy",),
    "margin": ("train/rm/reward_margin",),
    "score/chosen": ("train/rm/chosen_rewards",),
    "score/rejected": ("train/rm/rejected_rewards",),
    "eval/accuracy": ("eval/rm/accuracy",),
    "reward": (
        "critic/score/mean",
        "train/agg/effective/*/reward/mean",
        "reward/all/mean",
        "reward/mean",
        "objective/scores",
        "scores",
    ),
    "eval/reward": (
        "val-core/*/reward/mean@*",
        "val-core/*/acc/mean@*",
        "eval/*/effective/*/avg@*",
        "eval/scores",
    ),
    "completions/mean_length": (
        "response_length/mean",
        "train/agg/effective/*/num_output_tokens/mean",
        "val/sequence_lengths",
        "completion_length",
    ),
    "completions/clipped_ratio": (
        "response_length/clip_ratio",
        "train/agg/effective/*/is_truncated/mean",
        "is_truncated/all/mean",
    ),
    "entropy": ("actor/entropy", "entropy/all/mean", "policy/entropy_avg", "objective/entropy"),
    "kl": ("actor/kl_loss", "actor/reward_kl_penalty"),
    "kl/response": ("objective/kl",),
    "approx_kl": ("actor/ppo_kl", "policy/approxkl_avg"),
    "ratio": ("val/ratio",),
    "clip_ratio/low": ("clip_ratio/low_mean",),
    "clip_ratio/high": ("clip_ratio/high_mean",),
    "loss/policy": ("loss/policy_avg",),
    "loss/value": ("critic/vf_loss", "loss/value_avg"),
    "value/mean": ("critic/values/mean",),
    "value/explained_variance": ("critic/vf_explained_var",),
    "returns": ("critic/returns/mean",),
    "sampling/weight": ("sampling/importance_sampling_ratio/mean",),
    "sampling/mismatch_kl": ("rollout_corr/k3_kl", "mismatch_kl/all/mean"),
    "sampling/logp_gap": (
        "sampling/sampling_logp_difference/mean",
        "debug/vllm_vs_local_logprob_diff_mean",
    ),
    "tokens": ("perf/total_num_tokens", "progress/tokens"),
    "seconds": ("perf/time_per_step", "time/step", "step_time"),
}


def renames(names: Iterable[str]) -> dict[str, str]:
    """Give our name to each metric of a log that has one; a metric under our own name keeps it.

    Where several metrics mean one of ours, such as one for each environment, the alphabet's first is taken.
    """
    logged = sorted(set(names))
    found: dict[str, str] = {}
    for ours, theirs in ALIASES.items():
        if ours not in logged:
            fitting = (name for pattern in theirs for name in logged if fnmatchcase(name, pattern))
            if (first := next(fitting, None)) is not None:
                found[first] = ours
    return found
