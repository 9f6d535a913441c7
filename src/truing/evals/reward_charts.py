"""The charts of a reward model on held-out pairs: is its certainty founded, and how far apart are scores."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from truing.core.words import t
from truing.evals.report_charts import AFTER_COLOUR, BEFORE_COLOUR, SECOND_COLOUR, Chart, base_layout
from truing.evals.report_records import interval_text, value_text
from truing.evals.reward_summary import Bin, MarginBars, RewardSummary, percent

HEIGHT = 290
LARGEST = 22  # pixels across the marker of the fullest bin


def reward_charts(summary: RewardSummary) -> list[Chart]:
    """The reliability diagram and the histogram of margins; none where the rows hold no pair."""
    if not summary.pairs:
        return []
    sure = t("; ").join(
        t("{confidence:.0%} sure, right {share}", confidence=of.confidence, share=percent(of.accuracy))
        for of in summary.reliability
    )
    bars = summary.margin_histogram
    wrong = sum(bars.counts[: len(bars.counts) // 2])
    counted = t(
        "{wrong:,} of {pairs:,} pairs lie below 0, in the wrong order", wrong=wrong, pairs=summary.pairs
    )
    return [
        Chart(
            "reward-reliability",
            t("Reliability"),
            t("Reliability by certainty: {sure}.", sure=sure),
            t("below the dashed line it is too certain"),
            _reliability_figure(summary.reliability),
        ),
        Chart(
            "reward-margins",
            t("Margins"),
            t("Histogram: {counted}.", counted=counted),
            counted,
            _margin_figure(bars),
        ),
    ]


def _reliability_figure(bins: Sequence[Bin]) -> go.Figure:
    figure = go.Figure(layout=base_layout(HEIGHT))
    figure.update_layout(margin={"l": 58, "r": 12, "t": 10, "b": 48}, showlegend=False)
    agree = {"dash": "dash", "width": 1.5, "color": BEFORE_COLOUR}
    figure.add_trace(go.Scatter(x=[0.5, 1], y=[0.5, 1], mode="lines", line=agree, hoverinfo="skip"))
    most = max(of.accuracy.n for of in bins)
    figure.add_trace(
        go.Scatter(
            x=[of.confidence for of in bins],
            y=[of.accuracy.estimate for of in bins],
            mode="markers",
            marker={
                "color": AFTER_COLOUR,
                "opacity": 1,
                "size": [max(7.0, LARGEST * math.sqrt(of.accuracy.n / most)) for of in bins],
                "line": {"width": 0},
            },
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [max(0.0, of.accuracy.high - of.accuracy.estimate) for of in bins],
                "arrayminus": [max(0.0, of.accuracy.estimate - of.accuracy.low) for of in bins],
                "color": AFTER_COLOUR,
                "thickness": 1.5,
                "width": 4,
            },
            text=[
                t(
                    "certain {certain}<br>right {right}",
                    certain=value_text(of.confidence, "%"),
                    right=value_text(of.accuracy.estimate, "%"),
                )
                + f"<br>{interval_text(of.accuracy, '%')}"
                for of in bins
            ],
            hovertemplate="%{text}<extra></extra>",
            cliponaxis=False,
        )
    )
    figure.update_xaxes(
        range=[0.48, 1.02], tickformat=".0%", dtick=0.1, title=_axis(t("how certain it is")), showgrid=False
    )
    figure.update_yaxes(
        range=[-0.03, 1.03], tickformat=".0%", dtick=0.25, title=_axis(t("how often it is right"))
    )
    return figure


def _axis(title: str) -> dict[str, Any]:
    return {"text": title, "font": {"size": 12.5}, "standoff": 8}


def _margin_figure(bars: MarginBars) -> go.Figure:
    figure = go.Figure(layout=base_layout(HEIGHT))
    figure.update_layout(margin={"l": 58, "r": 12, "t": 34, "b": 48}, bargap=0.06, barmode="overlay")
    half = len(bars.counts) // 2
    sides = (
        (t("wrong order"), slice(0, half), SECOND_COLOUR),
        (t("right order, or a tie"), slice(half, None), AFTER_COLOUR),
    )
    edges = list(zip(bars.edges, bars.edges[1:], strict=False))
    for name, part, colour in sides:
        figure.add_trace(
            go.Bar(
                name=name,
                x=[(low + high) / 2 for low, high in edges[part]],
                y=list(bars.counts[part]),
                marker={"color": colour, "line": {"width": 0}},
                text=[t("{low:.3g} to {high:.3g}", low=low, high=high) for low, high in edges[part]],
                textposition="none",
                hovertemplate=t("margin %{text}: %{y} pairs") + "<extra></extra>",
            )
        )
    figure.update_xaxes(
        range=[bars.edges[0], bars.edges[-1]],
        tickformat="~g",
        nticks=7,
        title=_axis(t("margin")),
        showgrid=False,
    )
    figure.update_yaxes(tickformat="~s", nticks=5, title=_axis(t("pairs")), rangemode="tozero")
    return figure
