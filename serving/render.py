"""How a reply looks in a terminal: the answer, what proves it, what it cost. Plain text when it is piped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from tilores_x.graph.state import Reply

MOST_CITATIONS = 12


def show(reply: Reply, console: Console, *, trace: bool = False) -> None:
    """Print ``reply``; with ``trace`` the waterfall of where the time went, too."""
    plain = not console.is_terminal
    console.print(reply["reply"] if plain else Markdown(reply["reply"]), soft_wrap=True, markup=False, highlight=False)
    if reply["missing"]:
        console.print("Missing: " + "; ".join(reply["missing"]), style="yellow", soft_wrap=True, markup=False)
    if reply["citations"]:
        console.print()
        console.print(provenance(reply))
    console.print()
    console.print(footer(reply), style="dim", soft_wrap=True, markup=False, highlight=False)
    if trace:
        from tilores_x.telemetry.waterfall import waterfall

        console.print()
        console.print(waterfall(reply["timings"], reply["seconds"], width=console.width))


def provenance(reply: Reply) -> RenderableType:
    """The records behind the answer: which value stands in which field of which record."""
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    for heading in ("Record", "Field", "Value"):
        table.add_column(heading, overflow="fold")
    for citation in reply["citations"][:MOST_CITATIONS]:
        table.add_row(Text(citation["record_id"]), Text(citation["field"]), Text(str(citation["value"])))
    left_out = len(reply["citations"]) - MOST_CITATIONS
    return Group(table, Text(f"and {left_out} more (all with --json)", style="dim")) if left_out > 0 else table


def footer(reply: Reply) -> str:
    """Model, cost and time in one line."""
    model = reply["model"] + (f" ({reply['model_note']})" if reply["model_note"] else "")
    parts = [model, f"priority {reply['priority']}", f"${reply['cost_usd']:.4f}", f"{reply['seconds']:.2f} s"]
    if reply["cached"]:
        parts.append("cached")
    return " · ".join(parts)
