"""Who can reach this server, and so: who must show a key?

| variable | meaning | default |
|---|---|---|
| `GOUNMAL_API_KEYS` | `key` or `name:key`, between commas: who may call | |
| `GOUNMAL_API_KEYS_FILE` | a file of them, one a line; read again when it changes | |
| `GOUNMAL_OPEN` | 1: nobody needs a key, wherever this listens | |
| `GOUNMAL_METRICS_OPEN` | 1: `/metrics` needs no key, even where all else does | |
| `GOUNMAL_RATE` | lines a second of one key, in each worker: `200`, or with a burst `200:2000` | |
| `GOUNMAL_IN_FLIGHT` | requests and streams of one key at once, in each worker | 1024 |
| `GOUNMAL_CORS_ORIGINS` | origins whose pages may call, between commas | |

With keys, they are needed. Without any, a server that listens on this machine only needs none, and
one that others can reach does not start, unless `GOUNMAL_OPEN` says so or a cloud's platform is in
front (`gounmal.api.clouds`).

What is asked of BentoML's command line is an intention, known before anything starts: a wrong one
is an error of one line. What a worker finds itself listening on is the truth, whoever started it;
one that others can reach, or that cannot tell, and has neither keys nor leave, lets nobody in.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gounmal.api.clouds import Platform
from gounmal.errors import InvalidConfiguration
from gounmal.gate.keys import VARIABLE, Keys
from gounmal.gate.limits import FULL_LIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOCAL = "127.0.0.1"

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::\d+)?|https?://\[[0-9a-f:]+\](?::\d+)?")


@dataclass(frozen=True, slots=True)
class Exposure:
    """The environment variables above."""

    keys: Keys | None = None
    open: bool = False
    metrics_open: bool = False
    rate: tuple[float, float] | None = None
    """Lines a second, and how many at once."""
    in_flight: int = 1024
    origins: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Exposure:
        """Read the environment, and the file of keys if it names one.

        Raises:
            InvalidConfiguration: a variable says what it cannot say; no key is quoted.
        """
        written, file = environ.get(VARIABLE, ""), environ.get(f"{VARIABLE}_FILE")
        keys = Keys(written, Path(file) if file else None) if written.strip() or file else None
        if keys is not None and not file and not keys.names:
            raise InvalidConfiguration(f"{VARIABLE}: expected at least one key")
        told = _flag(environ, "GOUNMAL_OPEN")
        if told and keys is not None:
            raise InvalidConfiguration(f"GOUNMAL_OPEN=1 beside {VARIABLE}: expected one of the two")
        return cls(
            keys=keys,
            open=told or (keys is None and Platform.read(environ) is not None),
            metrics_open=_flag(environ, "GOUNMAL_METRICS_OPEN"),
            rate=_rate(environ.get("GOUNMAL_RATE") or ""),
            in_flight=_count(environ.get("GOUNMAL_IN_FLIGHT") or "1024"),
            origins=_origins(environ.get("GOUNMAL_CORS_ORIGINS") or ""),
        )

    def check(self, host: str) -> None:
        """Before anything listens: may it, there?

        Raises:
            InvalidConfiguration: others could reach it, and nothing says who may.
        """
        if self.keys is None and not self.open and not is_local(host):
            raise InvalidConfiguration(
                f"listening on {host}, anybody who reaches this machine could call: name API keys "
                f"in {VARIABLE} or {VARIABLE}_FILE, or say GOUNMAL_OPEN=1 (something else checks "
                f"callers), or listen on this machine only (--host {LOCAL})"
            )


def is_local(host: str) -> bool:
    """Does only this machine reach it?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def asked_host(default: str) -> str:
    """Where the command that is running was told to listen."""
    context = click.get_current_context(silent=True)
    return (context and context.params.get("host")) or default


def only_local(hosts: Iterable[str]) -> bool:
    """Of addresses that are listened on: is there any, and none that others reach?"""
    found = list(hosts)
    return bool(found) and all(is_local(host) for host in found)


def listening() -> list[str]:
    """Addresses of the TCP sockets on which this process listens."""
    addresses = []
    for entry in os.scandir("/dev/fd"):
        descriptor = int(entry.name)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as found:
                internet = found.family in {socket.AF_INET, socket.AF_INET6}
                if internet and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    addresses.append(found.getsockname()[0])
        except OSError:
            continue  # closed meanwhile, such as the one that listed the folder
    return addresses


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "")
    if value not in {"", "0", "1"}:
        raise InvalidConfiguration(f"{name}: expected 1, or nothing")
    return value == "1"


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value)):
        raise InvalidConfiguration("GOUNMAL_IN_FLIGHT: expected a number, 1 or more")
    return int(value)


def _rate(value: str) -> tuple[float, float] | None:
    if not value:
        return None
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(?::(\d{1,9}))?", value, re.ASCII)
    if match is None or not float(match[1]) or match[2] == "0":
        raise InvalidConfiguration(
            "GOUNMAL_RATE: expected lines a second, such as 200, or with a burst, such as 200:2000"
        )
    rate = float(match[1])
    return rate, float(match[2]) if match[2] else max(rate, FULL_LIST)


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(filter(None, re.split(r"[,\s]+", value)))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidConfiguration(
                f"GOUNMAL_CORS_ORIGINS: expected origins such as https://a.example, not {origin}"
            )
    return origins
