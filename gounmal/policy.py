"""What is moderated: the policy file, and the one pure function that turns scores into a Decision.

`decide` knows nothing of models, files or servers: numbers and a policy in, a Decision out, and an
answer for every input.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gounmal.errors import InvalidPolicy
from gounmal.schema import LABELS, Action, Decision, Label, Message, Mode, Reason
from gounmal.spans import apart, blocklist_spans, masked, model_spans
from gounmal.text.normalize import normalize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gounmal.text.normalize import Normalized

DEFAULT_ACTIONS = {
    Label.PROFANITY: Action.MASK,
    Label.INSULT: Action.HOLD,
    Label.HATE: Action.BLOCK,
}

SCORE_DIGITS = 4
"""Scores are rounded before they are compared, so that what is shown is what was decided on."""

_UNITS = np.float64(10**SCORE_DIGITS)

_HATEFUL = tuple(i for i, label in enumerate(LABELS) if Label.HATE in {label, label.parent})
"""Where `hate` and its kinds stand, itself first."""

Threshold = Annotated[float, Field(ge=0, le=1)]
Expression = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice: the first one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  (PyYAML's)
        """As PyYAML's."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise yaml.constructor.ConstructorError(
                    problem=f"{name!r} is there twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


class BlocklistEntry(BaseModel):
    """One expression that is always flagged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Expression
    label: Label = Label.PROFANITY


class Rules(BaseModel):
    """The keys that the file and each of its channels may have; None and empty mean inherited."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode | None = None
    actions: dict[Label, Action] = Field(default_factory=dict)
    thresholds: dict[Label, Threshold] = Field(default_factory=dict)
    blocklist: list[Expression | BlocklistEntry] = Field(default_factory=list)
    allowlist: list[Expression] = Field(default_factory=list)


class PolicyFile(Rules):
    """policy.yaml."""

    channels: dict[str, Rules] = Field(default_factory=dict)


class Verdict(NamedTuple):
    """What a policy makes of the labels that were found."""

    action: Action
    labels: tuple[Label, ...]
    """All of them, `hate` beside its kinds, in taxonomy order."""
    located: tuple[Label, ...]
    """Those whose evidence says where: `hate` only where none of its kinds was found."""


@dataclass(frozen=True)
class Policy:
    """The rules in force for one channel; `for_channel` gives those of another."""

    mode: Mode = Mode.BALANCED
    actions: Mapping[Label, Action] = field(default_factory=lambda: DEFAULT_ACTIONS)
    thresholds: Mapping[Label, float] = field(default_factory=dict)
    blocklist: tuple[tuple[str, Label], ...] = ()
    allowlist: tuple[str, ...] = ()
    channels: Mapping[str, Policy] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read policy.yaml.

        Raises:
            InvalidPolicy: no such file, no YAML, an unknown key, or a value out of its vocabulary.
        """
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  (a safe one)
        except OSError as error:
            raise InvalidPolicy(f"{path}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InvalidPolicy(f"{path}: not a YAML file: {error}") from error
        try:
            return cls.parse({} if content is None else content)
        except InvalidPolicy as error:
            raise InvalidPolicy(f"{path}: {error}") from error

    @classmethod
    def parse(cls, content: Any) -> Policy:
        """Make a Policy from the content of a policy file.

        Raises:
            InvalidPolicy: as for `load`.
        """
        try:
            file = PolicyFile.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise InvalidPolicy(f"{where}: {first['msg']}") from error
        base = cls().extended(file)
        return replace(base, channels={n: base.extended(r) for n, r in file.channels.items()})

    def extended(self, rules: Rules) -> Policy:
        """These rules with others on top: lists add, the rest replaces."""
        blocklist = tuple(
            (_key(entry), Label.PROFANITY)
            if isinstance(entry, str)
            else (_key(entry.text), entry.label)
            for entry in rules.blocklist
        )
        return Policy(
            mode=rules.mode or self.mode,
            actions={**self.actions, **rules.actions},
            thresholds={**self.thresholds, **rules.thresholds},
            blocklist=self.blocklist + blocklist,
            allowlist=self.allowlist + tuple(_key(text) for text in rules.allowlist),
        )

    def for_channel(self, channel: str | None) -> Policy:
        """The rules of this channel, or these where the channel has none of its own."""
        return self.channels.get(channel, self) if channel is not None else self

    def action(self, label: Label) -> Action:
        """The action for this label: its own, else its parent's."""
        if label in self.actions:
            return self.actions[label]
        return self.actions[label.parent] if label.parent else Action.ALLOW

    def verdict(self, found: tuple[Label, ...], listed: frozenset[Label] = frozenset()) -> Verdict:
        """What to do about labels, at least one.

        Args:
            found: those that reach their thresholds, in taxonomy order.
            listed: those of blocklisted expressions.
        """
        known = self._verdicts.get((found, listed))
        if known is None:
            brought = {label.parent for label in found if label.parent}
            # Where a kind of hate was found it speaks for `hate`, which may have a harder action.
            located = tuple(label for label in found if label not in brought)
            telling = {*located, *listed}
            known = self._verdicts[found, listed] = Verdict(
                action=max(map(self.action, telling), key=_severity),
                labels=tuple(label for label in LABELS if label in telling | brought),
                located=located,
            )
        return known

    @cached_property
    def _verdicts(self) -> dict[tuple[Sequence[Label], frozenset[Label]], Verdict]:
        """Those given so far: flagged lines are alike in this."""
        return {}


