"""`run`: several recipes of one file, one after the other."""

import json
from pathlib import Path
from typing import Annotated

import typer

from truing.cli.commands import command
from truing.cli.harden import harden
from truing.cli.show import IMPORTING, next_step, say, stage
from truing.cli.trusting import TrustCode, settle_trust
from truing.cli.voting import votes_loop
from truing.core.doing import doing
from truing.core.messages import message


def run(
    stages: Annotated[Path, typer.Argument(help="The stages, a YAML or JSON file.", show_default=False)],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one value: stages.ppo.optim.epochs=2. May be repeated."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The folder of all runs, not the file's.")] = None,
    trust_code: TrustCode = False,
) -> None:
    """Train the stages of a file in order, harden a model in rounds, or learn from votes as people vote.

    Run it again to resume.
    """
    settle_trust(trust_code)
    flags = [*(set_ or []), *([f"output={json.dumps(str(output))}"] if output else [])]
    with doing(message("reading {path}", path=stages)):
        from truing.config.harden import is_hardening
        from truing.config.holding import require_free
        from truing.config.stages import load_stages, naming_stage
        from truing.config.votes_loop import is_votes_loop
        from truing.runs.preflight import require_possible

        hardening, voting = is_hardening(stages), is_votes_loop(stages)
        loaded = [] if hardening or voting else load_stages(stages, flags)
        for stage_ in loaded:
            require_free(Path(stage_.recipe.output))
            with naming_stage(stage_.name):
                require_possible(stage_.recipe)
    if hardening:
        harden(stages, flags)
        return
    if voting:
        votes_loop(stages, flags)
        return
    with doing(IMPORTING):
        from truing.pipelines.stages import run_stages

    last = run_stages(loaded, say, stage)[-1]
    say(message("\n{n} stages done; the result is in {path}", n=len(loaded), path=last.result))
    if last.scores:
        next_step(command("score", "ROWS", model=last.run), "score responses it has not seen")
    else:
        why = message(
            "talk to it, before and after; `{report}` shows its curves", report=command("report", last.run)
        )
        next_step(command("chat", last.run, against=last.recipe.policy), why)
