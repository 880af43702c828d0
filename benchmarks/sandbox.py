"""How fast the sandbox is: starting, loading, searching and one more submit, at 1,000 and at 100,000 records.

    python benchmarks/sandbox.py [--records 100000] [--searches 2000] [--write]

Searches go through the whole in-process path that tilores-x uses: httpx, the ASGI application, GraphQL, the engine.
Each is for a person drawn at random (seeded), by e-mail address or by name and birthday as one of the records has them.
A submit is timed from its acceptance to the end of its assembly, in memory; made-up newcomers and known people in turn.
An aggregate (newest of a date, sum, frequencies, after a filter) is asked over one entity of 10 to 10,000 records: the
first time after a change, and again; the ratio is to the entity of 10 records.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from sqlite3 import sqlite_version
from tempfile import TemporaryDirectory

import httpx
from results import write_section

from tilores_x.sandbox.api.tokens import Tokens
from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.record import Record
from tilores_x.sandbox.engine.store import Store
from tilores_x.sandbox.generator import iter_records
from tilores_x.sandbox.instance import Instance, load_instance
from tilores_x.sandbox.prepare import open_engine
from tilores_x.sandbox.server import Sandbox

NAMES = {
    "people": {"email": "email", "first": "first_name", "last": "last_name", "dob": "dob"},
    "credit": {"email": "EMAIL", "first": "FIRST_NAME", "last": "LAST_NAME", "dob": "DATE_OF_BIRTH"},
}
SEARCH = """query ($p: SearchParams!) {
  search(input: {parameters: $p, page: 1}) { totalCount entities { id hits records { id %s %s %s %s } } }
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=2000)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    given = parser.parse_args()
    lines = ["| instance | records | | p50 ms | p95 ms | p99 ms |", "|---|---|---|---|---|---|"]
    for name in NAMES:
        for row in asyncio.run(run(name, given.records, given.searches)):
            lines.append("| " + " | ".join(row) + " |")
            print(lines[-1], flush=True)
    for row in asyncio.run(growth()):
        lines.append("| " + " | ".join(row) + " |")
        print(lines[-1], flush=True)
    if given.write:
        versions = {name: version(name) for name in ("graphql-core", "rapidfuzz", "phonenumbers", "starlette", "httpx")}
        versions["SQLite"] = sqlite_version
        write_section("The sandbox's speed", "python benchmarks/sandbox.py --write", "\n".join(lines), versions)


async def run(name: str, count: int, searches: int) -> list[tuple[str, ...]]:
    instance = load_instance(name)
    rows: list[tuple[str, ...]] = []
    with TemporaryDirectory() as cache:
        for what in ("start, the first", "start, from then on"):
            start = time.perf_counter()
            engine = open_engine(instance, cache_dir=Path(cache))
            shipped = f"{engine.store.count():,} (shipped)"
            rows.append((name, shipped, what, f"{(time.perf_counter() - start) * 1000:.0f} in all", "", ""))
    records = list(islice(iter_records(name, count, seed=7), count))
    for size in (1000, count):
        engine, seconds = load(instance, records[:size])
        rows.append((name, f"{size:,}", "load", f"{seconds:.1f} **s** in all", "", ""))
        client = await connect(instance, engine)
        for what, parameters in (("search by e-mail", by_email), ("search by name + birthday", by_name_and_birthday)):
            draws = list(islice(parameters(name, records[:size]), searches))
            rows.append((name, f"{size:,}", what, *percentiles(await timed(client, name, draws))))
        rows.append(
            (name, f"{size:,}", "one more submit", *percentiles(submits(engine, name, records[:size], searches)))
        )
        await client.aclose()
    return rows


GROWN = {
    "schema.graphql": """
        type Record { id: ID!  KEY: String  STATUS: String  DAY: String  AMOUNT: String }
        input RecordInput { id: ID!  KEY: String }
        input SearchParams { KEY: String }""",
    "rules.toml": '[[rule]]\nid = "KEY"\nmatch = [{ field = "KEY", how = "exact" }]\n',
    "records.jsonl": "",
}
AGGREGATES = """query { search(input: {parameters: {KEY: "k"}}) { entities { id recordInsights {
  count filter(conditions: [{field: "DAY", likeRegex: "^20"}]) {
    sum(field: "AMOUNT") frequencyDistribution(field: "STATUS", direction: DESC) { value frequency }
    sort(criteria: [{field: "DAY", direction: DESC}]) { first { id DAY } } } } } } }"""


