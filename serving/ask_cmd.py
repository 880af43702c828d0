"""``tilores-x ask`` and ``tilores-x chat``."""

from __future__ import annotations

import asyncio
import sys
from asyncio import run
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tilores_x.errors import QuestionError, TiloresXError
from tilores_x.serving import heap

if TYPE_CHECKING:
    from rich.console import Console

    from tilores_x.graph.state import Reply
    from tilores_x.serving.embed import Asker


class PriorityOption(StrEnum):
    """The routing priorities, spelled out here so that ``--help`` needs no heavy import."""

    SPEED = "speed"
    QUALITY = "quality"
    COST = "cost"
    BALANCED = "balanced"
    AUTO = "auto"


Priority = Annotated[PriorityOption | None, typer.Option(help="what matters most in choosing the model")]
Deadline = Annotated[float | None, typer.Option("--deadline", min=0.05, help="seconds that the question may take")]


def register(app: typer.Typer) -> None:
    app.command()(ask)
    app.command()(chat)


def ask(
    question: Annotated[str | None, typer.Argument(help="the question; without it, standard input is read")] = None,
    priority: Priority = None,
    trace: Annotated[bool, typer.Option("--trace", help="show where the time went")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="pass over kept answers")] = False,
    deadline_s: Deadline = None,
) -> None:
    """Answer one question about a customer."""
    if question is None or question == "-":
        question = _standard_input()
    reply, source = run(_ask(question, priority, deadline_s, fresh))
    if as_json:
        import orjson

        sys.stdout.write(orjson.dumps(reply, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        from rich.console import Console

        from tilores_x.serving.render import show

        show(reply, Console(), source=source, trace=trace)


def chat(priority: Priority = None, deadline_s: Deadline = None) -> None:
    """Hold a conversation: follow-ups remember whom you spoke of. An empty line, or Ctrl-D, ends it."""
    run(_chat(priority, deadline_s))


def _standard_input() -> str:
    if sys.stdin.isatty():
        raise QuestionError('There is no question. Ask one: tilores-x ask "who is client ID 4021"')
    return sys.stdin.buffer.read().decode("utf-8", "replace")


async def _ask(question: str, priority: str | None, deadline_s: float | None, fresh: bool) -> tuple[Reply, str | None]:
    from tilores_x.serving.embed import Asker

    async with Asker.open() as asker:
        heap.started()
        return await _with_progress(asker, question, priority, deadline_s, fresh=fresh), _source(asker)


def _source(asker: Asker) -> str | None:
    """Whose data it is, where it is nobody's."""
    resources = asker.resources
    return f"embedded sandbox ({resources.settings.sandbox})" if resources.sandboxed else None


async def _chat(priority: str | None, deadline_s: float | None) -> None:
    from uuid import uuid4

    from rich.console import Console

    from tilores_x.serving.embed import Asker
    from tilores_x.serving.render import show

    console = Console()
    thread_id = uuid4().hex
    async with Asker.open() as asker:
        heap.started()
        while question := await _next_question(console):
            try:
                reply = await _with_progress(asker, question, priority, deadline_s, thread_id=thread_id)
            except TiloresXError as error:
                console.print(str(error), style="red", markup=False)
                continue
            show(reply, console, source=_source(asker))


async def _next_question(console: Console) -> str:
    prompt = "\n[bold]You:[/bold] " if console.is_terminal else ""
    try:
        return (await asyncio.to_thread(console.input, prompt)).strip()
    except (EOFError, KeyboardInterrupt):
        return ""


async def _with_progress(
    asker: Asker,
    question: str,
    priority: str | None,
    deadline_s: float | None,
    *,
    thread_id: str | None = None,
    fresh: bool = False,
) -> Reply:
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        return await asker.ask(
            question,
            thread_id=thread_id,
            priority=priority,
            deadline_s=deadline_s,
            fresh=fresh,
            on_progress=status.update,
        )
