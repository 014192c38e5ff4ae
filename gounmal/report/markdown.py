"""Summary → Markdown: the same report for a chat room, a ticket or a terminal.

What people wrote stands in code spans, where it is shown and never interpreted.
"""

from __future__ import annotations

import html
import re
from itertools import chain
from typing import TYPE_CHECKING

from gounmal.report import phrases
from gounmal.report.render import coarser, queues
from gounmal.report.words import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gounmal.report.items import Line
    from gounmal.report.summary import Summary
    from gounmal.report.words import Words

_ROWS = 24
"""Of the timeline."""
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def markdown(summary: Summary, *, language: str | None = None) -> str:
    """The report as Markdown (CommonMark, with GitHub's tables).

    Args:
        summary: what to say; the same summary always gives the same text.
        language: of the words around it, `ko` or `en`; by default that of the summary.
    """
    words = LANGUAGES[language or summary.language]
    sections = (_head, _compared, _timeline, _found, _offenders, _lines, _verdicts, _problems)
    blocks = chain.from_iterable(section(summary, words) for section in sections)
    about = (f"{words.about}: {words.about_text}", f"gounmal {summary.gounmal}")
    return "\n\n".join([*blocks, "---", *about]) + "\n"


def escaped(text: str) -> str:
    """Text in which nothing is markup."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text in a code span, on one line, whatever backticks are in it."""
    plain = " ".join(text.split()) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    space = " " if plain[0] == "`" or plain[-1] == "`" else ""
    return f"{fence}{space}{plain}{space}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, text: int = 1) -> str:
    """A table; all but the first columns are numbers.

    Args:
        head: names of the columns.
        rows: cells, as Markdown.
        text: how many columns are no numbers.
    """
    rule = [":---"] * text + ["---:"] * (len(head) - text)
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, rule, *rows))


def _head(s: Summary, t: Words) -> Iterator[str]:
    yield f"# {escaped(s.title)}"
    facts = [f"{t.source}: {code(s.source)}", f"{t.mode}: {s.mode}", f"{t.model}: {code(s.model)}"]
    if s.timeline:
        facts.insert(0, f"{t.duration}: {phrases.duration(s.timeline.duration_s, words=t)}")
        if phrases.clock(s.timeline, 0.0):
            facts.insert(0, f"{t.begun}: {s.timeline.start.replace('T', ' ')}")
    yield f"{t.report} · {' · '.join(facts)}"
    share = t.share.format(phrases.percent(s.flagged_share))
    tiles = [(t.messages, f"{s.rows:,}"), (t.flagged, f"{s.flagged:,} ({share})")]
    tiles += [(t.actions_by_name[a], f"{n:,}") for a, n in s.actions.items() if a != "allow"]
    if s.invalid:
        tiles.append((t.invalid, f"{s.invalid:,}"))
    yield "\n".join(f"- {name}: **{value}**" for name, value in tiles)


def _compared(s: Summary, t: Words) -> Iterator[str]:
    if s.comparison is None:
        return
    c = s.comparison
    yield f"## {t.compared}"
    yield " · ".join([t.compared_with.format(escaped(c.title)), code(c.source)])
    if not c.same_judge:
        yield f"**{t.other_judge.format(f'{c.model}, {c.mode}')}**"
    yield table(
        (t.figure, t.before, t.now, t.change),
        (
            (
                phrases.figure(change.figure, words=t),
                phrases.counted(change.before, change.before_share),
                phrases.counted(change.now, change.now_share),
                phrases.changed(change, words=t),
            )
            for change in c.changes
            if change.before or change.now
        ),
    )
    yield f"### {t.drift}"
    yield t.drift_note
    if c.drift.unknown_now is not None:
        shares = (c.drift.unknown_before, c.drift.unknown_now)
        yield f"{t.unknown_share}: " + " → ".join(
            phrases.percent(share) for share in shares if share is not None
        )
    distances = ((t.labels_by_name[n], d) for n, d in c.drift.scores.items() if d is not None)
    yield table((t.label, t.distance), ((name, phrases.score(d)) for name, d in distances))


def _timeline(s: Summary, t: Words) -> Iterator[str]:
    yield f"## {t.timeline}"
    if s.timeline is None:
        yield t.no_times
        return
    yield table(
        (t.offset, t.messages, t.flagged),
        (
            (phrases.offset(b.offset_s), f"{b.messages:,}", f"{b.flagged:,}")
            for b in coarser(s.timeline, _ROWS)
        ),
    )
    if s.untimed:
        yield t.untimed.format(phrases.number(s.untimed))
    if s.timeline.peaks:
        yield f"### {t.peaks}"
        yield f"{t.peaks_note} ({t.per_bucket.format(s.timeline.bucket_s // 60)}) {t.said}"
    for peak in s.timeline.peaks:
        when = " ".join(
            filter(None, (phrases.offset(peak.offset_s), phrases.clock(s.timeline, peak.offset_s)))
        )
        head = f"**{when}** · {t.messages} {peak.messages:,} · {t.flagged} {peak.flagged:,}"
        yield "\n".join([head, "", *(_said(line, t) for line in peak.lines)]).rstrip()


