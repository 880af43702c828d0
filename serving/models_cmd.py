"""``tilores-x models`` and ``tilores-x route``: which models there are, and which of them would answer."""

from __future__ import annotations

from asyncio import run
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from tilores_x.llm.choice import Choice
    from tilores_x.llm.health import HealthSnapshot
    from tilores_x.serving.models_report import Listed, ModelRow
    from tilores_x.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def register(app: typer.Typer) -> None:
    app.command()(models)
    app.command()(route)


def models(
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="ask each configured provider which models it serves, and compare")
    ] = False,
) -> None:
    """List the models: their ranks by priority, prices, speeds and status, and why one can't be used."""
    import os

    from tilores_x.llm.catalog import ModelCatalog
    from tilores_x.serving.models_report import compare_listings, model_rows
    from tilores_x.settings import load_settings

    settings = load_settings()
    catalog = ModelCatalog.load(settings.models)
    health = run(_health(settings))
    rows = model_rows(catalog, catalog.configured(os.environ), health, _day(health))
    listed = run(compare_listings(catalog, os.environ, _day(health))) if check else []
    if as_json:
        _print_json({"models": rows} | ({"check": [found._asdict() for found in listed]} if check else {}))
    else:
        _show(_models_table(rows))
        if check:
            _show_listed(listed)
    if any(found.findings or found.problem for found in listed):
        raise typer.Exit(1)


def route(
    question: str,
    priority: Annotated[str | None, typer.Option(help="speed, quality, cost, balanced or auto")] = None,
    input_tokens: Annotated[int, typer.Option(min=1, help="expected tokens in")] = 3000,
    output_tokens: Annotated[int, typer.Option(min=1, help="expected tokens out")] = 300,
    max_usd: Annotated[float | None, typer.Option(min=0, help="the most that one call may cost")] = None,
    model: Annotated[str | None, typer.Option(help="only this model, as provider:id")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which model would answer a question, which ones stand in for it, and why. Nothing is called."""
    import os

    from tilores_x.llm.catalog import ModelCatalog, Priority
    from tilores_x.llm.choice import Limits, Needs
    from tilores_x.llm.routing import choose, classify
    from tilores_x.settings import load_settings

    settings = load_settings()
    wanted = _priority(priority or settings.priority)
    catalog = ModelCatalog.load(settings.models)
    cap = max_usd if max_usd is not None else settings.max_question_usd
    choice = choose(
        catalog,
        priority=classify(question) if wanted is Priority.AUTO else wanted,
        configured=catalog.configured(os.environ),
        health=run(_health(settings)),
        needs=Needs(input_tokens, output_tokens),
        limits=Limits(max_usd=cap, deadline_s=settings.question_s),
        pinned=model or settings.model,
    )
    show = _print_choice if as_json else _show_choice
    show(choice, auto=wanted is Priority.AUTO)
    if not choice.ordered:
        raise choice.error()


def _priority(text: str) -> Any:
    from tilores_x.errors import QuestionError
    from tilores_x.llm.catalog import Priority

    try:
        return Priority(text)
    except ValueError:
        known = ", ".join(priority.value for priority in Priority)
        raise QuestionError(f"{text!r} is no priority; it must be one of {known}.") from None


async def _health(settings: Settings) -> HealthSnapshot:
    """What the workers have measured, where they share it through Redis."""
    from tilores_x.llm.health import Health

    health = Health()
    if settings.cache and settings.cache.startswith(("redis://", "rediss://", "unix://")):
        from tilores_x.llm.sharing import SharedHealth, connect

        async with SharedHealth(health, connect(settings.cache)):
            pass
    return health.snapshot()


def _day(health: HealthSnapshot) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(health.at, UTC).date()


def _print_json(content: dict[str, Any]) -> None:
    import orjson

    typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())


def _print_choice(choice: Choice, *, auto: bool) -> None:
    ordered = [candidate._asdict() | {"model": candidate.model.name} for candidate in choice.ordered]
    passed_over = [{"model": passed.model, "why": passed.why} for passed in choice.passed_over]
    _print_json(
        {
            "priority": choice.priority.value,
            "auto": auto,
            "reason": choice.reason,
            "warning": choice.warning,
            "ordered": ordered,
            "passed_over": passed_over,
        }
    )


def _show(table: Table) -> None:
    """A table in a terminal; the same cells with tabs between them where it is piped."""
    from rich.console import Console

    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    typer.echo("\t".join(str(column.header) for column in table.columns))
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        typer.echo("\t".join(str(cell) for cell in cells))


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in _FIGURES else "left")
    return table


_FIGURES = {"speed", "quality", "cost", "balanced", "$ in", "$ out", "tok/s", "measured", "first s", "index"}


def _models_table(rows: list[ModelRow]) -> Table:
    headings = (
        "model",
        "speed",
        "quality",
        "cost",
        "balanced",
        "$ in",
        "$ out",
        "tok/s",
        "measured",
        "first s",
        "index",
    )
    table = _table(*headings, "status", "why not")
    for row in rows:
        ranks = [str(rank or "-") for rank in row["ranks"].values()]
        until = f" until {row['shutdown']}" if row["shutdown"] and row["status"] != "retired" else ""
        table.add_row(
            row["model"],
            *ranks,
            _figure(row["input_usd"], ".3f"),
            _figure(row["output_usd"], ".2f"),
            _figure(row["published"]["tokens_per_s"], ".0f"),
            _figure(row["measured"]["tokens_per_s"], ".0f"),
            _figure(row["measured"]["ttft_s"] or row["published"]["ttft_s"], ".2f"),
            _figure(row["quality"], ".1f"),
            row["status"] + until,
            row["why_not"] or "",
        )
    return table


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _show_listed(listed: list[Listed]) -> None:
    if not listed:
        typer.echo("No provider is configured, so there is no list to compare with.")
    for found in listed:
        lines = [found.problem] if found.problem else list(found.findings) or ["as in the catalogue"]
        for line in lines:
            typer.echo(f"{found.provider}: {line}")


def _show_choice(choice: Choice, *, auto: bool) -> None:
    if choice.warning:
        typer.secho(choice.warning, fg="yellow", err=True)
    typer.echo(f"Priority: {choice.priority.value}" + (" (read off the question)" if auto else ""))
    if not choice.ordered:
        return
    ordered = _table("place", "model", "why")
    for place, candidate in enumerate(choice.ordered, start=1):
        ordered.add_row(str(place), candidate.model.name, candidate.reason)
    _show(ordered)
    if choice.passed_over:
        typer.echo("\nPassed over:")
        passed_over = _table("model", "why not")
        for passed in choice.passed_over:
            passed_over.add_row(passed.model, passed.why)
        _show(passed_over)
