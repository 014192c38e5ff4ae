"""Hangul by its parts: jamo, composition, the dubeolsik keyboard.

All jamo here are compatibility jamo (ㄱ U+3131 to ㅣ U+3163), the ones that people type.
"""

from __future__ import annotations

LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
TAILS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
FIRST = 0xAC00

LEAD_INDEX = {jamo: i for i, jamo in enumerate(LEADS)}
VOWEL_INDEX = {jamo: i for i, jamo in enumerate(VOWELS)}
TAIL_INDEX = {jamo: i for i, jamo in enumerate(TAILS)}

COMPOUND_VOWELS = {
    "ㅗㅏ": "ㅘ", "ㅗㅐ": "ㅙ", "ㅗㅣ": "ㅚ",
    "ㅜㅓ": "ㅝ", "ㅜㅔ": "ㅞ", "ㅜㅣ": "ㅟ", "ㅡㅣ": "ㅢ",
}  # fmt: skip
"""What the keyboard makes of two vowels."""

DRAWN_VOWELS = {**COMPOUND_VOWELS, "ㅏㅣ": "ㅐ", "ㅑㅣ": "ㅒ", "ㅓㅣ": "ㅔ", "ㅕㅣ": "ㅖ"}
"""What two vowels look like side by side."""

CLUSTERS = {
    "ㄱㅅ": "ㄳ", "ㄴㅈ": "ㄵ", "ㄴㅎ": "ㄶ", "ㄹㄱ": "ㄺ", "ㄹㅁ": "ㄻ", "ㄹㅂ": "ㄼ",
    "ㄹㅅ": "ㄽ", "ㄹㅌ": "ㄾ", "ㄹㅍ": "ㄿ", "ㄹㅎ": "ㅀ", "ㅂㅅ": "ㅄ",
}  # fmt: skip

TENSE = {"ㄱ": "ㄲ", "ㄷ": "ㄸ", "ㅂ": "ㅃ", "ㅅ": "ㅆ", "ㅈ": "ㅉ"}

DUBEOLSIK = dict(
    zip(
        "qwertyuiopasdfghjklzxcvbnm",
        "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ",
        strict=True,
    )
)
DUBEOLSIK |= {key.upper(): jamo for key, jamo in DUBEOLSIK.items()}
DUBEOLSIK |= dict(zip("QWERTOP", "ㅃㅉㄸㄲㅆㅒㅖ", strict=True))
"""Key to jamo, by case: shift changes seven keys only."""


def is_syllable(character: str) -> bool:
    """Is this one precomposed Hangul syllable?"""
    return "가" <= character <= "힣"


