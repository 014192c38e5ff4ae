"""gounmal: is this chat line abusive, how, where in the line, and what should happen to it."""

import os

# ONNX Runtime reports on its use to its makers unless this is set before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

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
