"""The charts of a reward model on held-out pairs: the calibration of its certainty, and its margins."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from truing.core.words import t
from truing.evals.reward_summary import Bin, MarginBars, RewardSummary, percent
from truing.reports.charts import AFTER, BEFORE, SECOND, Chart
from truing.reports.drawing import Dot, Extent, Mark, Scale, draw
from truing.stats.told import interval_text, value_text

HEIGHT = 210
LARGEST = 11  # pixels from the middle of the fullest bin's marker to its edge
GAP = 0.03  # share of a bar's width left free on either side


def reward_charts(summary: RewardSummary) -> list[Chart]:
    """Draw the reliability diagram and the histogram of margins; neither for rows without pairs."""
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
            _reliability(summary.reliability),
            "framed",
        ),
        Chart(
            "reward-margins",
            t("Margins"),
            t("Histogram: {counted}.", counted=counted),
            counted,
            _margins(bars),
            "framed",
            [(SECOND, t("wrong order")), (AFTER, t("right order, or a tie"))],
        ),
    ]


def _reliability(bins: Sequence[Bin]) -> Markup:
    marks: list[Mark] = [Extent(BEFORE, (0.5, 1.0), (0.5, 1.0), "dashed")]
    most = max(of.accuracy.n for of in bins)
    for of in bins:
        tip = t(
            "certain {certain}\nright {right}",
            certain=value_text(of.confidence, "%"),
            right=value_text(of.accuracy.estimate, "%"),
        )
        tip += f"\n{interval_text(of.accuracy, '%')}"
        ends = (of.accuracy.low, of.accuracy.high)
        marks.append(Extent(AFTER, (of.confidence, of.confidence), ends, "thin", tip))
        size = max(3.5, LARGEST * math.sqrt(of.accuracy.n / most))
        marks.append(Dot(AFTER, of.confidence, of.accuracy.estimate, size, tip=tip))
    across = Scale(0.48, 1.02, 6, "share", t("how certain it is"))
    return draw(marks, across, Scale(-0.03, 1.03, 5, "share", t("how often it is right")), HEIGHT)


def _margins(bars: MarginBars) -> Markup:
    half = len(bars.counts) // 2
    marks = []
    for place, count in enumerate(bars.counts):
        low, high = bars.edges[place], bars.edges[place + 1]
        tip = t("margin {low:.3g} to {high:.3g}: {n:,} pairs", low=low, high=high, n=count)
        air = GAP * (high - low)
        marks.append(
            Extent(AFTER if place >= half else SECOND, (low + air, high - air), (0, count), "bar", tip)
        )
    across = Scale(bars.edges[0], bars.edges[-1], 6, title=t("margin"))
    return draw(marks, across, Scale(0, 1.05 * max(*bars.counts, 1), 5, "step", t("pairs")), HEIGHT)
