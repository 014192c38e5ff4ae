"""The obfuscation generator: honest lines → disguised ones, with known spans kept in sight.

Applied to abusive and harmless lines alike: odd spelling alone must not be evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gounmal.text.views import View
from train import disguises, rewritings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from train.disguises import Rule

RULES: Mapping[str, Rule] = {
    "choseong": disguises.choseong,
    "partial choseong": disguises.partial_choseong,
    "jamo": disguises.jamo,
    "loose tail": disguises.loose_tail,
    "nfd": disguises.decomposed,
    "spacing": disguises.spaced,
    "symbols": disguises.symbols,
    "digits": disguises.digits,
    "laughter": disguises.laughter,
    "invisible": disguises.invisible,
    "masks": disguises.masked,
    "ornaments": disguises.ornaments,
    "no spacing": disguises.unspaced,
    "lead sound": disguises.lead_sound,
    "vowel sound": disguises.vowel_sound,
    "tail sound": disguises.tail_sound,
    "extra tail": disguises.extra_tail,
    "stretching": disguises.stretched,
    "liaison": disguises.linked,
    "swap": disguises.swapped,
    "keyboard": rewritings.keyboard,
    "romanised": rewritings.romanised,
    "vowel glyphs": rewritings.vowel_glyphs,
    "lead glyphs": rewritings.lead_glyphs,
    "boxes": rewritings.boxes,
    "hanja": rewritings.hanja,
    "turned": rewritings.turned,
    "full width": rewritings.widened,
    "stand-ins": rewritings.stand_ins,
}
"""Every kind of evasion."""

_SCRAMBLING = ("choseong", "keyboard", "romanised", "jamo", "nfd")
"""Kinds that leave hardly a syllable: they come last, or nothing would be left to disguise."""

WEIGHTS = {"masks": 0.3, "turned": 0.3, "full width": 0.3, "nfd": 0.4, "boxes": 0.5, "swap": 1.5}
"""How often a kind is picked; 1 unless it stands here."""

STRENGTHS: Mapping[str, tuple[int, float]] = {
    "easy": (2, 0.3),
    "normal": (3, 0.5),
    "hard": (4, 0.6),
}
"""Number of rules, and share of the syllables that each of them touches."""


@dataclass(frozen=True, slots=True)
class Disguised:
    """A disguised line."""

    view: View
    """Its text, each character standing for characters of the honest line."""
    kinds: tuple[str, ...]
    """What was done to it, in order; what changed nothing is left out."""

    @property
    def text(self) -> str:
        """The disguised line."""
        return self.view.text

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where characters `[start, end)` of the honest line are now, None if they are gone."""
        places = zip(self.view.starts, self.view.ends, strict=True)
        there = [i for i, (first, last) in enumerate(places) if first < end and last > start]
        return (there[0], there[-1] + 1) if there else None


def obfuscate(  # noqa: PLR0913  (keyword-only settings)
    text: str,
    rng: Random,
    *,
    kinds: Sequence[str] = tuple(RULES),
    n_rules: tuple[int, int] = (1, 2),
    where: range | None = None,
    share: float | None = None,
) -> Disguised:
    """Disguise a line.

    Args:
        text: the honest line.
        rng: the same generator state gives the same line.
        kinds: names in `RULES` to pick from.
        n_rules: least and most rules to apply.
        where: offsets of the part to disguise, by default all of it.
        share: how much of what a rule could change it does change, 0 to 1; by default anything
            from a single syllable to all of them.
    """
    where = range(len(text)) if where is None else where
    share = rng.choice((0.0, 0.3, 0.6, 1.0)) if share is None else share
    picked = _pick(kinds, rng, rng.randint(*n_rules))
    view = View.identity(text)
    done = []
    for kind in sorted(picked, key=_SCRAMBLING.__contains__):
        changed = RULES[kind](view, rng, where, share)
        if changed.text != view.text:
            done.append(kind)
        view = changed
    return Disguised(view, tuple(done))


def scramble(text: str, rng: Random, *, strength: str) -> Disguised:
    """Disguise all of a line, as hard to read as one of `STRENGTHS` says."""
    n_rules, share = STRENGTHS[strength]
    return obfuscate(text, rng, kinds=SPREADING, n_rules=(n_rules, n_rules), share=share)


SPREADING = tuple(
    kind for kind in RULES if kind not in {"choseong", "keyboard", "invisible", "nfd"}
)
"""Kinds that leave a whole sentence readable to a patient reader."""


def insert(text: str, expression: str, rng: Random) -> tuple[str, tuple[int, int]]:
    """Put an expression into a line, at a word boundary.

    Returns:
        The line, and the offsets of the expression in it.
    """
    gaps = [0, len(text), *(i for i, c in enumerate(text) if c == " ")]
    at = rng.choice(gaps)
    before, after = text[:at].rstrip(), text[at:].lstrip()
    glue = " " if before and (rng.random() < 0.85) else ""
    start = len(before) + len(glue)
    end = start + len(expression)
    tail = (" " if rng.random() < 0.85 else "") + after if after else ""
    return before + glue + expression + tail, (start, end)


def _pick(kinds: Sequence[str], rng: Random, n: int) -> list[str]:
    """`n` different kinds, by weight."""
    left = list(kinds)
    picked: list[str] = []
    while left and len(picked) < n:
        kind = rng.choices(left, [WEIGHTS.get(k, 1.0) for k in left])[0]
        left.remove(kind)
        picked.append(kind)
    return picked
