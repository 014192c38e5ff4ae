"""gounmal: is this chat line abusive, how, where in the line, and what should happen to it."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

# ONNX Runtime reports on its use to its makers unless this is set before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from gounmal.errors import GounmalError
    from gounmal.moderator import Moderator
    from gounmal.policy import Policy
    from gounmal.schema import Action, Decision, Label, Message, Mode, Reason, Span

__version__ = "0.1.0"

__all__ = [
    "Action",
    "Decision",
    "GounmalError",
    "Label",
    "Message",
    "Mode",
    "Moderator",
    "Policy",
    "Reason",
    "Span",
]

_ROOMS = {"GounmalError": "errors", "Moderator": "moderator", "Policy": "policy"}
"""Where names are, if not in `schema`."""

if not TYPE_CHECKING:  # which would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Import what is asked for, then: `gounmal --help` needs none, and numpy takes a while."""
        if name in {"schema", *_ROOMS.values()}:
            return import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{__name__}.{_ROOMS.get(name, 'schema')}"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
