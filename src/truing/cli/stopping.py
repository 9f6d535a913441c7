"""The end of a verb that Ctrl-C or SIGTERM has stopped: an exit code, and one line on what is kept."""

from typing import Any

import typer
from typer.core import TyperGroup

from truing.cli.show import say
from truing.core.signals import signal_of, unheard

_TRAINED = "stopped; checkpoints are kept, and the same command goes on from the last"
_ANSWERED = "stopped; answers are kept, and the same command goes on without asking for them again"
_NOTHING = "stopped; nothing was written"
_KEPT = {  # by verb; a verb that is not here writes all or nothing
    **dict.fromkeys(("train", "run", "quickstart"), _TRAINED),
    **dict.fromkeys(("eval", "judge", "feedback", "constitution", "red-team"), _ANSWERED),
    **dict.fromkeys(("annotate", "arena"), "stopped; votes are kept"),
    "sample": "stopped; rows that --file has put into --output are kept, and the same command goes on there",
    "score": "stopped; rows that --shard has put into --output are kept, and the same command goes on there",
}


class StoppableVerbs(TyperGroup):
    """The verbs; one that is stopped says what is kept and exits with 130, or 143 for SIGTERM."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            with unheard():
                say(_KEPT.get(ctx.invoked_subcommand or "", _NOTHING))
            raise typer.Exit(exit_code_of(stop)) from stop


def exit_code_of(stop: BaseException | None) -> int:
    """Return the exit code of a program that an exception of `signals.STOPS` ends."""
    return 128 + signal_of(stop)
