"""Rules that tell from its metrics whether a run is healthy, after every step or once it has ended.

    row of metrics -> Watch: History -> RULES -> Finding -> warn | stop | rollback | remedy

`RULES` is the table. A rule speaks once in a run. To add one, see `health_rules.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import filter as matching
from functools import partial
from pathlib import Path
from typing import Any, Self

from truing.config.health import Health
from truing.config.imports import closest
from truing.config.options import keyword_defaults
from truing.config.run_folder import HEALTH
from truing.config.tables import find
from truing.core import files
from truing.core.errors import ConfigError, DivergedError
from truing.core.messages import Sentence, joined, message
from truing.training import health_online, health_rules
from truing.training.health_rules import SaidPart, Seen
from truing.training.health_series import History
from truing.training.hooks import EarlyStop, Logs

Look = Callable[[History], Seen | None]


@dataclass(frozen=True)
class Rule:
    """One sign of trouble."""

    look: Callable[..., Seen | None]
    reads: tuple[str, ...]  # patterns of metrics; the rule works where any one of them is logged
    advice: str

    @property
    def thresholds(self) -> dict[str, float]:
        """Return the thresholds that a recipe may set, with their defaults."""
        return keyword_defaults(self.look)


NO_NUMBER = "not_a_number"
RULES = {
    NO_NUMBER: Rule(  # first: the other rules would see only its consequences
        health_rules.not_a_number,
        ("loss", "grad_norm*"),
        "go on from a checkpoint of before with a lower optim.learning_rate; look at the rows of that step;"
        " float16 overflows where bfloat16 and float32 do not",
    ),
    "likelihood_displacement": Rule(
        health_rules.likelihood_displacement,
        ("logps/chosen", "logps/desirable"),
        "hold the better response: loss.sft_weight: 1.0 or loss.name: dpo_positive; lower"
        " optim.learning_rate; look for pairs whose responses hardly differ",
    ),
    "loss_spikes": Rule(
        health_rules.loss_spikes,
        ("loss",),
        "lower optim.learning_rate, warm up for longer, or take more rows in a step (optim.items_per_step)",
    ),
    "stuck_at_ln2": Rule(
        health_rules.stuck_at_ln2,
        ("rewards/margins", "margin"),
        "nothing is learnt of the pairs: look with `truing check` whether both responses are the same or cut"
        " off before they differ; raise optim.learning_rate or loss.beta",
    ),
    "label_noise": Rule(
        health_rules.label_noise,
        ("rewards/accuracies", "accuracy"),
        "read some pairs: are labels swapped, or a matter of chance? Score them with a reward model, drop"
        " those it contradicts, set loss.label_smoothing, and train for fewer epochs",
    ),
    "kl_runaway": Rule(
        health_online.kl_runaway,
        ("kl", "kl/response"),
        "raise loss.kl_weight or set loss.kl_target; lower optim.learning_rate",
    ),
    "entropy_collapse": Rule(
        health_online.entropy_collapse,
        ("entropy",),
        "raise loss.entropy_weight or sampling.temperature; lower optim.learning_rate; see in samples.jsonl"
        " what is said again and again",
    ),
    "zero_variance_groups": Rule(
        health_online.zero_variance_groups,
        ("frac_reward_zero_std",),
        "the reward does not tell responses to a prompt apart: see samples.jsonl whether the task is too"
        " hard, too easy or the reward blind; raise online.group_size, sampling.temperature or"
        " online.resample",
    ),
    "reward_hacking": Rule(
        health_online.reward_hacking,
        (
            "eval/reward",
            "reward/length_correlation",
            "completions/mean_length",
            "completions/repetition",
            "rewards/*/mean",
        ),
        "read samples.jsonl; take from the reward what can be had for nothing (length, repetition), add a"
        " second reward, raise loss.kl_weight, or stop at the best evaluation (evaluate.patience)",
    ),
    "degeneration": Rule(
        health_online.degeneration,
        ("*completions/clipped_ratio", "*refus*", "*repet*"),
        "read samples.jsonl or talk to the last checkpoint; lower optim.learning_rate, raise"
        " loss.kl_weight, or go back to a checkpoint from before",
    ),
    "sampler_mismatch": Rule(
        health_online.sampler_mismatch,
        ("sampling/mismatch_kl",),
        "the server may hold other weights than the trainer, or compute in another number format: see what"
        " it printed, and start it again from the recipe's policy; set loss.correction: token_truncate;"
        " set online.overlap: false",
    ),
}


@dataclass(frozen=True)
class Finding:
    """Trouble that a rule saw in a run."""

    rule: str
    step: int  # at which it was seen
    since: int  # where it began
    saw: str
    advice: str
    action: str = "warn"  # the action taken: a value of the recipe's `health.action`
    back_to: int | None = None  # of a rollback: the step of the checkpoint
    told: tuple[SaidPart, ...] = ()  # `saw` once more, its numbers apart; empty in an earlier version's log

    def row(self) -> dict[str, Any]:
        return asdict(self)

    def saying(self, *more: SaidPart) -> Self:
        """Return the finding with parts added to the sentence of what was seen."""
        return replace(self, saw=self.saw + "".join(map(str, more)), told=(*self.told, *more))

    def seen(self) -> Sentence:
        """Return what was seen, as a message where its numbers were kept apart from its words."""
        return joined("", [one.message() for one in self.told] or [self.saw])

    def message(self) -> Sentence:
        """The finding in one sentence."""
        said = "{rule} since step {since}: {saw}"
        return message(said, rule=self.rule, since=self.since, saw=self.seen())

    def __str__(self) -> str:
        return str(self.message())


class Unhealthy(DivergedError):
    """A rule saw something and the recipe says `health.action: stop`."""

    code = "unhealthy"


def require_known(asked: Health) -> None:
    """Raise ConfigError for rules and thresholds that do not exist."""
    for name in (*asked.rules, *asked.off):
        find("health rule", RULES, name)
    for name, thresholds in asked.rules.items():
        known = RULES[name].thresholds
        for key in thresholds:
            if key not in known:
                raise ConfigError(
                    f"health.rules.{name} takes {sorted(known)}, not {key!r}{closest(key, sorted(known))}"
                )
            if isinstance(known[key], int) and thresholds[key] != int(thresholds[key]):
                raise ConfigError(f"health.rules.{name}.{key} is {thresholds[key]}: expected a whole number")


def looks(asked: Health) -> dict[str, Look]:
    """The rules that are on, with a recipe's thresholds. Raises what `require_known` does."""
    require_known(asked)
    return {
        name: partial(rule.look, **_typed(rule, asked.rules.get(name, {})))
        for name, rule in RULES.items()
        if name not in asked.off
    }


