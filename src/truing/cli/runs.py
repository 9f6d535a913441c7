"""`truing runs`: a live page of run folders."""

from pathlib import Path
from typing import Annotated

import typer

from truing.cli.serving import (
    HostOption,
    NameOption,
    PageLanguage,
    PasswordFlag,
    PortOption,
    serve_pages,
)
from truing.core.doing import doing
from truing.core.errors import UsageError
from truing.core.messages import message

FOLDER = Path("runs")


def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of runs, or run folders; without one, runs.", show_default=False),
    ] = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    password: PasswordFlag = False,
    name: NameOption = None,
    language: PageLanguage = None,
) -> None:
    """Serve a live page of runs: curves, alarms, samples, comparisons, and a button that stops one cleanly.

    Evaluations, pipelines, and logs of TRL, verl, prime-rl and TensorBoard stand in the same list.
    """
    roots = folders or [FOLDER]
    for root in roots:
        if not root.is_dir():
            hint = message("name a folder that holds run folders, or a run folder")
            raise UsageError(message("{path} is no folder", path=root), hint=hint)
    with doing(message("looking at {path}", path=", ".join(map(str, roots)))):
        from truing.web.app import WebPart
        from truing.web.runs.router import runs_router
    serve_pages(
        "Runs",
        lambda: [WebPart("truing.web.runs", runs_router(roots))],
        host=host,
        port=port,
        password=password,
        names=name,
        language=language,
    )
