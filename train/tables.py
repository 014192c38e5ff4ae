"""Numbers → markdown tables, for the model card and the terminal. Only formats, never measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def markdown(found: Mapping[str, Any]) -> str:
    """All tables of an `Evaluation.to_dict()`."""
    parts = [
        f"### Labels, {found['split']} split",
        labels(found),
        f"### Benchmarks, {found['split']} split, balanced",
        benchmarks({"": found}),
        "### Share flagged",
        probes(found),
        "### By length, any label, balanced",
        slices(found),
    ]
    return "\n\n".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """A markdown table: the first `words` columns are text, the others are numbers."""
    rule = ["---" if i < words else "---:" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def labels(found: Mapping[str, Any]) -> str:
    """Precision, recall and F1 of each label at each mode."""
    modes = list(next(iter(found["labels"].values()))["modes"])
    head = ["label", "texts", "positive", "AP", "ECE", *(f"{mode} P / R / F1" for mode in modes)]
    return table(
        head,
        [
            [
                label,
                f"{row['n']:,}",
                f"{row['positives']:,}",
                number(row["average_precision"]),
                number(row["calibration_error"]),
                *(
                    " / ".join(
                        number(row["modes"][mode][key]) for key in ("precision", "recall", "f1")
                    )
                    for mode in modes
                ),
            ]
            for label, row in found["labels"].items()
        ],
    )


def ranking(model: Mapping[str, Any], floor: Mapping[str, Any]) -> str:
    """What needs no threshold: average precision and calibration, beside the floor."""
    return table(
        ["label", "texts", "positive", "AP", "floor AP", "ECE", "floor ECE"],
        [
            [
                f"`{label}`",
                f"{row['n']:,}",
                f"{row['positives']:,}",
                *(
                    number(one["labels"][label][key])
                    for key in ("average_precision", "calibration_error")
                    for one in (model, floor)
                ),
            ]
            for label, row in model["labels"].items()
        ],
    )


def beside(model: Mapping[str, Any], floor: Mapping[str, Any], *, mode: str) -> str:
    """Precision, recall and F1 of each label at one mode, beside the floor at its own."""
    keys = ("precision", "recall", "f1")
    return table(
        ["label", *("precision", "recall", "F1"), *("floor P", "floor R", "floor F1")],
        [
            [
                f"`{label}`",
                *(number(row["modes"][mode][key]) for key in keys),
                *(number(floor["labels"][label]["modes"][mode][key]) for key in keys),
            ]
            for label, row in model["labels"].items()
        ],
    )


def benchmarks(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The benchmarks, one column for each named `Evaluation.to_dict()`; all of the same split."""
    first = next(iter(found.values()))["benchmarks"]
    values = [
        {(m["benchmark"], m["metric"]): m["value"] for m in one["benchmarks"]}
        for one in found.values()
    ]
    return table(
        ["benchmark", "metric", "texts", "positive", *(name or "value" for name in found)],
        [
            [
                m["benchmark"],
                m["metric"],
                f"{m['n']:,}",
                f"{m['positives']:,}",
                *(number(one[m["benchmark"], m["metric"]]) for one in values),
            ]
            for m in first
        ],
    )


def probes(found: Mapping[str, Any]) -> str:
    """Shares flagged at each mode."""
    modes = list(found["probes"])
    first = found["probes"][modes[0]]
    return table(
        ["lines", "should be flagged", "n", *modes],
        [
            [
                probe["name"],
                "yes" if probe["harmful"] else "no",
                f"{probe['n']:,}",
                *(percent(found["probes"][mode][i]["share"]) for mode in modes),
            ]
            for i, probe in enumerate(first)
            if probe["n"]
        ],
    )


def slices(found: Mapping[str, Any]) -> str:
    """Any label, by length of the text."""
    return table(
        ["characters, up to", "texts", "P / R / F1"],
        [
            [
                f"{s['longest']:,}",
                f"{s['tp'] + s['fp'] + s['fn'] + s['tn']:,}",
                " / ".join(number(s[key]) for key in ("precision", "recall", "f1")),
            ]
            for s in found["slices"]
        ],
    )


def number(value: float | None) -> str:
    """Three digits, or a dash where there is nothing to say."""
    return "–" if value is None or value != value else f"{value:.3f}"  # noqa: PLR0124  (NaN)


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.2f} %"