def split(syllable: str) -> tuple[str, str, str]:
    """Lead, vowel and tail ("" for none) of a precomposed syllable."""
    code = ord(syllable) - FIRST
    return LEADS[code // 588], VOWELS[code % 588 // 28], TAILS[code % 28]


def join(lead: str, vowel: str, tail: str = "") -> str:
    """The syllable of these jamo."""
    return chr(FIRST + LEAD_INDEX[lead] * 588 + VOWEL_INDEX[vowel] * 28 + TAIL_INDEX[tail])


def open_syllables(vowels: str) -> str:
    """The syllables without a tail that have these vowels."""
    return "".join(join(lead, vowel) for lead in LEADS for vowel in vowels)


def compose(text: str) -> list[tuple[str, int, int]]:
    """Read a run of jamo, which may begin with a syllable, as the syllables that it spells.

    What spells nothing stays as it is: laughter, crying (ㅠㅠ), initials. Repeated vowels count
    once, and two vowels make the one that they look like (ㅓㅣ is ㅔ).

    Returns:
        (character, start, end) of each resulting character, in order and without gaps.
    """
    pieces: list[tuple[str, int, int]] = []
    at = 0
    while at < len(text):
        character = text[at]
        lead_end = _lead_end(text, at)
        # A consonant between two of the same vowel is a nose, as in ㅡㅅㅡ.
        if lead_end and not (pieces and pieces[-1][0] == text[lead_end]):
            lead = TENSE[character] if lead_end - at == 2 else character
            vowel, end = _read_vowel(text, lead_end + 1, text[lead_end])
            tail, end = _read_tail(text, end)
            pieces.append((join(lead, vowel, tail), at, end))
        elif at == 0 and is_syllable(character) and not split(character)[2]:
            lead, vowel, _ = split(character)
            vowel, end = _read_vowel(text, 1, vowel)
            tail, end = _read_tail_of_whole(text, end, character)
            pieces.append((join(lead, vowel, tail), 0, end))
        else:
            end = at + 1
            pieces.append((character, at, end))
        at = end
    return pieces


def _lead_end(text: str, at: int) -> int:
    """Where the vowel after a lead at `at` stands, or 0 if no syllable begins here."""
    if text[at : at + 1] not in LEAD_INDEX:
        return 0
    if _vowel_at(text, at + 1):
        laughs = text[at] in "ㅋㅎ" and text[at + 1] in "ㅠㅜㅗㅡ"
        return 0 if laughs else at + 1
    doubled = text[at] in TENSE and text[at + 1 : at + 2] == text[at]
    return at + 2 if doubled and _vowel_at(text, at + 2) else 0


def _vowel_at(text: str, at: int) -> bool:
    """Is there a vowel that belongs to a syllable? The doubled ones of ㅠㅠ and ㅡㅡ do not."""
    if text[at : at + 1] not in VOWEL_INDEX:
        return False
    return not (text[at] in "ㅠㅜㅗㅡ" and text[at + 1 : at + 2] == text[at])


def _read_vowel(text: str, at: int, vowel: str) -> tuple[str, int]:
    """Join the vowels from `at` on to `vowel`; the whole vowel and where it ends."""
    while at < len(text) and text[at] in VOWEL_INDEX:
        merged = vowel if text[at] == vowel else DRAWN_VOWELS.get(vowel + text[at])
        if merged is None or (text[at] in "ㅠㅜㅗㅡ" and text[at + 1 : at + 2] == text[at]):
            break
        vowel = merged
        at += 1
    return vowel, at


def _read_tail(text: str, at: int) -> tuple[str, int]:
    """The tail that stands at `at`, "" if the consonant there belongs elsewhere; where it ends."""
    tail, following = text[at : at + 1], text[at + 1 : at + 2]
    if tail not in TAIL_INDEX or not tail:
        return "", at
    if _vowel_at(text, at + 1) or (following == tail and not _vowel_at(text, at + 2)):
        return "", at
    cluster = CLUSTERS.get(tail + following)
    if cluster and text[at + 2 : at + 3] in LEAD_INDEX and _vowel_at(text, at + 3):
        return cluster, at + 2
    return tail, at + 1


def _read_tail_of_whole(text: str, at: int, syllable: str) -> tuple[str, int]:
    """The same after a syllable that was typed whole: only where nobody would mean initials."""
    tail = text[at : at + 1]
    wanted = tail in {"ㄱ", "ㄴ", "ㄹ", "ㅁ", "ㅇ"} or (syllable + tail) in {"조ㅈ", "조ㅅ", "벼ㅇ"}
    ends_there = at + 1 == len(text) or bool(_lead_end(text, at + 1))
    if not wanted or not ends_there or _vowel_at(text, at + 1):
        return "", at
    return tail, at + 1


def type_dubeolsik(keys: str) -> list[tuple[str, int, int]] | None:
    """What these keys type on a Korean keyboard, or None unless all of it is whole syllables.

    Returns:
        (syllable, start, end) of each syllable.
    """
    jamo = "".join(DUBEOLSIK.get(key, "?") for key in keys)
    pieces = []
    at = 0
    while at < len(jamo):
        if jamo[at] not in LEAD_INDEX or jamo[at + 1 : at + 2] not in VOWEL_INDEX:
            return None
        vowel, end = jamo[at + 1], at + 2
        compound = COMPOUND_VOWELS.get(vowel + jamo[end : end + 1])
        if compound:
            vowel, end = compound, end + 1
        tail, end = _typed_tail(jamo, end)
        pieces.append((join(jamo[at], vowel, tail), at, end))
        at = end
    return pieces


def _typed_tail(jamo: str, at: int) -> tuple[str, int]:
    tail = jamo[at : at + 1]
    if not tail or tail not in TAIL_INDEX or jamo[at + 1 : at + 2] in VOWEL_INDEX:
        return "", at
    cluster = CLUSTERS.get(jamo[at : at + 2])
    if cluster and jamo[at + 2 : at + 3] not in VOWEL_INDEX:
        return cluster, at + 2
    return tail, at + 1
