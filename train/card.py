"""metrics.json → MODEL_CARD.md. Every number in the card comes from there; none is typed here."""

from __future__ import annotations

import textwrap
from typing import Any

from gounmal.schema import Mode
from train import tables

WIDTH = 100

LABELS = {
    "profanity": "abusive vocabulary, whatever the intent",
    "insult": "an attack on a person",
    "hate": "hostility to a group; at least one of the kinds below, or another",
    "hate/gender": "… for its gender or sexuality",
    "hate/age": "… for its age",
    "hate/origin": "… for its region, nationality or race",
    "hate/religion": "… for its religion",
    "hate/politics": "… for its politics",
    "hate/appearance": "… for its looks",
}


def model_card(metrics: dict[str, Any]) -> str:
    """The whole card."""
    parts = [
        _head(metrics),
        _use(),
        _taxonomy(),
        _data(metrics),
        _choices(metrics),
        *(_results(metrics, split) for split in metrics["model"]),
        _artifact(metrics),
        _limits(metrics),
        _making(metrics),
    ]
    return "\n\n".join(_wrapped(part) for part in parts) + "\n"


def _wrapped(text: str) -> str:
    """Fill paragraphs and list items anew: numbers of any width were put into them."""
    blocks = []
    for block in text.split("\n\n"):
        if block.startswith("- "):
            blocks.append("\n".join(_fill(f"- {item}", "  ") for item in block[2:].split("\n- ")))
        else:
            blocks.append(block if block.startswith(("|", "#", ">")) else _fill(block))
    return "\n\n".join(blocks)


