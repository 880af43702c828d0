"""The benchmark of wide questions measures what it says: every way is answered out of the records, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")

SEARCH = "search(input: $%s) { totalCount entities { id records { id EMAIL } } }"
ONE = {"parameters": {"CLIENT_ID": "4001"}}
TWO = {"parameters": {"CLIENT_ID": "4002"}, "page": 1, "pageSize": 1}
DOCUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("query ($a: SearchInput!) { " + SEARCH % "a" + " }", {"a": ONE}),
    ("query ($a: SearchInput!) { " + SEARCH % "a" + " }", {"a": TWO}),
    (
        f"query ($a: SearchInput!, $b: SearchInput!) {{ x: {SEARCH % 'a'} y: {SEARCH % 'b'} z: {SEARCH % 'a'} }}",
        {"b": ONE, "a": TWO},
    ),
    ("query ($i: EntityInput!) { e: entity(input: $i) { entity { id } } }", {"i": {"id": "nobody"}}),
    (
        "query ($a: SearchInput!) { x: search(input: $a) { ...s } y: search(input: $a) { totalCount } } "
        "fragment s on SearchOutput { entities { ...e } } fragment e on Entity { id }",
        {"a": ONE},
    ),
    ("{ metrics { assemblyStatus { state } } }", {}),
]


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


async def test_kept_answers_are_those_of_the_sandbox(tmp_path: Path) -> None:
    from width.kept import Kept

    app = await create_app(load_instance("credit"), cache_dir=tmp_path)
    kept = Kept(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox") as http:
        form = {"grant_type": "client_credentials"}
        granted = await http.post("/oauth2/token", auth=("sandbox", "sandbox"), data=form)
        authorization = f"Bearer {granted.json()['access_token']}"
        for _ in range(2):
            for document, variables in DOCUMENTS:
                body = orjson.dumps({"query": document, "variables": variables})
                told = await kept.answer({b"authorization": authorization.encode()}, body)
                assert told is not None
                answered = await http.post("/", content=body, headers={"authorization": authorization})
                assert orjson.loads(told) == answered.json()
        # Two searches, whoever asks with whatever else; an entity; the two of the one with fragments; the metrics.
        assert len(kept._answers) == 6
        assert await kept.answer({}, body) is None
    app.state.sandbox.close()


async def test_what_the_sandbox_refuses_is_not_kept(tmp_path: Path) -> None:
    from width.kept import Kept

    app = await create_app(load_instance("credit"), cache_dir=tmp_path)
    form = b"grant_type=client_credentials&client_id=sandbox&client_secret=sandbox"
    _, granted = app.state.sandbox.tokens.issue(None, form)
    kept = Kept(app)
    failing = 'entities { recordInsights { average(field: "EMAIL") } }'
    query = "query ($a: SearchInput!) { search(input: $a) { " + failing + " } }"
    body = orjson.dumps({"query": query, "variables": {"a": ONE}})
    assert await kept.answer({b"authorization": f"Bearer {granted['access_token']}".encode()}, body) is None
    assert not kept._answers
    app.state.sandbox.close()


def test_every_way_answers_and_is_counted(tmp_path: Path) -> None:
    from width.running import Running, one_by_one, open_loop
    from width.tables import one_by_one as table

    ways = ("create_agent", "lean asyncio", "tilores-x")
    with Running.started(ways, str(tmp_path)) as running:
        rows = [row for named in (False, True) for row in one_by_one(running, 2, 1, named=named, warm_up=0)]
        loaded = open_loop(running, "tilores-x", rate=20, seconds=0.5, lookups=2)
    assert [row["way"] for row in rows] == [*ways, *ways]
    for row in rows:
        assert row["model_calls"] == (1 if row["named"] and row["way"] == "tilores-x" else 2)
        assert row["requests"] == 2 or row["way"] == "tilores-x"  # ours may look up more ahead, and send it together
        assert row["beyond_s"] > -0.01
        assert row["cpu_s"] > 0
    assert (loaded["lost"], loaded["wrong"]) == (0, 0)
    assert len(table(rows).splitlines()) == 2 + len(rows)


def test_a_sum_needs_every_record(tmp_path: Path) -> None:
    from width import growth
    from width.running import Running

    total = growth.Total(100)
    with growth.instance() as folder, Running.started(["tilores-x, summing"], str(tmp_path), folder=folder) as running:
        asked = running.ways["tilores-x, summing"]
        assert total.answered_by(asked.total(total, may_fail=True)["reply"])
        running.flood(30_000_000)
        assert "TooLarge" in asked.total(total, may_fail=True)["failed"]
