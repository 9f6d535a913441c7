"""The routes of `truing runs`: the list, a run, several runs compared, their numbers, the stop button.

A folder is named by its id (`found.py`). Whatever is read from a folder is a stranger's text: it is made
plain here, and pages show it as text.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from truing.config.run_folder import CONFIG, ask_to_stop
from truing.core.words import t
from truing.reports.charts import PANELS
from truing.web.app import changes, events, page
from truing.web.runs.beside import SampleIndex, evaluations_of, frontier
from truing.web.runs.columns import MetricLog, open_log
from truing.web.runs.found import Finder, FolderKind, FoundFolder, read_object
from truing.web.runs.summary import (
    FolderLine,
    alarm_row,
    alarms_of,
    grouped,
    line_of,
    memory_of,
    short,
)
from truing.web.runs.thinning import BUCKETS, thinned

EVERY = 0.5  # seconds between two looks at a run that a page follows
LIST_EVERY = 2.0  # the same of the list
LIVE = ("running", "stopping")
OPEN = 12  # logs that are kept in memory
MOST_COMPARED = 8
RECIPE_SHOWN = 40_000  # characters


class Board:
    """The folders below some roots, and the logs of those that pages have opened."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.finder = Finder(roots)
        self._logs: OrderedDict[str, tuple[MetricLog, SampleIndex]] = OrderedDict()
        self._lock = Lock()

    def folder(self, key: str) -> FoundFolder:
        """Return the folder of an id. Raises HTTPException 404."""
        found = self.finder.by_id(key)
        if found is None:
            raise HTTPException(404)
        return found

    def lines(self) -> list[FolderLine]:
        """Return the lines of the list as they are now."""
        folders = self.finder.folders()
        return grouped(folders, [line_of(folder) for folder in folders])

    def opened(self, folder: FoundFolder) -> tuple[MetricLog, SampleIndex]:
        """Return the log and the samples of a folder, read up to now."""
        with self._lock:
            if folder.id not in self._logs:
                self._logs[folder.id] = open_log(folder.path), SampleIndex(folder.path)
            self._logs.move_to_end(folder.id)
            while len(self._logs) > OPEN:
                self._logs.popitem(last=False)
            log, samples = self._logs[folder.id]
        log.update()
        return log, samples


def runs_router(roots: Sequence[Path]) -> APIRouter:
    """Make the routes of the pages about the folders below `roots`."""
    router, board = APIRouter(), Board(roots)

    @router.get("/")
    def listed(request: Request) -> Response:
        return page(
            request, "runs/list.html.j2", lines=board.lines(), roots=[short(str(root)) for root in roots]
        )

    @router.get("/events")
    async def listing(request: Request) -> Response:
        return events(request, changes(lambda: {"lines": [line.row() for line in board.lines()]}, LIST_EVERY))

    @router.get("/runs/{key}")
    def one(request: Request, key: str) -> Response:
        folder = board.folder(key)
        tables = evaluations_of(folder, board.finder.folders())
        shown = page(
            request,
            "runs/run.html.j2",
            line=line_of(folder),
            path=short(str(folder.path), 2000),
            is_run=folder.kind is FolderKind.RUN,
            facts=facts_of(folder),
            tables=tables,
            recipe=_recipe_text(folder.path),
        )
        shown.background = BackgroundTask(board.opened, folder)  # read while the browser loads the rest
        return shown

    @router.get("/compare")
    def compare(request: Request, run: Annotated[list[str], Query()]) -> Response:
        keys = list(dict.fromkeys(run))[:MOST_COMPARED]
        lines = [line_of(board.folder(key)) for key in keys]
        compared = [
            {"id": line.id, "name": line.name, "tone": f"run-{place}", "live": line.state in LIVE}
            for place, line in enumerate(lines)
        ]
        return page(request, "runs/compare.html.j2", lines=lines, compared=compared)

    _add_numbers(router, board)
    return router


