"""``tilores-x cache``, ``tilores-x erase`` and ``tilores-x warm``."""

from __future__ import annotations

import asyncio
import sys
from asyncio import run
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tilores_x.errors import ConfigError, QuestionError, TiloresXError, TryAgain
from tilores_x.serving import heap

if TYPE_CHECKING:
    from tilores_x.llm.cache.opening import Cache
    from tilores_x.serving.embed import Asker

MOST_TOLD = 5
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def register(app: typer.Typer) -> None:
    app.command()(cache)
    app.command()(erase)
    app.command()(warm)


def cache(as_json: AsJson = False) -> None:
    """Show what is kept: hits, misses and hit ratio per tier, bytes, evictions, coalesced calls, the breaker."""
    told = run(_told())
    if as_json:
        _print_json(told)
        return
    from rich.console import Console

    Console().print(_table(told), soft_wrap=True)


def erase(
    entity: Annotated[list[str] | None, typer.Option(help="an entity's id; may be given several times")] = None,
    tenant: Annotated[str | None, typer.Option(help="all of this tenant, or this tenant's entities")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove what is kept of entities, or of a tenant, and say how many entries it was."""
    if not entity and tenant is None:
        raise QuestionError("Name what to erase: --entity ID, or --tenant NAME.")
    removed = run(_erase(tenant, entity or None))
    if as_json:
        _print_json(removed)
        return
    for tier, count in removed.items():
        typer.echo(f"{tier}: {count} {'entry' if count == 1 else 'entries'} removed")


def warm(
    file: Annotated[Path, typer.Argument(help="one question a line; - reads standard input")],
    at_once: Annotated[int, typer.Option(min=1, max=100, help="questions answered at the same time")] = 4,
    as_json: AsJson = False,
) -> None:
    """Answer questions ahead, so that they are answered at once when somebody asks them."""
    report = run(_warm(_questions(file), at_once))
    if as_json:
        _print_json(report)
    else:
        typer.echo(
            f"{report['answered']} answered in {report['seconds']:.1f} s for ${report['cost_usd']:.4f}, "
            f"{report['kept_before']} of them kept before, {len(report['failed'])} failed"
        )
        for failed in report["failed"][:MOST_TOLD]:
            typer.echo(f"  line {failed['line']}: {failed['why']}", err=True)
    if report["failed"]:
        raise typer.Exit(TryAgain.exit_code)


async def _told() -> dict[str, Any]:
    from tilores_x.llm.cache.keys import PREFIX
    from tilores_x.llm.cache.opening import open_cache
    from tilores_x.llm.cache.ttl import RULE
    from tilores_x.settings import load_settings

    settings = load_settings()
    async with open_cache(settings) as cache:
        if cache is None:
            return {"place": "off"}
        await cache.ready()
        store = cache.store
        sums = await cache.stats.sums()
        return {
            "place": cache.place.rpartition("@")[2],
            "reachable": sums is not None if store.shared is not None else None,
            "prefix": PREFIX,
            "encrypted": settings.cache_key is not None,
            "counts": sums or {},
            "server": await cache.stats.server(),
            "memory_most_bytes": store.memory.most_bytes,
            "ttl": {
                "result_s": settings.cache_result_s,
                "reply_memory_s": store.memory_ttl.base_s,
                "reply_shared_s": store.shared_ttl.base_s,
                "reply_longest_s": settings.cache_longest_s,
                "by_use": settings.cache_ttl_by_use,
                "rule": RULE if settings.cache_ttl_by_use else "Every reply is kept for its tier's base time.",
            },
        }


def _table(told: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if told["place"] == "off":
        return Text("The cache is switched off (TILORES_CACHE=off).")
    counts: dict[str, int] = told["counts"]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("tier", "hits", "misses", "hit ratio", "writes", "evictions", "failures", "unverified"):
        table.add_column(heading, justify="left" if heading == "tier" else "right")
    for tier, name in (("L1", "L1 memory"), ("L2", "L2 redis")):
        hits, misses = counts.get(f"{tier} hits", 0), counts.get(f"{tier} misses", 0)
        ratio = f"{hits / (hits + misses):.1%}" if hits + misses else "-"
        rest = [str(counts.get(f"{tier} {name}", 0)) for name in ("writes", "evictions", "failures", "unverified")]
        table.add_row(name, str(hits), str(misses), ratio, *rest)
    server, ttl = told["server"], told["ttl"]
    breaker = {True: "closed", False: "open: Redis can't be reached", None: "no second tier"}[told["reachable"]]
    lines = [
        f"place: {told['place']}" + (", encrypted" if told["encrypted"] else ""),
        f"coalesced calls: {counts.get('coalesced', 0)}    breaker: {breaker} "
        f"({counts.get('breaker trips', 0)} trips so far)",
        f"bytes: at most {told['memory_most_bytes']:,} in each process; "
        f"Redis uses {server.get('used_memory') or 0:,} and evicted {server.get('evicted_keys') or 0} keys",
        f"kept for: Tilores results {ttl['result_s']:g} s; replies {ttl['reply_memory_s']:g} s in memory, "
        f"{ttl['reply_shared_s']:g} s in Redis, at most {ttl['reply_longest_s']:g} s",
    ]
    if told["reachable"] is None:
        lines.append("Kept in memory only: each process counts for itself, and its figures end with it.")
    return Group(table, *map(Text, lines), Text(ttl["rule"], style="dim"))


async def _erase(tenant: str | None, entities: list[str] | None) -> dict[str, int]:
    from tilores_x.llm.cache.opening import open_cache
    from tilores_x.settings import load_settings

    settings = load_settings()
    async with open_cache(settings) as cache:
        await _shared(cache)
        assert cache is not None
        return await cache.store.erase(tenant or settings.tenant, entities)


async def _shared(cache: Cache | None) -> None:
    """What other processes hold in their memory can't be erased from here, unless they share a Redis with us."""
    if cache is None or cache.store.shared is None:
        raise ConfigError(
            "Nothing is shared between processes here, so there is nothing to erase: what a process keeps in memory "
            "ends with it. Set TILORES_CACHE as it is set where the answers are given."
        )
    await cache.ready()


def _questions(file: Path) -> list[tuple[int, str]]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionError(f"{file} can't be read: {error}.") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    questions = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not questions:
        raise QuestionError(f"{file} holds no question. Write one a line.")
    return questions


async def _warm(questions: list[tuple[int, str]], at_once: int) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import Progress

    from tilores_x.serving.embed import Asker

    async with Asker.open() as asker:
        heap.started()
        if asker.resources.cache is None or asker.resources.cache.store.shared is None:
            raise ConfigError("Warming wants a cache that outlives this command: set TILORES_CACHE to a Redis.")
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("warming", total=len(questions))
            return await _answered(asker, questions, at_once, lambda: progress.advance(task))


async def _answered(asker: Asker, questions: list[tuple[int, str]], at_once: int, step: Any) -> dict[str, Any]:
    import time

    began = time.monotonic()
    turn = asyncio.Semaphore(at_once)
    report: dict[str, Any] = {"answered": 0, "kept_before": 0, "cost_usd": 0.0, "failed": []}

    async def answer(line: int, question: str) -> None:
        async with turn:
            try:
                reply = await asker.ask(question)
            except TiloresXError as error:
                report["failed"].append({"line": line, "why": str(error)})
            else:
                report["answered"] += 1
                report["kept_before"] += reply["cached"]
                report["cost_usd"] += reply["cost_usd"]
            step()

    await asyncio.gather(*(answer(line, question) for line, question in questions))
    report["seconds"] = round(time.monotonic() - began, 3)
    return report


def _print_json(value: Any) -> None:
    import orjson

    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
