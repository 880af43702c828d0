"""``tilores-x sandbox``: a Tilores in a box on a port of this machine."""

from __future__ import annotations

from asyncio import run
from pathlib import Path
from typing import Annotated

import typer

from tilores_x.serving import heap


def register(app: typer.Typer) -> None:
    app.command()(sandbox)


def sandbox(
    instance: Annotated[str, typer.Option(help="credit, people, or an instance folder")] = "credit",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 0,
    people: Annotated[int | None, typer.Option(min=1, help="make that many people in place of those shipped")] = None,
    latency_ms: Annotated[float, typer.Option(min=0, help="wait before each answer")] = 0,
    file: Annotated[Path | None, typer.Option(help="keep the records in this SQLite file")] = None,
    client_id: Annotated[str, typer.Option(help="the OAuth2 client it accepts")] = "sandbox",
    client_secret: Annotated[str, typer.Option(help="and that client's secret")] = "sandbox",  # noqa: S107 - a sandbox
) -> None:
    """Serve a Tilores on 127.0.0.1: GraphQL at /, tokens at /oauth2/token. Prints one line of JSON when it is ready."""
    import orjson

    from tilores_x.sandbox.instance import load_instance
    from tilores_x.sandbox.server import serve

    def ready(where: dict[str, str]) -> None:
        heap.started()
        typer.echo(orjson.dumps(where).decode())

    run(
        serve(
            load_instance(instance),
            port=port,
            people=people,
            latency_ms=latency_ms,
            file=file,
            client_id=client_id,
            client_secret=client_secret,
            ready=ready,
        )
    )
