"""The report: one offline HTML file that a person can send to a colleague.

`write_report` turns a `Report` into a page that loads nothing from any network: styles and drawings are
inside it, and its content security policy names the hash of its style and of its script, so no other code can
run. Every value passes `plain` and autoescape on its way into the template (`shown`). `words.speaking` sets
the language of the page.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from itertools import chain
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from truing.core.errors import StorageError
from truing.core.files import write_atomic
from truing.core.messages import message
from truing.core.words import sentences, spoken, t
from truing.reports.charts import hover_json, measure_charts, stage_charts
from truing.reports.compare.charts import ComparisonCharts, comparison_charts
from truing.reports.records import (
    DRIFT_NOTES,
    CategoryRow,
    DataCount,
    GoalOutcome,
    HitShare,
    Measure,
    Report,
    SideBySide,
    StageRecord,
    goal_text,
    goals_text,
    moved_text,
    verdict,
)
from truing.reports.reward_charts import reward_charts
from truing.stats.intervals import Interval
from truing.stats.told import duration, interval_text, value_text
from truing.text.markup import shown, words
from truing.text.shown import clipped, language

__all__ = [
    "CategoryRow",
    "DataCount",
    "GoalOutcome",
    "HitShare",
    "Interval",
    "Measure",
    "Report",
    "SideBySide",
    "StageRecord",
    "render_report",
    "verdict",
    "write_report",
]

EXAMPLES_SHOWN = 10
STYLES = {"zh": ("zh.css",)}  # of a language, beside those of every page


def write_report(report: Report, path: str | Path) -> None:
    """Write `report` to `path` as one HTML file: the old file or the whole new one, never a part."""
    path = Path(path)
    page = render_report(report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        said = "the folder {path} for the report cannot be made: {why}"
        raise StorageError(
            message(said, path=path.parent, why=error.strerror),
            hint=message("choose another path for the report"),
        ) from error
    write_atomic(path, page)


def render_report(report: Report) -> str:
    """Return the page as text."""
    charts_of_measures = measure_charts([m for m in report.measures if m.name not in DRIFT_NOTES], "measures")
    drift = [measure for measure in report.measures if measure.name in DRIFT_NOTES]
    charts_of_drift = measure_charts(drift, "drift")
    charts_of_stages = [stage_charts(stage, f"stage-{place}") for place, stage in enumerate(report.stages)]
    charts_of_reward = reward_charts(report.reward) if report.reward else []
    compared = comparison_charts(report.comparison) if report.comparison else ComparisonCharts()
    charts = [*compared, *charts_of_measures, *charts_of_reward, *charts_of_drift, *chain(*charts_of_stages)]
    scripts = [_template_file("report.js")] if charts or report.responses else []
    style = _style()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            verdict=report.summary or verdict(report.measures),
            goals=goals_text(report.measures),
            compared=any(measure.before is not None for measure in report.measures),
            drift_notes=[t(DRIFT_NOTES[measure.name]) for measure in drift],
            measure_charts=charts_of_measures,
            drift_charts=charts_of_drift,
            stage_charts=charts_of_stages,
            reward_charts=charts_of_reward,
            comparison_charts=compared,
            examples_shown=EXAMPLES_SHOWN,
            page_language=spoken(),
            curves_note=_curves_note(report),
            policy=_policy(style, scripts),
            style=Markup(style),  # noqa: S704
            scripts=[Markup(script) for script in scripts],  # noqa: S704
            told=hover_json(charts),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("truing.reports"),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clipped=clipped,
        duration=duration,
        goal=goal_text,
        headings=headings,
        interval=interval_text,
        language=language,
        moved=moved_text,
        t=t,
        value=value_text,
    )
    environment.globals.update(GoalOutcome=GoalOutcome, t=words)
    return environment


def _style() -> str:
    return "".join(_template_file(name) for name in ("tokens.css", "report.css", *STYLES.get(spoken(), ())))


def headings(body: str) -> list[tuple[str, Markup]]:
    """Return the id and the title of every section of a page, for its contents."""
    found = re.findall(r'<h2 id="([a-z-]+)">(.*?)</h2>', body)
    return [(place, Markup(title)) for place, title in found]  # noqa: S704


def _curves_note(report: Report) -> str:
    """Explain how to read the curves."""
    return sentences(
        [
            t("Over optimiser steps."),
            t(
                "A bold line over a faint one is its exponential moving average over a tenth of the steps;"
                " the faint line is every step as it was."
            ),
            *(
                [
                    t(
                        "Under each title: the mean of the first and of the last tenth of the steps,"
                        " at least five; of held-out values the first and the last evaluation."
                    )
                ]
                if report.stages
                else []
            ),
        ]
    )


def _template_file(name: str) -> str:
    text = resources.files("truing.reports").joinpath("templates", name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Return the content security policy: this style and these scripts alone, and no loading."""
    sources = " ".join(_hash_source(script) for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {sources}; style-src {_hash_source(style)}; img-src data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _hash_source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
