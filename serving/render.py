"""How a reply looks in a terminal: the answer, what proves it, what it cost. Plain text when it is piped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from tilores_x.graph.state import Reply

MOST_ROWS = 15


def show(reply: Reply, console: Console, *, source: str | None = None, trace: bool = False) -> None:
    """Print ``reply``; with ``trace`` the waterfall of where the time went, too. ``source`` says whose data it is."""
    plain = not console.is_terminal
    console.print(reply["reply"] if plain else Markdown(reply["reply"]), soft_wrap=True, markup=False, highlight=False)
    if reply["missing"]:
        console.print("Missing: " + "; ".join(reply["missing"]), style="yellow", soft_wrap=True, markup=False)
    if reply["citations"]:
        console.print()
        console.print(provenance(reply))
    console.print()
    console.print(footer(reply, source), style="dim", soft_wrap=True, markup=False, highlight=False)
    if trace:
        from tilores_x.telemetry.waterfall import waterfall

        console.print()
        console.print(waterfall(reply["timings"], reply["seconds"], width=console.width))
        if ahead := [timing["marks"] for timing in reply["timings"] if "speculated" in timing["marks"]]:
            unused = sum("not used" in marks for marks in ahead)
            console.print(f"{len(ahead)} looked up ahead of the model, {unused} of them not used", style="dim")


def provenance(reply: Reply) -> RenderableType:
    """The records behind the answer: which value stands in which field of which records."""
    where: dict[tuple[str, str], list[str]] = {}
    for citation in reply["citations"]:
        where.setdefault((citation["field"], str(citation["value"])), []).append(citation["record_id"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Proved by", no_wrap=True)
    for heading in ("Value", "Records"):
        table.add_column(heading, overflow="fold")
    for (field, value), records in list(where.items())[:MOST_ROWS]:
        table.add_row(Text(field), Text(value), Text(", ".join(records)))
    left_out = len(where) - MOST_ROWS
    return Group(table, Text(f"and {left_out} more (all with --json)", style="dim")) if left_out > 0 else table


def footer(reply: Reply, source: str | None = None) -> str:
    """Model, data, cost and time in one line."""
    model = reply["model"] + (f" ({reply['model_note']})" if reply["model_note"] else "")
    parts = [model, source, f"priority {reply['priority']}", f"${reply['cost_usd']:.4f}", f"{reply['seconds']:.2f} s"]
    if reply["cached"]:
        age_s = reply["cached_age_s"]
        parts.append("cached" if age_s is None else f"cached, {age_s:.0f} s old")
    return " · ".join(part for part in parts if part)
