"""Made-up customers, seeded: the same instance, number of people and seed give the same bytes.

No value comes from a real person: names and streets are drawn by ``faker``, e-mail addresses end in the reserved
``example.*`` domains, phone numbers are the fictional 555-0100 to 555-0199 of an area code, social security numbers
begin with the never assigned 666, and card numbers fail their check digit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tilores_x.sandbox.generator.credit as credit
import tilores_x.sandbox.generator.people as people
from tilores_x.sandbox.generator.truth import Record, dump_line

INSTANCES = {"credit": credit, "people": people}

__all__ = ["INSTANCES", "Record", "generate", "iter_records"]


def iter_records(instance: str, people: int, seed: int) -> Iterator[Record]:
    """The records of ``people`` made-up people, one after the other; nothing is kept, so any number fits in memory."""
    for case in INSTANCES[instance].iter_cases(people, seed):
        yield from case.records


def generate(instance: str, people: int, seed: int, out: Path) -> tuple[int, int]:
    """Write ``records.jsonl`` and ``truth.jsonl`` into the folder ``out``; returns how many lines each has.

    A line of ``truth.jsonl`` tells which records are one person and what is true of them (see ``truth.py``).
    """
    out.mkdir(parents=True, exist_ok=True)
    written = cases = 0
    with (out / "records.jsonl").open("wb") as records, (out / "truth.jsonl").open("wb") as truths:
        for case in INSTANCES[instance].iter_cases(people, seed):
            for record in case.records:
                records.write(dump_line(record))
            written += len(case.records)
            truths.write(dump_line(case.truth))
            cases += 1
    return written, cases
