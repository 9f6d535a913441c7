"""Health findings of a run as a page tells them: in plain words, since which step, and what helps."""

from collections.abc import Mapping, Sequence
from typing import Any

from truing.config.health import Health
from truing.core.words import t
from truing.reports.records import Alarm
from truing.training.health import Finding, diagnose

TITLES = {
    "not_a_number": "The numbers stopped being numbers",
    "likelihood_displacement": "Preferred responses lose likelihood",
    "loss_spikes": "The loss leaps",
    "stuck_at_ln2": "Nothing is learnt of the pairs",
    "label_noise": "The labels look like noise",
    "kl_runaway": "The policy runs away from its reference",
    "entropy_collapse": "The policy says the same again and again",
    "zero_variance_groups": "The reward does not tell responses apart",
    "reward_hacking": "The reward is being gamed",
    "degeneration": "Responses get worse",
    "sampler_mismatch": "The sampler is not the policy that learns",
}
DONE = {
    "warn": "",
    "stop": "The run was stopped for it.",
    "rollback": "The run went back to the checkpoint of step {step} with half the learning rate.",
    "remedy": "The likelihood of chosen responses was added to the loss from there on.",
}


def alarms(findings: Sequence[Finding]) -> list[Alarm]:
    """Return one alarm per finding, in the order in which findings were seen."""
    return [Alarm(t(TITLES[one.rule]), one.since, _saw(one), t(one.advice), _done(one)) for one in findings]


def _saw(finding: Finding) -> str:
    """Return the finding's words: in the page's language if its numbers were kept apart, else as written."""
    return "".join(t(one.text, **_spoken(one.values)) for one in finding.told) or finding.saw


def _spoken(values: Mapping[str, float | str]) -> dict[str, float | str]:
    """Return the values, with words among them translated, such as the better side of a pair."""
    return {name: t(value) if isinstance(value, str) else value for name, value in values.items()}


def _done(finding: Finding) -> str:
    told = DONE[finding.action]
    return t(told, step=finding.back_to) if told else ""


def healthy(rows: Sequence[Mapping[str, Any]], asked: Mapping[str, Any]) -> str:
    """Return the line for a run without findings; the line counts the rules that had metrics to look at."""
    _, watch = diagnose(rows, Health.model_validate(asked))
    if not watch.looks:
        return t("Health: all rules were off.")
    seeing = len(watch.looks) - len(watch.blind())
    if not seeing:
        return t("Health: not known, for none of {n} rules had metrics to look at.", n=len(watch.looks))
    told = "Healthy: {seeing} of {n} rules had metrics to look at, and none saw anything wrong."
    return t(told, seeing=seeing, n=len(watch.looks))
