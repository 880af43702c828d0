"""``tilores-x doctor``: prints what ``doctor.py`` finds."""

from __future__ import annotations

from asyncio import run
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="print one JSON list")] = False) -> None:
    """Say what is configured, reachable and wrong, and what to do. The exit code is 1 when something is wrong."""
    wrong = run(_report(as_json))
    if wrong:
        raise typer.Exit(1)


async def _report(as_json: bool) -> bool:
    import orjson
    from rich.console import Console
    from rich.text import Text

    from tilores_x.serving.doctor import State, examine

    colours = {State.OK: "green", State.WARNING: "yellow", State.WRONG: "red"}
    console = Console()
    found = []
    async for finding in examine():
        found.append(finding)
        if not as_json:
            line = Text.assemble((f"{finding.state:<8}", colours[finding.state]), f"{finding.what:<18}", finding.detail)
            console.print(line, soft_wrap=True)
            if finding.remedy:
                console.print(Text(f"{'':<26}{finding.remedy}", style="dim"), soft_wrap=True)
    if as_json:
        typer.echo(orjson.dumps([finding._asdict() for finding in found], option=orjson.OPT_INDENT_2).decode())
    return any(finding.state is State.WRONG for finding in found)