def _typed(rule: Rule, thresholds: Mapping[str, float]) -> dict[str, float]:
    """Turn a threshold into an int where its default in the rule is one."""
    return {key: type(rule.thresholds[key])(value) for key, value in thresholds.items()}


class Watch:
    """The rules over one run; each rule speaks once."""

    def __init__(self, asked: Health, heard: Iterable[str] = ()) -> None:
        self.looks = looks(asked)
        self.history = History()
        self.heard = set(heard)

    def take(self, row: Mapping[str, Any]) -> list[Finding]:
        """Add a row of metrics and return what the rules see for the first time.

        Once a loss is not a number, no other rule is asked: it would only see the consequences.
        """
        self.history.add(row)
        found = []
        for name, look in self.looks.items():
            if NO_NUMBER in self.heard:
                break
            if name not in self.heard and (seen := look(self.history)) is not None:
                self.heard.add(name)
                finding = Finding(name, int(row["step"]), seen.since, "", RULES[name].advice)
                found.append(finding.saying(*seen.told))
        return found

    def blind(self) -> list[str]:
        """Return the rules that are on and whose metrics were never logged."""
        logged = [*self.history.names(), *self.history.lost]
        return [name for name in self.looks if not any(matching(logged, one) for one in RULES[name].reads)]


def diagnose(rows: Sequence[Mapping[str, Any]], asked: Health) -> tuple[list[Finding], Watch]:
    """Apply the rules to a run's rows of metrics; return their findings, and the watch that made them."""
    watch = Watch(asked)
    return [finding for row in rows for finding in watch.take(row)], watch


def read_findings(folder: Path) -> list[Finding]:
    """Read the findings that a run folder kept while the run trained."""
    rows = files.read_jsonl(folder / HEALTH)
    return [Finding(**{**row, "told": tuple(SaidPart(**one) for one in row.get("told", ()))}) for row in rows]


class HealthHook:
    """Watches a run while it trains: the last hook of a step.

    `rows` were logged before this process began. `said` are the findings of that time; they are not repeated.
    `answer` gives a finding its action. A rollback or remedy ends the loop and leaves the finding in `acted`.
    `alert` sends a finding elsewhere, such as to a tracker.
    """

    def __init__(
        self,
        asked: Health,
        folder: Path,
        say: Callable[[str], None],
        rows: Sequence[Mapping[str, Any]] = (),
        said: Sequence[Finding] = (),
        answer: Callable[[Finding], Finding] | None = None,
        alert: Callable[[Finding], None] = lambda finding: None,
    ) -> None:
        self.asked, self.folder, self.say, self.alert = asked, folder, say, alert
        self.answer = answer or (lambda finding: replace(finding, action=asked.action))
        self.acted: Finding | None = None
        # After a rollback the same fault may come again.
        self.watch = Watch(asked, (one.rule for one in said if one.action != "rollback"))
        for row in rows:
            self.watch.history.add(row)

    def __call__(self, step: int, logs: Logs) -> None:
        """Watch one step. Raises Unhealthy where a finding ends the run, EarlyStop for another action."""
        found: list[Finding] = []
        for finding in self.watch.take({"step": step, **logs}):
            acted = any(one.action != "warn" for one in found)  # one thing at a time
            found.append(finding if acted else self.answer(finding))
        for finding in found:
            files.append_jsonl(self.folder / HEALTH, finding.row())
            advice = message(finding.advice)
            self.say(message("health: {finding}\n  → {advice}", finding=finding.message(), advice=advice))
            self.alert(finding)
        for finding in found:
            if finding.action == "stop":
                advice = message(finding.advice)
                regardless = message("{advice}; the same command goes on regardless", advice=advice)
                raise Unhealthy(finding.message(), hint=regardless)
            if finding.action != "warn":
                self.acted = finding
                raise EarlyStop
