"""metrics.json → what the READMEs and MODEL_CHANGELOG.md say of the model, each in its language.

`docs/refresh.py` puts it between their `results` markers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from train import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = {
    "README.md": {
        "intro": "`{name}:{version}`, {size:.1f} MB, balanced mode, on texts of the sources that "
        "were kept out of training ({split}). The floor is logistic regression on character "
        "n-grams, with the same texts and tuned in the same way.",
        "dev": "dev split, on which the thresholds were chosen",
        "test": "test split, looked at once",
        "columns": ("label", "abusive texts", "precision", "recall", "F1", "floor F1"),
        "flagged": "Flagged: ",
        "probe": "{share} of {n:,} {kind} ({name})",
        "harmful": "lines that should be",
        "harmless": "lines that should not be",
    },
    "README.ko.md": {
        "intro": "`{name}:{version}`, {size:.1f} MB, balanced 모드. 학습에 쓰지 않은 문장에서 잰 "
        "값입니다({split}). 기준선은 같은 문장으로 학습하고 같은 방법으로 조정한 문자 n-gram "
        "로지스틱 회귀입니다.",
        "dev": "기준값을 고르는 데 쓴 dev 분할",
        "test": "마지막에 한 번만 본 test 분할",
        "columns": ("레이블", "해당 문장", "정밀도", "재현율", "F1", "기준선 F1"),
        "flagged": "찾은 비율: ",
        "probe": "{kind} {n:,}개({name}) 중 {share}",
        "harmful": "찾아야 할 줄",
        "harmless": "찾으면 안 될 줄",
    },
}


def results(metrics: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    """What a README says of the model, in markdown."""
    split = _split(metrics)
    model, floor = metrics["model"][split], metrics["floor"][split]
    rows = [
        [
            f"`{label}`",
            f"{found['positives']:,}",
            *(
                tables.number(found["modes"]["balanced"][key])
                for key in ("precision", "recall", "f1")
            ),
            tables.number(floor["labels"][label]["modes"]["balanced"]["f1"]),
        ]
        for label, found in model["labels"].items()
    ]
    shares = [
        words["probe"].format(
            share=tables.percent(probe["share"]),
            n=probe["n"],
            kind=words["harmful" if probe["harmful"] else "harmless"],
            name=probe["name"],
        )
        for probe in model["probes"]["balanced"]
        if probe["n"] and ":" not in probe["name"]  # kinds of the hand-written tests: in the card
    ]
    intro = words["intro"].format(
        name=metrics["name"],
        version=metrics["version"],
        size=metrics["size_bytes"] / 1e6,
        split=words[split],
    )
    table = tables.table(words["columns"], rows)
    return f"{intro}\n\n{table}\n\n{words['flagged']}{'; '.join(shares)}.\n"


def release(metrics: Mapping[str, Any]) -> str:
    """What MODEL_CHANGELOG.md says of a model by numbers, in markdown."""
    split = _split(metrics)
    values = [
        [m["benchmark"], m["metric"], tables.number(m["value"])]
        for m in metrics["model"][split]["benchmarks"]
    ]
    table = tables.table(["benchmark", "metric", f"{split} split"], values)
    return f"## {metrics['name']} {metrics['version']}\n\n{table}\n"


def _split(metrics: Mapping[str, Any]) -> str:
    """The split that says most: of those evaluated, the one nothing was chosen on."""
    return "test" if "test" in metrics["model"] else "dev"
