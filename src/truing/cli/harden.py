"""`run` of a file that hardens a model."""

from pathlib import Path
from typing import TYPE_CHECKING

from truing.cli.commands import command, opening
from truing.cli.language import console_language
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.work import show_report
from truing.core.doing import doing

if TYPE_CHECKING:
    from truing.pipelines.harden.run import Hardened


def harden(path: Path, flags: list[str]) -> None:
    """Run the rounds of a file, from where they were stopped."""
    from truing.config.harden import load_hardening

    recipe = load_hardening(path, flags)
    with doing(IMPORTING):
        from truing.api.watching import Stages
        from truing.pipelines.harden.entry import harden_recipe
        from truing.pipelines.harden.run import require_safe
    with Stages(stage) as lines:
        done = harden_recipe(recipe, say, lines, stage)
    _end(done)
    require_safe(done)


def _end(done: "Hardened") -> None:
    """Show the numbers, and name the next command."""
    from truing.core.words import speaking
    from truing.pipelines.harden.page import hardening_report
    from truing.synthesis.work import REPORT

    with speaking(console_language()):
        show_report(hardening_report(done))
        next_step(opening(done.path / REPORT), "every round beside its random control")
        if done.model is not None:
            next_step(command("chat", done.model, against=done.recipe.harden.policy), "talk to it")
