"""Which column of a file is what: by its name, or as the user says."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from gounmal.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gounmal.files.sources import Place


class Role(StrEnum):
    """What a column is to us."""

    TEXT = "text"
    TIME = "time"
    USER = "user"
    CHANNEL = "channel"


ROLE_NAMES: Mapping[Role, tuple[str, ...]] = {
    Role.TEXT: (
        *("text", "message", "msg", "content", "comment", "chat", "body", "chattext"),
        *("chatmessage", "messagetext", "내용", "채팅", "메시지", "메세지", "댓글", "본문"),
        *("채팅내용", "메시지내용", "댓글내용", "문장"),
    ),
    Role.TIME: (
        *("time", "timestamp", "ts", "createdat", "sentat", "datetime", "date", "offset"),
        *("publishedat", "시간", "시각", "일시", "작성일", "작성일시", "작성시간", "등록일시"),
    ),
    Role.USER: (
        *("user", "userid", "username", "author", "authorid", "nickname", "nick", "sender"),
        *("name", "사용자", "유저", "작성자", "닉네임", "아이디", "회원"),
    ),
    Role.CHANNEL: (
        *("channel", "channelid", "room", "roomid", "stream", "broadcast", "broadcastid"),
        *("채널", "방", "방송", "채팅방"),
    ),
}
"""Names by which columns are known, the likeliest first; case, spaces, `_` and `-` do not count."""

_KNOWN = frozenset(name for names in ROLE_NAMES.values() for name in names)


def find_roles(path: Place, columns: tuple[str, ...], names: Mapping[Role, str]) -> dict[Role, str]:
    """Tell which column is what.

    Args:
        path: for the error message.
        columns: the file's.
        names: those named by the user; the others are looked for by `ROLE_NAMES`.

    Raises:
        InvalidInput: a named column is not there, or no text column can be told.
    """
    known = {_plain(column): column for column in reversed(columns)}
    roles: dict[Role, str] = {}
    for role in Role:
        if role in names:
            if names[role] not in columns:
                raise InvalidInput(
                    f"{path}: no column {names[role]!r} for --{role}: there are {_listed(columns)}"
                )
            roles[role] = names[role]
        elif found := next((known[n] for n in ROLE_NAMES[role] if n in known), None):
            roles[role] = found
    if Role.TEXT not in roles:
        if len(columns) != 1:
            raise InvalidInput(
                f"{path}: no text column found among {_listed(columns)}: name it with --text"
            )
        roles[Role.TEXT] = columns[0]
    # A column means one thing: what was named, and the text, come first.
    taken = {names[role] for role in names} | {roles[Role.TEXT]}
    return {r: c for r, c in roles.items() if r in names or r is Role.TEXT or c not in taken}


def known_name(column: str) -> bool:
    """Is it a name by which columns are known?"""
    return _plain(column) in _KNOWN


def _listed(columns: tuple[str, ...]) -> str:
    """Those of known names, and how many others: without a header those would be messages."""
    shown = [repr(column) for column in columns if known_name(column)][:20]
    others = len(columns) - len(shown)
    if others:
        shown.append(f"{others} of {'other' if shown else 'unknown'} names")
    return ", ".join(shown)


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in " _-\t")


def unique_names(names: list[str]) -> tuple[str, ...]:
    """Names of which none occurs twice: the second `x` is `x_2`."""
    seen: dict[str, None] = {}
    for name in names:
        candidate, number = name, 1
        while candidate in seen:
            number += 1
            candidate = f"{name}_{number}"
        seen[candidate] = None
    return tuple(seen)
