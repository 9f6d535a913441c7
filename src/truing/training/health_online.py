"""The rules of online training, where the policy's own responses are rewarded; see `health_rules.py`."""

import statistics

from truing.training.health_rules import SaidPart, Seen, part
from truing.training.health_series import BASE, Change, History

CLEARLY = 3.0  # standard errors
AWAY = {
    "token": "the policy is {now:.3g} nats per token away from its reference; the limit is {limit:g}",
    "response": "the policy is {now:.3g} nats per response away from its reference; the limit is {limit:g}",
}


def _gained(history: History) -> Change | None:
    """Return the change of the reward where it has risen beyond noise, else None."""
    moved = history.of("reward").change()
    return moved if moved is not None and moved.sigmas > CLEARLY else None


def kl_runaway(
    history: History, *, nats: float = 1.0, response_nats: float = 100.0, steps: int = 5
) -> Seen | None:
    """The policy is `nats` per token away from its reference, or `response_nats` per response.

    The median of the newest `steps`. KTO's `kl` is another quantity and is not looked at.
    """
    if not len(history.of("reward")):
        return None
    for name, limit, unit in (("kl", nats, "token"), ("kl/response", response_nats, "response")):
        series = history.of(name)
        if len(series) >= steps and (now := series.now(steps)) > limit:
            return Seen(series.since(limit, above=True), (part(AWAY[unit], now=now, limit=limit),))
    return None


def entropy_collapse(history: History, *, share: float = 0.25, steps: int = 10) -> Seen | None:
    """Entropy has stayed at `share` of its first value for `steps` steps, and the reward has not risen.

    A policy that grows sure of responses with a high reward is learning. A policy that grows sure without a
    higher reward has collapsed.
    """
    entropy = history.of("entropy")
    moved = entropy.change()
    if moved is None or moved.before <= 0 or history.of("reward").change() is None or _gained(history):
        return None
    if max(entropy.recent(steps)) > share * moved.before or moved.sigmas > -CLEARLY:
        return None
    said = "entropy fell from {before:.3g} to {now:.3g} nats per token; the reward did not rise"
    told = part(said, before=moved.before, now=moved.now)
    return Seen(entropy.since(0.5 * moved.before, above=False), (told,))


def zero_variance_groups(history: History, *, share: float = 0.9, steps: int = 10) -> Seen | None:
    """For `steps` steps, all responses in `share` of the groups had one reward, and rewards did not rise."""
    series = history.of("frac_reward_zero_std")
    newest = series.recent(steps)
    if len(newest) < steps or min(newest) < share or _gained(history):
        return None
    said = "in {share:.0%} of the groups all responses have the same reward"
    return Seen(series.since(share - 1e-9, above=True), (part(said, share=statistics.median(newest)),))


def reward_hacking(
    history: History,
    *,
    share: float = 0.2,
    correlation: float = 0.9,
    steps: int = 8,
    stretch: float = 1.3,
    longer: float = 2.5,
) -> Seen | None:
    """The reward rises for a wrong reason, which is one of four.

    Another reward falls: a held-out one by `share` of the gain, or a part of the reward by `share` of its
    spread. Length alone explains the reward: both correlate by `correlation` within steps, and responses have
    become longer, or shorter, by the factor `stretch`. Responses are `longer` times as long as at first,
    whatever the reward says of length. Responses repeat themselves.
    """
    gained = _gained(history)
    if gained is None:
        return None
    told = part("the reward rose from {before:.3g} to {now:.3g}", before=gained.before, now=gained.now)
    return (
        _held_out_falls(history, gained, share, told)
        or _part_falls(history, share, told)
        or _length_explains(history, correlation, steps, stretch, told)
        or _grows(history, longer, told)
        or _repeats(history, told)
    )


def _held_out_falls(history: History, gained: Change, share: float, told: SaidPart) -> Seen | None:
    held = history.of("eval/reward")
    if len(held) < 4:
        return None
    best, last = max(held.values[:-2]), max(held.recent(2))
    if best - last < share * gained.moved:
        return None
    fell = part(" while the held-out reward fell from {best:.3g} to {last:.3g}", best=best, last=last)
    return Seen(held.since(best - 1e-9, above=False), (told, fell))


def _part_falls(history: History, share: float, told: SaidPart) -> Seen | None:
    for name in history.names():
        if not (name.startswith("rewards/") and name.endswith("/mean")):
            continue
        series, spread = history.of(name), history.of(name.removesuffix("mean") + "std")
        moved = series.change()
        if moved is None or moved.sigmas > -CLEARLY or not len(spread):
            continue
        if -moved.moved > share * statistics.median(spread.values[:BASE]):
            said = " while {name} fell from {before:.3g} to {now:.3g}"
            fell = part(said, name=name, before=moved.before, now=moved.now)
            return Seen(series.since(moved.before - CLEARLY * moved.error, above=False), (told, fell))
    return None


