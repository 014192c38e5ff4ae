"""Results → a chart of latency over load, as an SVG that stands alone."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

# First of all: it mends what pygal does to Python's import system.
import gounmal.report.charts  # noqa: F401  # isort: skip
import pygal
from pygal.style import Style

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCRIPT = re.compile(r"<script.*?(?:/>|</script>)", re.DOTALL)
WIDTH, HEIGHT = 960, 540
TOP_MS = 1_000
RATES = (10, 30, 100, 300, 1_000, 3_000, 10_000)
MILLISECONDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
COLOURS = (
    *("#d1242f", "#f0883e", "#8250df", "#bf3989", "#0969da", "#1a7f37", "#9a6700"),
    *("#57606a", "#0e7490", "#65a30d", "#7c3aed", "#b45309", "#475569"),
)
STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#24292f",
    foreground_strong="#24292f",
    foreground_subtle="#8c959f",
    colors=COLOURS,
    font_family="sans-serif",
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=13,
    title_font_size=16,
    stroke_width=2,
)


def latency(results: Mapping[str, Any]) -> str:
    """99th percentile over rate, both on logarithmic scales, a line for each contender."""
    chart = pygal.XY(
        width=WIDTH,
        height=HEIGHT,
        style=STYLE,
        js=[],
        title="99th percentile of latency, ms, over requests per second",
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        truncate_legend=-1,
        x_labels=[{"value": math.log10(rate), "label": f"{rate:,}"} for rate in RATES],
        y_labels=[{"value": math.log10(ms), "label": f"{ms:,}"} for ms in MILLISECONDS],
        range=(0, math.log10(TOP_MS)),
        dots_size=2,
        disable_xml_declaration=True,
    )
    bound = math.log10(results["p99_bound_ms"])
    ends = (math.log10(RATES[0]), math.log10(RATES[-1]))
    for one in results["contenders"]:
        points = curve(one)
        if points:
            chart.add(one["name"], [(math.log10(r), math.log10(ms)) for r, ms in points])
    style = {"dasharray": "6, 4"}
    chart.add("bound", [(end, bound) for end in ends], show_dots=False, stroke_style=style)
    # What pygal's script does needs its other script, from another host; nothing is missed.
    return _SCRIPT.sub("", chart.render(is_unicode=True)) + "\n"


def curve(one: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Rates with their 99th percentiles, the median of those tried more than once, cut at the top.

    With Poisson arrivals. Beyond the first rate that reaches the top there is nothing to see.
    """
    tried: dict[float, list[float]] = {}
    for probe in one.get("probes", []):
        if probe["arrivals"] == "poisson" and probe["outcome"]["latency"]:
            late = TOP_MS if probe["late"] else probe["outcome"]["latency"]["p99"]
            tried.setdefault(probe["rate"], []).append(late)
    points = []
    for rate in sorted(tried):
        found = sorted(tried[rate])
        points.append((rate, min(max(found[len(found) // 2], 1.0), TOP_MS)))
        if points[-1][1] >= TOP_MS:
            break
    return points
