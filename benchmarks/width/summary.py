"""What was aimed at, and what of it is reached, out of the rows of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Rows = Sequence[dict[str, Any]]

OURS, LEAN, AGENT, LOOP = "tilores-x", "lean asyncio", "create_agent", "SDK, loop"

HOW = """\
The sandbox takes 200 ms for a request and 2 ms for an alias, the provider 300 ms to the first token and then 300
tokens/s; both run on the second core, the asking process on the first, each way in a process of its own, all warmed
up and taking turns. Tracing is off, and tilores-x keeps no answers. An answer has 60 tokens, a search as the model
writes it 6 or more. The floor is the slowest search (202 ms) and the time of two model calls that ask for one search
per customer and answer; of one call where the question names its customers. Where a tool takes several people at
once the model writes fewer tokens: the ratio to the floor can be below 1, and "own ms" is what is left beyond a way's
own model calls and one search. Every token is a packet and a wake-up: that is most of lean asyncio's CPU. SDK and
create_agent read whole replies, which costs them less than a stream. Every asking process keeps Python's garbage
collector as `serving/heap.py` does: what is there once it is open is frozen, passes are rare."""


def one_by_one(rows: Rows) -> str:
    found = {(row["way"], row["lookups"], row["named"]): row for row in rows}
    ours, lean, agent = (found[way, 10, False] for way in (OURS, LEAN, AGENT))
    faster = {way: found[way, 10, True]["seconds"] / found[OURS, 10, True]["seconds"] for way in (AGENT, LOOP)}
    lines = [
        f"10 lookups: {ours['ratio']:.3f} of the floor (aim: 1.02; lean asyncio {lean['ratio']:.3f}, create_agent "
        f"{agent['ratio']:.3f}), {ours['cpu_s'] * 1e3:.1f} ms of CPU (aim: 6; lean asyncio {lean['cpu_s'] * 1e3:.1f}, "
        f"create_agent {agent['cpu_s'] * 1e3:.1f}).",
        f"Questions that name 10 customers: {faster[AGENT]:.2f} times as fast as create_agent (aim: 1.3), "
        f"{faster[LOOP]:.2f} times as fast as the SDK's loop (aim: 3).",
        "Requests for "
        + ", ".join(f"{size}: {found[OURS, size, False]['requests']:.0f}" for size in (1, 5, 10, 50))
        + " lookups (the other ways send as many as there are lookups).",
    ]
    return "\n".join(f"- {line}" for line in lines)


def open_loop(rows: Rows) -> str:
    found = {row["way"]: row for row in rows}
    said = []
    for way in (OURS, LEAN, AGENT):
        row = found[way]
        p99 = f"{row['p99']:.2f} s, {row['p99'] / row['floor_s']:.2f} of the floor" if row["p99"] else "never"
        said.append(f"{way} {p99}")
    return f"- The 99th percentile: {'; '.join(said)} (aim: 1.5 of the floor)."


def growing(rows: Rows) -> str:
    ours = {row["records"]: row for row in rows if row["way"].startswith(OURS)}
    least, most = min(ours), max(ours)
    return (
        f"- From {least:,} to {most:,} records: {ours[least]['seconds']:.3f} s to {ours[most]['seconds']:.3f} s for a "
        f"question, {ours[least]['cpu_s'] * 1e3:.0f} to {ours[most]['cpu_s'] * 1e3:.0f} ms of our CPU; the sandbox "
        f"itself takes {ours[least]['sandbox_cpu_s'] * 1e3:.0f} to {ours[most]['sandbox_cpu_s'] * 1e3:.0f} ms."
    )