def _length_explains(
    history: History, correlation: float, steps: int, stretch: float, told: SaidPart
) -> Seen | None:
    found, lengths = history.of("reward/length_correlation"), history.of("completions/mean_length")
    moved = lengths.change()
    if moved is None or len(found) < steps or moved.before <= 0 or moved.now <= 0:
        return None
    sign = 1 if moved.moved > 0 else -1
    explains = sign * found.now(steps) >= correlation
    if not explains or max(moved.now / moved.before, moved.before / moved.now) < stretch:
        return None
    longer = part(
        " with the length of responses, from {before:.3g} to {now:.3g} tokens;"
        " within a step both correlate by {correlation:.2f}",
        before=moved.before,
        now=moved.now,
        correlation=found.now(steps),
    )
    since = lengths.since(moved.before + sign * CLEARLY * moved.error, above=sign > 0)
    return Seen(since, (told, longer))


def _grows(history: History, longer: float, told: SaidPart) -> Seen | None:
    lengths = history.of("completions/mean_length")
    moved = lengths.change()
    if moved is None or moved.before <= 0 or moved.sigmas < CLEARLY:
        return None
    limit, now = longer * moved.before, lengths.now(3)
    if now < limit:
        return None
    said = " while responses grew from {before:.3g} to {now:.3g} tokens"
    return Seen(lengths.since(limit, above=True), (told, part(said, before=moved.before, now=now)))


def _repeats(history: History, told: SaidPart) -> Seen | None:
    series = history.of("completions/repetition")
    moved = series.change()
    if moved is None or moved.moved < 0.2 or moved.sigmas < CLEARLY:
        return None
    said = " while repetition rose from {before:.0%} to {now:.0%} of token 4-grams"
    rose = part(said, before=moved.before, now=moved.now)
    return Seen(series.since(moved.before + CLEARLY * moved.error, above=True), (told, rose))


def degeneration(history: History, *, rise: float = 0.2, unending: float = 0.5) -> Seen | None:
    """Responses refuse, repeat themselves or do not end more often than at first.

    Shares of refusals or of repetition, told by a metric's name, have risen by `rise`. The share of responses
    cut off at their limit has risen by `unending`.
    """
    for name in history.names():
        if name.endswith("completions/clipped_ratio"):
            found = _rises(history, name, unending)
        elif ("refus" in name or "repet" in name) and not name.endswith(("/std", "/failures")):
            found = _rises(history, name, rise)
        else:
            continue
        if found is not None:
            before, now, since = found
            said = "{name} rose from {before:.0%} to {now:.0%}"
            return Seen(since, (part(said, name=name, before=before, now=now),))
    return None


def _rises(history: History, name: str, least: float) -> tuple[float, float, int] | None:
    """Return the first value of a share, its value now and the step its rise began; None below `least`.

    Evaluations are few: the first one is compared with the lower of the last two.
    """
    series = history.of(name)
    moved = series.change()
    if moved is not None:
        before, now, sure = moved.before, moved.now, moved.sigmas > CLEARLY
    elif name.startswith("eval/") and len(series) >= 3:
        before, now, sure = series.values[0], min(series.recent(2)), True
    else:
        return None
    if now - before < least or not sure:
        return None
    return before, now, series.since(before + 0.5 * least, above=True)


def sampler_mismatch(
    history: History, *, times: float = 5.0, nats: float = 0.02, limit: float = 0.5, steps: int = 5
) -> Seen | None:
    """The sampler gives the tokens that are learnt from other log-probabilities than the trainer does.

    The median KL of the newest `steps` is above `limit`; or it is `times` that of the first five, and above
    `nats`.
    """
    series = history.of("sampling/mismatch_kl")
    if len(series) < steps:
        return None
    now = series.now(steps)
    if now > limit:
        said = "the sampler is {now:.3g} nats per token away from the trainer; the limit is {limit:g}"
        return Seen(series.since(limit, above=True), (part(said, now=now, limit=limit),))
    before = statistics.median(series.values[:BASE])
    level = max(nats, times * before)
    if len(series) < BASE + steps or now <= level:
        return None
    said = "the sampler went from {before:.2g} to {now:.2g} nats per token away from the trainer"
    return Seen(series.since(level, above=True), (part(said, before=before, now=now),))
