"""Charts as bare SVG elements, drawn by pygal, coloured by the page that holds them.

pygal's own style sheet, script and link to a remote script are taken out: the page's style sheet
knows light and dark, and nothing is left to fetch or run.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING
from unicodedata import east_asian_width
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup
from pygal.style import Style

if TYPE_CHECKING:
    from collections.abc import Sequence

# On import, pygal hooks itself into Python's import system, for plug-ins that we do not use, in a
# way that Python no longer knows: every later import of a module that is not there would warn.
sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != "pygal"]

ROW_FONT = 13
"""Size of the labels of `rows`, as the page's style sheet sets it: pygal makes room for it."""

_NUMBER = re.compile(r"-?\d+\.\d+")
_DROPPED = {"defs", "title"}
_LAYERS = {"background", "titles", "plot overlay", "plot text-overlay", "plot tooltip-overlay"}


def columns(  # noqa: PLR0913  (a chart is its data and its looks, each by name)
    labels: Sequence[str],
    values: Sequence[int],
    *,
    name: str,
    width: int,
    height: int,
    marks: int,
    digits: int,
) -> Markup:
    """Values over time.

    Args:
        labels: of each value, shown when it is pointed at.
        values: one column each.
        name: says to who cannot see it what the chart shows.
        width: in the units of the view box; about CSS pixels.
        height: the same.
        marks: labels under the axis.
        digits: room for numbers beside the axis: charts with the same are aligned.
    """
    top = _ceiling(max(values, default=0))
    step = max(1, -(-len(labels) // marks))
    chart = pygal.Bar(
        **_base(width, height),
        range=(0, top),
        y_labels=[
            {"value": value, "label": f"{value:,}".rjust(digits, "\N{FIGURE SPACE}")}
            for value in sorted({0, top // 2, top})
        ],
        x_labels=list(labels),
        x_labels_major=list(labels[::step]),
        show_minor_x_labels=False,
        truncate_label=-1,
        formatter=lambda value: f"{value:,}",
        margin_bottom=24,
        margin_right=16,
    )
    chart.add("", list(values))
    return _bare(chart, name)


def rows(
    labels: Sequence[str], values: Sequence[int], *, name: str, width: int, pitch: int
) -> Markup:
    """Values side by side, the first on top, the number at the end of each bar.

    Args:
        labels: of each value.
        values: one bar each.
        name: as for `columns`.
        width: as for `columns`.
        pitch: from bar to bar, in the same unit.
    """
    chart = pygal.HorizontalBar(
        **_base(width, pitch * len(values) + 8),
        style=Style(label_font_size=ROW_FONT, major_label_font_size=ROW_FONT),
        range=(0, max(1, *values)),
        x_labels=list(reversed(labels)),
        truncate_label=-1,
        show_x_labels=False,
        show_x_guides=False,
        print_values=True,
        print_values_position="top",
        formatter=lambda value: f"{value:,}",
        margin_left=8 + max(map(_underestimated, labels)),
        margin_right=56,
        margin_bottom=4,
    )
    chart.add("", list(reversed(values)))
    return _bare(chart, name)


def reliability(points: Sequence[tuple[float, float, int]], *, name: str, width: int) -> Markup:
    """Score against share of true, with the line on which they are equal.

    Args:
        points: (score, share, how many lines), the first two from 0 to 1.
        name: as for `columns`.
        width: as for `columns`; it is also the height.
    """
    chart = pygal.XY(
        **_base(width, width),
        range=(0, 1),
        xrange=(0, 1),
        x_labels=[0, 0.5, 1],
        y_labels=[0, 0.5, 1],
        formatter=str,
        margin_bottom=20,
    )
    most = max((n for _, _, n in points), default=1)
    chart.add("", [(0, 0), (1, 1)], show_dots=False)
    chart.add(
        "",
        [
            {
                "value": (score, share),
                "label": f"{score:.2f} → {share:.2f} ({n:,})",
                "node": {"r": 2.5 + 4 * (n / most) ** 0.5},
            }
            for score, share, n in points
        ],
    )
    return _bare(chart, name)


def _base(width: int, height: int) -> dict[str, object]:
    return {
        "width": width,
        "height": height,
        "margin": 6,
        "show_legend": False,
        "disable_xml_declaration": True,
        "no_prefix": True,
        "js": [],
        "css": [],
    }


def _ceiling(value: int) -> int:
    """The next round number."""
    unit = 1
    while unit * 10 < value:
        unit *= 10
    return next((m * unit for m in (1, 2, 4, 6, 8) if m * unit >= value), 10 * unit)


def _underestimated(label: str) -> int:
    """How much wider than pygal thinks a label is: it takes Hangul for as narrow as Latin."""
    return 6 * sum(east_asian_width(character) in "WF" for character in label)


def _bare(chart: pygal.Graph, name: str) -> Markup:
    """Only what is drawn: no style, no script, no identifiers, each bar with its value as title."""
    root = ET.fromstring(chart.render())  # noqa: S314  (made by pygal, a line ago)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "class": "chart",
        "role": "img",
        "aria-label": name,
    }
    _prune(root)
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704  (escaped by ElementTree)


def _prune(parent: ET.Element) -> None:
    for child in list(parent):
        kind = child.get("class", "")
        drawn = any(child.find(f".//{tag}") is not None for tag in ("text", "circle"))
        if child.tag in _DROPPED or (kind in _LAYERS and not drawn):
            parent.remove(child)
            continue
        for key, value in child.attrib.items():
            child.set(key, _NUMBER.sub(lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), value))
        _prune(child)
        if kind in {"bar", "dots"}:
            _title(child)


def _title(mark: ET.Element) -> None:
    """Give a bar or dot its value as a title, which browsers show without pygal's script."""
    notes = {desc.get("class"): desc.text or "" for desc in mark.findall("desc")}
    for desc in mark.findall("desc"):
        mark.remove(desc)
    title = ET.SubElement(mark[0], "title")
    title.text = notes.get("label") or f"{notes.get('x_label', '')}: {notes.get('value', '')}"
