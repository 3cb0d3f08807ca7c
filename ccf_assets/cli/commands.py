"""How a command is registered: its panel in the help, and its docstring as paragraphs.

Not here: options (options), and what commands do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

Panel = Literal["Ask", "Load", "Recordings", "Server"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Flags:
    """Help without a type behind options that take no value."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - click's own are private to typer
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for each in found:
            if getattr(each, "is_flag", False):
                each.metavar = ""
        return found


class Command(_Flags, TyperCommand):
    """A command of this program."""


class Group(_Flags, TyperGroup):
    """All its commands."""


def command(
    app: typer.Typer, panel: Panel, name: str | None = None, settings: Mapping[str, object] | None = None
) -> Callable[[_Command], _Command]:
    """Register a function as a command.

    Args:
        app: the commands that it is one of.
        panel: where the help lists it.
        name: of the command, if it is not the function's.
        settings: of click, such as ``ignore_unknown_options``.
    """

    def register(function: _Command) -> _Command:
        told = help_of(function.__doc__ or "")
        return app.command(
            name, help=told, rich_help_panel=panel, cls=Command, context_settings=dict(settings or {})
        )(function)

    return register


def help_of(docstring: str) -> str:
    """A docstring for the terminal, which breaks its lines: a line a paragraph, and a line an example.

    Examples are a paragraph ``Example: …`` or ``Examples: …; …``.
    """
    paragraphs = [" ".join(each.split()) for each in inspect.cleandoc(docstring).split("\n\n")]
    return "\n\n".join(map(_examples, paragraphs))


def _examples(paragraph: str) -> str:
    title, colon, examples = paragraph.partition(": ")
    if title not in {"Example", "Examples"} or not colon:
        return paragraph
    return "\n".join([f"{title}:", *(f"  {example}" for example in examples.split("; "))])