def _found(s: Summary, t: Words) -> Iterator[str]:
    yield f"## {t.labels}"
    yield t.labels_note
    yield table((t.label, t.count), ((t.labels_by_name[n], f"{c:,}") for n, c in s.labels.items()))
    yield f"## {t.expressions}"
    if not s.expressions:
        yield t.none_found
        return
    error = t.at_most_low.format(f"{s.expressions_error:,}") if s.expressions_error else t.exact
    yield f"{t.expressions_note} {error}"
    for e in s.expressions:
        # Raw HTML up to the empty line: escaped as such.
        name = f"{html.escape(phrases.partly_masked(e.key))} · {t.labels_by_name[e.label]}"
        before = ""
        if s.comparison:
            known = s.comparison.expressions.get(e.key)
            before = f" ({t.new if known is None else f'{t.before} {known:,}'})"
        spellings = (f"- {code(v.text)} {v.count:,}" for v in e.variants)
        head = f"<details><summary>{name} · {e.count:,}{before}</summary>"
        yield "\n".join([head, "", *spellings, "", "</details>"])


def _offenders(s: Summary, t: Words) -> Iterator[str]:
    yield f"## {t.offenders}"
    if not s.offenders:
        yield t.none_found
        return
    error = t.at_most_low.format(f"{s.offenders_error:,}") if s.offenders_error else t.exact
    yield f"{t.offenders_note} {error}"
    again = s.comparison.offenders if s.comparison else ()
    yield table(
        (t.offender, t.count, t.first, t.last),
        (
            (
                code(o.pseudonym) + (f" {t.again}" if o.pseudonym in again else ""),
                f"{o.count:,}",
                phrases.offset(o.first_s),
                phrases.offset(o.last_s),
            )
            for o in s.offenders
        ),
    )


def _lines(s: Summary, t: Words) -> Iterator[str]:
    yield f"## {t.samples}"
    yield t.samples_note if s.samples else t.none_found
    if s.samples:
        yield "\n".join(_line(line, t) for line in s.samples)
    yield f"## {t.review}"
    shown = queues(s)
    yield t.review_csv if shown else t.none_found
    for kind, lines in shown.items():
        yield f"### {t.queues_by_name[kind]}"
        yield t.notes_by_queue[kind]
        yield "\n".join(_line(line, t) for line in lines)


def _verdicts(s: Summary, t: Words) -> Iterator[str]:
    if s.verdicts is None:
        return
    v = s.verdicts
    yield f"## {t.verdicts}"
    yield t.verdicts_note.format(f"{v.lines:,}", f"{v.judged:,}")
    precision = phrases.estimated(v.precision, words=t) if v.precision else t.nothing_yet
    missed = phrases.estimated(v.missed, words=t) if v.missed else t.nothing_yet
    if v.missed:
        rows = phrases.between(v.missed, s.judged - s.flagged)
        missed += f" {t.missed_rows.format(rows)}"
    yield f"- {t.precision}: **{precision}**\n- {t.missed}: **{missed}**"
    kinds = ((t.queues_by_name[name], k) for name, k in v.kinds.items() if k.lines)
    yield table(
        (t.review, t.judged, t.abusive),
        ((name, f"{k.judged:,} / {k.lines:,}", f"{k.abusive:,}") for name, k in kinds),
    )


def _problems(s: Summary, t: Words) -> Iterator[str]:
    if s.problems:
        yield f"## {t.problems}"
        rows = ((t.problems_by_name[name], f"{count:,}") for name, count in s.problems.items())
        yield table((t.problem, t.count), rows)


def _line(line: Line, t: Words) -> str:
    where = f"{line.file} {line.row:,}".strip()
    facts = [t.actions_by_name[line.action], t.labels_by_name[line.label]]
    facts += [f"{phrases.score(line.score)} / {phrases.score(line.threshold)}"]
    facts += [phrases.offset(line.offset_s)] if line.offset_s is not None else []
    return f"- {code(line.masked)} — {' · '.join(facts)} · {t.row} {escaped(where)}"


def _said(line: Line, t: Words) -> str:
    action = "" if line.action == "allow" else f" — {t.actions_by_name[line.action]}"
    return f"- {phrases.offset(line.offset_s)} {code(line.masked)}{action}"
