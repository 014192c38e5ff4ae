"""Pages for people: their templates, and the one style sheet that goes into each of them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined

from gounmal.report.phrases import number, percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Template


def template(name: str, **filters: Callable[..., object]) -> Template:
    """A template of the package; it may include others, `report/page.css` above all.

    Args:
        name: of its file, from `gounmal/` on.
        filters: that it uses beside `number` (with commas) and `percent`.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_read),
    )
    environment.filters.update(
        number=number,
        percent=percent,
        **filters,
    )
    return environment.get_template(name)


def _read(name: str) -> str:
    return files("gounmal").joinpath(name).read_text(encoding="utf-8")