def ruled(channel: object, rules: Mapping[str, object]) -> str | None:
    """The name of a channel that has rules of its own in the policy; None for any other."""
    if not rules:
        return None
    name = str(channel) if isinstance(channel, str | int) else None
    return name if name in rules else None


def exempt(normalized: Normalized, policy: Policy) -> str:
    """The text as the model gets to see it: allowlisted expressions blanked, same length."""
    text = normalized.original
    for expression in policy.allowlist:
        for start, end in normalized.find(expression):
            text = text[:start] + " " * (end - start) + text[end:]
    return text


def decide(  # noqa: PLR0913  (the whole policy in one place, each input named)
    message: Message,
    normalized: Normalized,
    scores: NDArray[np.float32],
    evidence: NDArray[np.float32],
    *,
    limits: Sequence[float],
    span_threshold: float,
    policy: Policy,
    model: str,
    values: list[float] | None = None,
) -> Decision:
    """Turn one message's scores into its Decision.

    Args:
        message: what was asked.
        normalized: its views, for the blocklist.
        scores: float32[n_labels], calibrated probabilities in the order of `LABELS`.
        evidence: float32[len(message.text), n_labels], how much each character speaks for a label.
        limits: the thresholds in force, as `limits_of` gives them.
        span_threshold: a character with at least this much evidence belongs to a span.
        policy: the rules of the message's channel.
        model: store tag of the model.
        values: the scores as `shown`, where that is known already.
    """
    values = values or shown_alone(scores)
    found = tuple(
        label for label, v, limit in zip(LABELS, values, limits, strict=True) if v >= limit
    )
    listed = list(blocklist_spans(normalized, policy.blocklist)) if policy.blocklist else []
    if not found and not listed:
        visible = normalized.visible
        return harmless(message, values, visible=visible, policy=policy, model=model)
    verdict = policy.verdict(found, frozenset([span.label for span in listed]))
    spans = apart([*listed, *model_spans(message.text, evidence, verdict.located, span_threshold)])
    return Decision(  # by position, as below
        verdict.action,
        True,
        verdict.labels,
        dict(zip(LABELS, values, strict=True)),
        tuple(spans),
        masked(message.text, spans),
        Reason.BLOCKLIST if listed else Reason.MODEL,
        model,
        policy.mode,
        message.id,
    )


def harmless(
    message: Message, values: list[float], *, visible: bool, policy: Policy, model: str
) -> Decision:
    """The Decision on a message in which nothing was found.

    Args:
        message: what was asked.
        values: its scores, as `shown`.
        visible: is there anything to judge?
        policy: the rules of the message's channel.
        model: store tag of the model.
    """
    return Decision(  # by position, which takes less time than by keyword: most chat is this
        Action.ALLOW,
        False,
        (),
        dict(zip(LABELS, values, strict=True)),
        (),
        message.text,
        Reason.CLEAN if visible else Reason.EMPTY,
        model,
        policy.mode,
        message.id,
    )


def is_listed(normalized: Normalized, policy: Policy) -> bool:
    """Is a blocklisted expression anywhere in the text?"""
    texts = [view.text for view in normalized.views]
    return any(expression in text for expression, _ in policy.blocklist for text in texts)


def limits_of(policy: Policy, thresholds: Mapping[Mode, Mapping[Label, float]]) -> list[float]:
    """The thresholds in force, in the order of `LABELS`."""
    limits = {**thresholds[policy.mode], **policy.thresholds}
    return [limits[label] for label in LABELS]


def shown_alone(scores: NDArray[np.float32]) -> list[float]:
    """The same as `shown`, of one message: float32[n_labels] → numbers."""
    values = [round(score, SCORE_DIGITS) for score in scores.tolist()]
    values[_HATEFUL[0]] = max([values[i] for i in _HATEFUL])
    return values


def shown(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores as they are shown and decided on: float32[n, labels] → float64[n, labels].

    Rounded as Python's `round` does: a float32 times 10⁴ is exact in float64.
    """
    values = np.rint(scores * np.float64(_UNITS)) / _UNITS
    # A hostile line about a group is hateful, whichever of the two heads saw it first.
    values[:, _HATEFUL[0]] = values[:, _HATEFUL].max(axis=1)
    return values


def _severity(action: Action) -> int:
    return action.severity


def _key(expression: str) -> str:
    """The form in which expressions are compared.

    Raises:
        InvalidPolicy: there is nothing visible in it: it would be in no text, or in all.
    """
    if key := normalize(expression).canonical.text:
        return key
    raise InvalidPolicy("blocklist, allowlist: an expression has no visible character")
