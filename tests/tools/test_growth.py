"""What an entity costs doesn't grow with its records: replies stay small, and whatever is read here is read once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.desk import Desk, open_desk
from support.small_instance import write_instance

from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.tools.compact import BUDGET_BYTES, fewer_rows
from tilores_x.tools.facts import FactsQuery
from tilores_x.tools.fields.paths import Path as FieldPath
from tilores_x.tools.fit import fit_people

SCHEMA = """
type Record { id: ID!  KEY: String  first_name: String  email: String  STATUS: String  STATUS_DATE: String
  AMOUNT: String  NOTE: String  LINES: [Line!] }
type Line { Value: String  Date: String }
input RecordInput { id: ID!  KEY: String }
input SearchParams { KEY: String }
"""
RULES = '[[rule]]\nid = "KEY"\nmatch = [{ field = "KEY", how = "exact" }]\n'


def row(at: int) -> dict[str, Any]:
    day = f"20{10 + at % 15}-0{1 + at % 9}-1{at % 9}"
    who = {"id": f"r{at}", "KEY": "k", "first_name": "Ann", "email": f"ann{at}@x.example"}
    status = {"STATUS": "Active" if at % 3 else "Paused", "STATUS_DATE": day}
    return {**who, **status, "AMOUNT": f"{at % 97}.50", "NOTE": f"note {at} " + "y" * 200}


class Weighing:
    """The client; ``heaviest`` is the largest reply in bytes of JSON."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.heaviest = inner, 0

    async def look_up(self, lookup: Any, **more: Any) -> Any:
        found = await self.inner.look_up(lookup, **more)
        self.heaviest = max(self.heaviest, len(orjson.dumps(found)))
        return found


@pytest.fixture(params=[100, 10_000])
async def grown(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Desk, Weighing, int]]:
    count = request.param
    folder = write_instance(tmp_path / "i", [row(at) for at in range(count)], schema=SCHEMA, rules=RULES)
    async with open_desk(await create_app(load_instance(str(folder))), tmp_path) as desk:
        weighing = Weighing(desk.client)
        object.__setattr__(desk.box._access, "client", weighing)
        yield desk, weighing, count


async def test_replies_about_a_grown_entity_stay_small(grown: tuple[Desk, Weighing, int]) -> None:
    desk, weighing, count = grown
    found = await desk.call("tilores_search", KEY="k", fields=["STATUS", "email", "AMOUNT"])
    person = found.content["entities"][0]
    assert person["records"] == count
    assert len(person["label"]["email"]) == 3
    entity_id = person["entity_id"]
    assert weighing.heaviest < 20_000
    functions = ("sum", "average", "min", "max", "median", "frequency", "values")
    asks = [
        *({"function": function, "field": "AMOUNT"} for function in functions),
        *({"function": f, "field": "STATUS_DATE"} for f in ("newest", "oldest")),
        {"function": "values_distinct", "field": "email"},
        {"function": "count_distinct", "field": "email"},
    ]  # fmt: skip
    content = await desk.insights(entity_id, *asks)
    by_function = {result["function"]: result for result in content["results"]}
    assert by_function["sum"]["value"] == pytest.approx(sum(at % 97 + 0.5 for at in range(count)))
    assert by_function["sum"]["records"] == count
    assert by_function["count_distinct"]["value"] == count
    if count > 200:
        assert "200 most frequent of 10000" in by_function["values_distinct"]["left_out"]
    assert weighing.heaviest < 40_000
    await desk.insights(entity_id, {"function": "records", "fields": ["NOTE"]})
    await desk.call("tilores_entity", entity_id=entity_id, fields=["NOTE", "STATUS"])
    assert weighing.heaviest < 80_000


async def test_links_of_a_very_large_entity_are_left_out(grown: tuple[Desk, Weighing, int]) -> None:
    desk, weighing, count = grown
    found = await desk.call("tilores_search", KEY="k", fields=["STATUS"])
    shown = await desk.call("tilores_explain", entity_id=found.content["entities"][0]["entity_id"])
    content = shown.content
    assert content["records"] == count
    assert len(content["conflicts"]["email"]) > 1
    if count > 1500:
        assert "edges between the records" in content["left_out"]
        assert content["edges"] == []
        assert "linked pairs" not in {figure["name"] for figure in shown.evidence["figures"]}
        assert weighing.heaviest < 40_000
    else:
        assert content["rules"] == {"KEY": count * (count - 1) // 2}


@pytest.mark.parametrize("count", [20, 1200])
async def test_too_many_groups_are_said_to_be_too_many(tmp_path: Path, count: int) -> None:
    rows = [{**row(at), "NOTE": f"note {at} " + "z" * 1000} for at in range(count)]
    folder = write_instance(tmp_path / "i", rows, schema=SCHEMA, rules=RULES)
    asked: dict[str, Any] = {"group_by": ["NOTE"], "ask": [{"function": "values", "field": "NOTE"}] * 4}
    async with open_desk(await create_app(load_instance(str(folder))), tmp_path) as desk:
        found = await desk.call("tilores_search", KEY="k", fields=["STATUS"])
        entity_id = found.content["entities"][0]["entity_id"]
        if count > 1000:  # more than Tilores sends
            assert "Narrow it" in await desk.refused("tilores_insights", entity_id=entity_id, **asked)
        else:
            content = (await desk.call("tilores_insights", entity_id=entity_id, **asked)).content
            assert "groups" in content["left_out"]


class Counted(dict[str, Any]):
    """A list's element that counts how often it is looked at."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:
        Counted.looks += 1
        return super().get(key, default)


async def test_the_elements_of_a_long_list_are_looked_at_once(grown: tuple[Desk, Weighing, int]) -> None:
    desk, _, _ = grown
    path = FieldPath.parse("LINES.*.Value")
    assert path is not None
    query = FactsQuery(desk.box._access, [path])
    date = FieldPath.parse("LINES.*.Date")
    assert date is not None
    elements = [Counted(Value=f"v{at}", Date="2026-01-01") for at in range(10_000)]
    Counted.looks = 0
    values = query._values(path, [("score_date", date)], [{"id": "r", "LINES": elements}])
    assert len(values) == 10_000
    assert Counted.looks == 20_000


def test_what_is_far_too_much_is_cut_in_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    def watched(value: Any) -> bytes:
        nonlocal written
        text = orjson.dumps(value)
        written += len(text)
        return text

    class Watched:
        loads = staticmethod(orjson.loads)
        dumps = staticmethod(watched)

    monkeypatch.setattr("tilores_x.tools.compact.orjson", Watched)
    values = [{"value": f"value {at}", "record_ids": [f"r{at}"], "count": 1} for at in range(10_000)]
    content: dict[str, Any] = {
        "ok": True,
        "entities": [{"entity_id": "e", "records": 9, "label": {}, "facts": {"F": values}, "records_shown": values[:]}],
    }
    size = len(orjson.dumps(content))
    fit_people(content)
    assert len(orjson.dumps(content)) <= BUDGET_BYTES
    assert written < 3 * size
    assert len(fewer_rows([{"n": at} for at in range(10_000)], 1000)) < 1000