async def growth(again: int = 200) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    first_of: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        for name, text in GROWN.items():
            Path(folder, name).write_text(text)
        instance = load_instance(folder)
        for size in (10, 100, 1000, 10_000):
            records = [
                {
                    "id": f"r{at}",
                    "KEY": "k",
                    "STATUS": f"s{at % 5}",
                    "DAY": f"2024-{1 + at % 12:02}-01",
                    "AMOUNT": f"{at}.5",
                }
                for at in range(size)
            ]
            engine, _ = load(instance, records)
            client = await connect(instance, engine)
            seconds: dict[str, list[float]] = {"first": [], "again": []}
            for turn in range(again):
                if fresh := turn % 20 == 0:
                    engine.store.set_meta("touched", turn)  # whatever is kept ends with any change
                start = time.perf_counter()
                reply = await client.post("/", json={"query": AGGREGATES})
                seconds["first" if fresh else "again"].append(time.perf_counter() - start)
                found = reply.json()["data"]["search"]["entities"][0]["recordInsights"]
                if found["count"] != size or found["filter"]["sum"] != sum(at + 0.5 for at in range(size)):
                    raise SystemExit(f"wrong at {size} records, turn {turn}: {found}")
            await client.aclose()
            for what, value in ((what, statistics.median(each)) for what, each in seconds.items()):
                ratio = value / first_of.setdefault(what, value)
                told = f"{value * 1000:.2f}"
                rows.append(("(one entity)", f"{size:,}", f"aggregates, {what}: {ratio:.1f} x", told, "", ""))
    return rows


def load(instance: Instance, records: Sequence[Record]) -> tuple[Engine, float]:
    engine = Engine(instance.rules, Store())
    start = time.perf_counter()
    with engine.store.transaction():
        engine.take(records)
    return engine, time.perf_counter() - start


async def connect(instance: Instance, engine: Engine) -> httpx.AsyncClient:
    app = Sandbox(engine, instance, Tokens("sandbox", "sandbox")).app()
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sandbox")
    form = {"grant_type": "client_credentials"}
    token = (await client.post("/oauth2/token", auth=("sandbox", "sandbox"), data=form)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def by_email(name: str, records: Sequence[Record]) -> Iterator[dict[str, str]]:
    field = NAMES[name]["email"]
    chosen = random.Random(1)
    while True:
        if value := chosen.choice(records).get(field):
            yield {field: value}


def by_name_and_birthday(name: str, records: Sequence[Record]) -> Iterator[dict[str, str]]:
    fields = [NAMES[name][each] for each in ("first", "last", "dob")]
    chosen = random.Random(2)
    while True:
        record = chosen.choice(records)
        if all(record.get(field) for field in fields):
            yield {field: record[field] for field in fields}


async def timed(client: httpx.AsyncClient, name: str, draws: Sequence[dict[str, str]]) -> list[float]:
    query = SEARCH % tuple(NAMES[name].values())
    seconds = []
    for parameters in draws:
        start = time.perf_counter()
        reply = await client.post("/", json={"query": query, "variables": {"p": parameters}})
        seconds.append(time.perf_counter() - start)
        if not reply.json()["data"]["search"]["totalCount"]:
            raise SystemExit(f"nothing found for {parameters}")
    return seconds


def submits(engine: Engine, name: str, held: Sequence[Record], count: int) -> list[float]:
    newcomers = islice(iter_records(name, count, seed=8), count // 2)
    known = random.Random(3).choices(held, k=count // 2)
    seconds = []
    for number, record in enumerate(each for pair in zip(newcomers, known, strict=True) for each in pair):
        start = time.perf_counter()
        engine.submit([{**record, "id": f"more-{number}"}])
        while engine.work(1.0):
            pass
        seconds.append(time.perf_counter() - start)
    return seconds


def percentiles(seconds: Sequence[float]) -> tuple[str, str, str]:
    cuts = statistics.quantiles(seconds, n=100)
    return tuple(f"{cuts[at - 1] * 1000:.2f}" for at in (50, 95, 99))  # type: ignore[return-value]


if __name__ == "__main__":
    main()
