"""gounmal: is this chat line abusive, how, where in the line, and what should happen to it."""

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