def _fill(text: str, indent: str = "") -> str:
    wrapper = textwrap.TextWrapper(
        WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return wrapper.fill(" ".join(text.split()))


def _head(metrics: dict[str, Any]) -> str:
    split = next(iter(metrics["model"]))
    value = {
        (m["benchmark"], m["metric"]): tables.number(m["value"])
        for m in metrics["model"][split]["benchmarks"]
    }
    chat = next(p for p in metrics["model"][split]["probes"]["balanced"] if not p["harmful"])
    share = tables.percent(chat["share"])
    size = f"{metrics['size_bytes'] / 1e6:.1f} MB"
    abusive = value.get(("KODOLI profanity", "F1"), "–")
    hateful = value.get(("K-MHaS any label", "F1"), "–")
    warning = (
        "> **Smoke run**: trained on a few lines to show that everything works. Not for use.\n\n"
        if metrics["origin"]["smoke"]
        else ""
    )
    return f"""# {metrics["name"]}, version {metrics["version"]}

{warning}Finds abuse in Korean and mixed Korean/English chat lines: which kind, how probable, and
which characters. {size}, for one CPU core. On the {split} split, at its balanced thresholds: F1
{abusive} for abusive vocabulary (KODOLI), F1 {hateful} for any abuse in news comments (K-MHaS);
{share} of short harmless chat lines flagged.

한국어 요약: 한국어 채팅에서 욕설, 모욕, 혐오 표현을 찾아 종류와 확률, 위치를 알려 주는 모델입니다.
균형(balanced) 기준으로 {split} 분할에서 욕설 F1 {abusive}(KODOLI), 뉴스 댓글 혐오 F1
{hateful}(K-MHaS), 무해한 짧은 채팅의 {share}를 잘못 표시했습니다. 학습 데이터에 CC BY-SA 4.0
텍스트가 들어 있습니다. 사람의 검토 없이 제재를 결정하는 데 쓰지 마십시오."""


def _use() -> str:
    return """## Intended use

Moderation of chat around live commerce, streams and communities: masking, holding a line for a
moderator, or reporting on a finished broadcast. The policy file says what follows from a label;
the model only says what it sees.

Not for: judging persons, deciding on sanctions without a human, measuring the prevalence of abuse
in a population, languages other than Korean (English words inside Korean lines are covered), or
long documents."""


def _taxonomy() -> str:
    rows = "\n".join(f"- `{label}`: {meaning}" for label, meaning in LABELS.items())
    return f"""## Labels (taxonomy v1)

{rows}

Every label has its own calibrated probability; several can hold. A source that says nothing about
a label teaches nothing about it (masked loss); "abusive, but not how" teaches that at least one
label holds."""


def _data(metrics: dict[str, Any]) -> str:
    rows = [
        [
            f"[{s['repository']}](https://github.com/{s['repository']})",
            f"`{s['commit'][:7]}`",
            s["licence"],
            f"{s['labels_read']:,}",
            "<br>".join(_file(file) for file in s["files"]),
        ]
        for s in metrics["sources"]
    ]
    share_alike = sorted({s["licence"] for s in metrics["sources"] if "BY-SA" in s["licence"]})
    note = (
        f"**Trained on {' and '.join(share_alike)} text**: check what that means for your use."
        if share_alike
        else "No source has a share-alike licence."
    )
    own = metrics["written"]
    sizes = [
        [split, f"{size['texts']:,}", f"{size['groups']:,}"]
        for split, size in metrics["splits"].items()
    ]
    head = ["source", "commit", "licence", "labels read", "files (SHA-256, lines)"]
    return f"""## Data

{tables.table(head, rows, words=3)}

{note} None of the text is in the repository. Beside the sources:
{own["negatives"]:,} harmless and {own["positives"]:,} abusive lines and expressions of our own.
A file marked "as declared" is byte for byte the pinned one; "not checked" means that no whole copy
was at hand to pin, so a local copy may have rows kept back.

Equal texts are merged; near-duplicates (same letters, or an estimated Jaccard similarity of
character trigrams of 0.7 and more) and rewrites of one text share a group, and a group is in one
split only.

{tables.table(["split", "texts", "groups"], sizes)}"""


def _file(file: dict[str, Any]) -> str:
    state = {True: "as declared", False: "differs from declared", None: "not checked"}
    return (
        f"{file['name']} `{file['sha256'][:12]}` {file['lines']:,} ({state[file['as_declared']]})"
    )


def _choices(metrics: dict[str, Any]) -> str:
    targets = metrics["targets"]
    harmless = metrics["harmless"]
    rows = [
        [label, method, *(tables.number(metrics["thresholds"][mode][label]) for mode in Mode)]
        for (label, method) in zip(LABELS, metrics["calibration"], strict=True)
    ]
    return f"""## Calibration and modes

What length, unknown n-grams and the kind of text add to the small network, the calibration and the
thresholds were chosen on the dev split. Each label is calibrated with temperature or Platt scaling,
whichever has the lower expected calibration error across folds. The modes:

- `balanced`: the highest mean of the benchmarks' metrics (without BEEP's; a point below what is
  asked of one counts three times) and, at half the weight, of the labels' F1, while at most
  {tables.percent(targets["balanced_chat"])} of chat-like lines and
  {tables.percent(targets["balanced_lookalikes"])} of look-alikes are flagged, over all labels
  together, as far as that can be reached;
- `strict`: the same with F{targets["strict_beta"]:g}, {tables.percent(targets["strict_chat"])} and
  {tables.percent(targets["strict_lookalikes"])};
- `lenient`: a precision of {tables.number(targets["lenient_precision"])} for each label where it
  can be reached, else the most precise threshold.

Chat-like lines are a stand-in, as no labelled live chat is public: lines of at most
{harmless["longest"]} characters of {" and ".join(harmless["sources"])}, without loose words.
Look-alikes are our own harmless lines in the split, written to be mistaken for abuse.

{tables.table(["label", "calibration", *Mode], rows)}"""


def _results(metrics: dict[str, Any], split: str) -> str:
    model, floor = metrics["model"][split], metrics["floor"][split]
    beside = "\n\n".join(f"`{mode}`:\n\n{tables.beside(model, floor, mode=mode)}" for mode in Mode)
    spans = metrics["spans"][split]
    characters = spans["characters"]
    compared = {"this model": model, "before int8": metrics["float"][split], "floor": floor}
    return f"""## Results on the {split} split

### Labels, beside the floor

The floor is logistic regression on TF-IDF of character 1–4-grams, fitted on the same texts,
calibrated and given thresholds in the same way.

{tables.ranking(model, floor)}

{beside}

### Benchmarks

F1 and accuracy at the balanced thresholds; AP and best F1 without any. "K-MHaS all labels" counts
race with origin, and "none of these" as one more label.

{tables.benchmarks(compared)}

### Share of lines flagged

{tables.probes(model)}

### By length

Any label at all, balanced.

{tables.slices(model)}

### Spans

{spans["lines"]:,} harmless lines with one of our own abusive expressions put in, half of them
disguised; {spans["flagged"]:,} were flagged. Of the characters:
precision {tables.number(characters["precision"])}, recall {tables.number(characters["recall"])},
F1 {tables.number(characters["f1"])}."""


def _artifact(metrics: dict[str, Any]) -> str:
    parity = metrics["parity"]
    return f"""## The artifact against the network it was made from

On the {parity["texts"]:,} texts of the dev split: largest difference of a score
{tables.number(parity["largest_difference"])}, mean {parity["mean_difference"]:.5f}; the same labels
at balanced for {tables.percent(parity["decisions_equal"])} of the texts. What that costs on the
benchmarks is in their tables."""


def _limits(metrics: dict[str, Any]) -> str:
    split = next(iter(metrics["model"]))
    found = metrics["model"][split]
    worst = min(
        found["labels"].items(),
        key=lambda item: item[1]["modes"]["balanced"]["f1"] if item[1]["positives"] else 1.0,
    )
    identity = next((p for p in found["probes"]["balanced"] if "identity" in p["name"]), None)
    told = (
        f"- {tables.percent(identity['share'])} of harmless sentences about social groups are "
        "flagged at balanced.\n"
        if identity and identity["n"]
        else ""
    )
    name, row = worst
    return f"""## Limits and known failures

- Weakest label at balanced: `{name}`, F1 {tables.number(row["modes"]["balanced"]["f1"])} on
  {row["positives"]:,} positive texts.
{told}- The sources are comments and posts, not live chat; irony, quotation and in-jokes need
  context that one line does not have.
- Annotators disagree about what is offensive; where a source is broad (BEEP), scores are unsure.
- New expressions and new disguises are found only as far as they resemble known ones: use the
  blocklist of the policy file, and retrain."""


def _making(metrics: dict[str, Any]) -> str:
    origin, machine = metrics["origin"], metrics["machine"]
    seconds = ", ".join(f"{step} {value:,.0f} s" for step, value in origin["seconds"].items())
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    base = origin["base"] or "none, trained from scratch"
    return f"""## How it was made

- base: {base}; seed {origin["seed"]}
- time: {seconds or "not recorded"}
- machine: {machine["processor"]}, {machine["cores"]} cores, {machine["system"]}
- versions: Python {machine["python"]}, {packages}
- every setting and number: `metrics.json`, beside this card and written by the same run"""
