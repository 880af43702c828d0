"""RESULTS.md: a section per benchmark, each written by the benchmark itself."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def write_section(title: str, command: str, body: str, versions: Mapping[str, str]) -> None:
    """Put a section into RESULTS.md in place of the one with this title, or at the end.

    It tells the command, the day, the kind of machine and the versions that count.
    """
    machine = f"{os.cpu_count()} shared {platform.machine()} cores, Python {platform.python_version()}"
    used = ", ".join(f"{name} {number}" for name, number in versions.items())
    facts = f"`{command}` on {datetime.now(UTC):%Y-%m-%d}; {machine}; {used}."
    section = f"## {title}\n\n{facts}\n\n{body.strip()}\n"
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else "# Benchmark results\n"
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found:
        text = text[: found.start()] + section + ("\n" if found.end() < len(text) else "") + text[found.end() :]
    else:
        text = text.rstrip() + "\n\n" + section
    RESULTS.write_text(text, "utf-8")
