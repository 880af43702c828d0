"""The tables of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Rows = Sequence[dict[str, Any]]


def one_by_one(rows: Rows) -> str:
    return _table(
        "question | way | seconds (slowest) | of the floor | own ms | requests | model calls | CPU ms (least to most) "
        "| sandbox's CPU ms | provider's CPU ms",
        [
            (
                f"{row['lookups']} lookups" + (", named" if row["named"] else ""),
                row["way"] + (f" ({row['wrong']} WRONG)" if row["wrong"] else ""),
                f"{row['seconds']:.3f} ({row['slowest']:.3f})",
                f"{row['ratio']:.3f}",
                f"{row['beyond_s'] * 1e3:.0f}",
                f"{row['requests']:.0f}",
                f"{row['model_calls']:.0f}",
                f"{row['cpu_s'] * 1e3:.1f} ({row['least_cpu_s'] * 1e3:.1f} to {row['most_cpu_s'] * 1e3:.1f})",
                f"{row['sandbox_cpu_s'] * 1e3:.1f}",
                f"{row['provider_cpu_s'] * 1e3:.1f}",
            )
            for row in rows
        ],
    )


def open_loop(rows: Rows) -> str:
    return _table(
        "way | p50 s | p95 s | p99 s | p99 of the floor | not answered | wrong | CPU ms per question "
        "| requests per question | asking core | sandbox's core | provider's core",
        [
            (
                row["way"],
                *(_seconds(row[name]) for name in ("p50", "p95", "p99")),
                f"{row['p99'] / row['floor_s']:.2f}" if row["p99"] else "",
                str(row["lost"]),
                str(row["wrong"]),
                f"{row['cpu_s'] * 1e3:.1f}",
                f"{row['requests']:.1f}",
                *(f"{row[name]:.0%}" for name in ("load", "sandbox_load", "provider_load")),
            )
            for row in rows
        ],
    )


def growing(rows: Rows) -> str:
    return _table(
        "records | way | seconds | requests | model calls | CPU ms | sandbox's CPU ms | memory grew by MB",
        [
            (
                f"{row['records']:,}",
                row["way"],
                f"{row['seconds']:.3f}",
                f"{row['requests']:.0f}",
                f"{row['model_calls']:.0f}",
                f"{row['cpu_s'] * 1e3:.1f}",
                f"{row['sandbox_cpu_s'] * 1e3:.1f}",
                f"{row['grown_bytes'] / 1e6:.1f}",
            )
            for row in rows
        ],
    )


def flooded(rows: Rows) -> str:
    return _table(
        "way | memory grew by MB | seconds | what came of it",
        [
            (
                row["way"],
                f"{row['grown_bytes'] / 1e6:.0f}",
                f"{row['seconds']:.2f}",
                (row.get("failed") or row["reply"]).replace("\n", " ").replace("|", "/"),
            )
            for row in rows
        ],
    )


def _seconds(value: float | None) -> str:
    return f"{value:.2f}" if value is not None else "never"


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    columns = head.count(" | ") + 1
    return "\n".join([f"| {head} |", "|" + "---|" * columns, *("| " + " | ".join(row) + " |" for row in rows)])