def _add_numbers(router: APIRouter, board: Board) -> None:
    """Add the routes that scripts ask: curves, events, samples, the stop."""

    @router.get("/runs/{key}/series")
    def series(
        key: str,
        names: Annotated[list[str] | None, Query()] = None,
        first: float = -math.inf,
        last: float = math.inf,
        buckets: Annotated[int, Query(ge=10, le=2000)] = BUCKETS,
    ) -> Response:
        log, _ = board.opened(board.folder(key))
        known = log.names
        found = {
            "last": log.last_step,
            "panels": _panels(known),
            "series": [
                {"name": short(name), "key": name, **vars(_thin(log, name, first, last, buckets))}
                for name in known
                if names is None or name in names
            ],
            "frontier": frontier(log),
        }
        return JSONResponse(found)  # plain values: FastAPI would look at each of many thousands

    @router.get("/follow")
    async def follow(
        request: Request,
        run: Annotated[list[str], Query()],
        last: Annotated[list[int] | None, Query()] = None,
    ) -> Response:
        steps = last or []
        if len(run) > MOST_COMPARED or len(steps) > len(run):
            raise HTTPException(400, t("A page follows at most {n} runs.", n=MOST_COMPARED))
        behind = dict(zip(run, [*steps, *[0] * len(run)], strict=False))
        folders = [await run_in_threadpool(board.folder, key) for key in behind]
        followed = [_Followed(board, one, after) for one, after in zip(folders, behind.values(), strict=True)]
        return events(request, _news(followed))

    @router.get("/runs/{key}/samples")
    def samples(key: str, step: int | None = None) -> dict[str, Any]:
        _, index = board.opened(board.folder(key))
        index.update()
        steps = index.steps
        if not steps:
            return {"steps": [], "step": None, "samples": []}
        chosen = steps[-1] if step is None else min(steps, key=lambda one: abs(one - step))
        return {"steps": steps, "step": chosen, "samples": index.of_step(chosen)}

    @router.post("/runs/{key}/stop")
    def stop(key: str) -> dict[str, Any]:
        folder = board.folder(key)
        line = line_of(folder)
        if folder.kind is not FolderKind.RUN or line.state not in LIVE:
            raise HTTPException(409, t("This run has no process that could be stopped."))
        ask_to_stop(folder.path)
        return facts_of(folder)


def facts_of(folder: FoundFolder) -> dict[str, Any]:
    """Return the part of a run's page that changes, for its script."""
    line = line_of(folder)
    is_run = folder.kind is FolderKind.RUN
    memory = memory_of(folder.path) if is_run and line.state in LIVE else None
    return {
        "state": line.state,
        "told": line.told,
        "reason": line.reason,
        "step": line.step,
        "metrics": line.metrics,
        "memory": memory,
        "alarms": [alarm_row(alarm) for alarm in alarms_of(folder.path)] if is_run else [],
    }


def _thin(log: MetricLog, name: str, first: float, last: float, buckets: int) -> Any:
    column = log.column(name)
    return thinned(column.steps, column.values, first=first, last=last, buckets=buckets)


def _panels(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the charts of metrics: the known ones with their titles, then one for each other metric."""
    found, left = [], dict.fromkeys(names)
    for panel in PANELS:
        if held := [name for name in panel.metrics if name in left]:
            found.append({"title": t(panel.title), "names": held, "main": True})
            for name in held:
                left.pop(name)
    return found + [{"title": short(name), "names": [name], "main": False} for name in left]


class _Followed:
    """A run that a page follows, with what the page knows of it."""

    def __init__(self, board: Board, folder: FoundFolder, last: int) -> None:
        self.board, self.folder, self.last = board, folder, last
        self.facts: Any = None
        self.generation: int | None = None

    def news(self) -> list[tuple[str, Any]]:
        """Return what has changed since the last call: facts, and points of the curves behind step `last`."""
        found: list[tuple[str, Any]] = []
        now, (log, _) = facts_of(self.folder), self.board.opened(self.folder)
        if self.generation not in (None, log.generation):
            self.last = log.last_step
            found.append(("anew", {"id": self.folder.id}))
        elif log.last_step > self.last:
            newest = log.last_step
            points = {"id": self.folder.id, "last": newest, "series": _behind(log, self.last)}
            found.append(("points", points))
            self.last = newest
        self.generation = log.generation
        if now != self.facts:
            self.facts = now
            found.append(("facts", {"id": self.folder.id, **now}))
        return found


async def _news(followed: Sequence[_Followed]) -> AsyncIterator[tuple[str, Any]]:
    """Yield what changes of several runs."""
    while True:
        for one in followed:
            for named in await run_in_threadpool(one.news):
                yield named
        yield "", None  # the end of the server, or of the page, is noticed with a word
        await asyncio.sleep(EVERY)


def _behind(log: MetricLog, last: int) -> dict[str, list[Any]]:
    """Return the points of all metrics behind a step."""
    found = {name: _thin(log, name, last + 0.5, math.inf, 50).points for name in log.names}
    return {name: points for name, points in found.items() if points}


def _recipe_text(path: Path) -> str:
    recipe = (read_object(path / CONFIG) or {}).get("recipe")
    if not recipe:
        return ""
    return short(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), RECIPE_SHOWN)
