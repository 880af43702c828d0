"""Reading an instance's schema, keeping it, and working with less of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from httpx_aiohttp import HttpxAiohttpClient
from support.desk import Desk, open_desk
from support.loopback import Loopback, loopback, says
from support.older import LATER, older_app

from tilores_x.errors import ConfigError, InstanceError, TiloresUnavailable
from tilores_x.tools.api import queries
from tilores_x.tools.api.client import TiloresClient
from tilores_x.tools.api.schema import FRESH_S, OLDEST_S, InstanceSchema, SchemaFile, discover


@pytest.fixture
async def introspection(credit: Desk) -> dict[str, Any]:
    data = await credit.client.execute(queries.INTROSPECT)
    return dict(data["__schema"])


@asynccontextmanager
async def serving(*schemas: Any) -> AsyncIterator[tuple[Loopback, TiloresClient]]:
    """A client of a server that answers introspection with these schemas in turn."""
    async with (
        loopback(*(says({"data": {"__schema": schema}}) for schema in schemas)) as server,
        TiloresClient(server.url, http=HttpxAiohttpClient()) as client,
    ):
        yield server, client


def without(schema: dict[str, Any], *gone: str) -> dict[str, Any]:
    """The introspection less some types' fields."""

    def kept(owner: str, fields: Iterable[dict[str, Any]] | None) -> Any:
        return fields and [field for field in fields if f"{owner}.{field['name']}" not in gone]

    types = [
        {**t, "fields": kept(t["name"], t["fields"]), "inputFields": kept(t["name"], t["inputFields"])}
        for t in schema["types"]
    ]
    return {**schema, "types": types}


def age(file: SchemaFile, seconds: float) -> None:
    content = orjson.loads(file.path.read_bytes())
    content["fetched_at"] = time.time() - seconds
    file.path.write_bytes(orjson.dumps(content))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def test_fields_have_dotted_paths_types_and_descriptions(introspection: dict[str, Any]) -> None:
    schema = InstanceSchema.from_introspection(introspection)
    score = schema.by_path["CREDIT_RESPONSE.CREDIT_SCORE.*.Value"]
    assert score.type == "String"
    assert score.many
    assert schema.by_path["STATUS"].description
    assert "CREDIT_RESPONSE.CREDIT_LIABILITY.*.PaymentPattern.*" in schema.by_path
    assert "CREDIT_RESPONSE.CREDIT_SCORE" in schema.containers
    assert {"EMAIL", "CLIENT_ID"} <= {parameter.name for parameter in schema.search_params}
    assert schema.has("SearchOutput.totalCount", "RecordInsights.group(caseSensitive)")
    assert not schema.has("Query.searchWithEdges")


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("STATUS", "STATUS"),
        (" status ", "STATUS"),
        ("credit_response.credit_score.value", "CREDIT_RESPONSE.CREDIT_SCORE.*.Value"),
        ("CREDIT_RESPONSE.CREDIT_SCORE", "CREDIT_RESPONSE.CREDIT_SCORE"),
        (
            "CREDIT_RESPONSE.CREDIT_SUMMARY.DATA_SET.[ID=PT016].Value",
            "CREDIT_RESPONSE.CREDIT_SUMMARY.DATA_SET.[ID=PT016].Value",
        ),
        ("STATU", None),
        ("", None),
        ("STATUS.", None),
        ('STATUS") { id } #', None),
        ("CREDIT_RESPONSE..CREDIT_SCORE", None),
        ("CREDIT_RESPONSE.CREDIT_SUMMARY.DATA_SET.[ID=PT016", None),
        ("CREDIT_RESPONSE.CREDIT_SUMMARY.DATA_SET.[NOSUCH=PT016].Value", None),
    ],
)
def test_names_resolve_only_where_they_are_sure(introspection: dict[str, Any], asked: str, path: str | None) -> None:
    found = InstanceSchema.from_introspection(introspection).resolve(asked)
    assert (found.text if found else None) == path


def test_a_type_within_itself_is_followed_no_further(introspection: dict[str, Any]) -> None:
    node = {"kind": "OBJECT", "name": "Record", "ofType": None}
    types = [
        {**t, "fields": [*t["fields"], {"name": "parent", "description": None, "args": [], "type": node}]}
        if t["name"] == "Record"
        else t
        for t in introspection["types"]
    ]
    schema = InstanceSchema.from_introspection({**introspection, "types": types})
    assert not any(path.startswith("parent.parent") for path in schema.by_path)


@pytest.mark.parametrize("gone", ["Query.search", "Entity.records", "SearchInput.parameters", "Record.id"])
def test_what_is_no_tilores_instance_is_refused(introspection: dict[str, Any], gone: str) -> None:
    with pytest.raises(InstanceError, match=gone.partition(".")[2] if gone != "Record.id" else "`id`"):
        InstanceSchema.from_introspection(without(introspection, gone))


async def test_a_reply_without_a_schema_is_refused() -> None:
    async with loopback(says({"data": {}})) as server, TiloresClient(server.url, http=HttpxAiohttpClient()) as client:
        with pytest.raises(InstanceError, match="introspection"):
            await discover(client, Path("/nonexistent"))


async def test_a_fresh_schema_is_read_from_disk_alone(introspection: dict[str, Any], tmp_path: Path) -> None:
    async with serving(introspection) as (server, client):
        first = await discover(client, tmp_path)
        second = await discover(client, tmp_path)
        assert first == second
        assert len(server.requests) == 1
    assert not list(tmp_path.rglob("*.tmp"))


async def test_a_kept_schema_is_used_at_once_and_refreshed_behind(
    introspection: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newer = without(introspection, "Record.MIDDLE_NAME")
    async with serving(introspection, newer) as (server, client):
        first = await discover(client, tmp_path)
        file = SchemaFile(tmp_path, client.api_url)
        age(file, FRESH_S + 1)
        assert (await discover(client, tmp_path)).version == first.version
        await until(lambda: len(server.requests) == 2)
        await until(lambda: (read := file.read()[0]) is not None and read.version != first.version)
        found = file.read()[0]
        assert found is not None
        assert "MIDDLE_NAME" not in found.by_path
        assert (await discover(client, tmp_path)).version == found.version
    assert "has changed" in caplog.text


async def test_a_schema_kept_too_long_is_read_anew(introspection: dict[str, Any], tmp_path: Path) -> None:
    newer = without(introspection, "Record.MIDDLE_NAME")
    async with serving(introspection, newer) as (_, client):
        await discover(client, tmp_path)
        age(SchemaFile(tmp_path, client.api_url), OLDEST_S + 1)
        assert "MIDDLE_NAME" not in (await discover(client, tmp_path)).by_path


async def test_a_refresh_that_fails_leaves_the_kept_schema(introspection: dict[str, Any], tmp_path: Path) -> None:
    async with serving(introspection, None) as (server, client):
        first = await discover(client, tmp_path)
        file = SchemaFile(tmp_path, client.api_url)
        age(file, FRESH_S + 1)
        await discover(client, tmp_path)
        await until(lambda: len(server.requests) == 2)
        await asyncio.sleep(0.05)
        assert file.read()[0] == first


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 0}', b'{"format": 1, "fetched_at": "x"}', b"\xff\xfe"]
)
async def test_a_broken_file_is_as_none(introspection: dict[str, Any], tmp_path: Path, content: bytes) -> None:
    async with serving(introspection) as (server, client):
        file = SchemaFile(tmp_path, client.api_url)
        file.path.parent.mkdir(parents=True)
        file.path.write_bytes(content)
        assert (await discover(client, tmp_path)).record_fields
        assert len(server.requests) == 1
        assert file.read()[0] is not None


async def test_a_folder_that_cannot_be_written_is_no_obstacle(introspection: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "schemas").write_text("a file where a folder should be")
    async with serving(introspection) as (_, client):
        assert (await discover(client, tmp_path)).record_fields


async def test_nothing_kept_and_nobody_there(tmp_path: Path) -> None:
    async with TiloresClient("http://127.0.0.1:1/", http=HttpxAiohttpClient()) as client:
        with pytest.raises(TiloresUnavailable):
            await discover(client, tmp_path)
    assert not list(tmp_path.rglob("*.json"))


async def test_two_instances_do_not_share_a_file(introspection: dict[str, Any], tmp_path: Path) -> None:
    async with serving(introspection) as (_, one), serving(without(introspection, "Record.STATE")) as (_, other):
        assert "STATE" in (await discover(one, tmp_path)).by_path
        assert "STATE" not in (await discover(other, tmp_path)).by_path


async def test_the_embedded_instance_leaves_nothing_on_disk(credit: Desk, tmp_path: Path) -> None:
    assert credit.client.embedded
    assert list(tmp_path.iterdir()) == []


# Older instances.


@pytest.fixture(scope="module")
def older_credit() -> Any:
    return asyncio.run(older_app("credit"))


async def test_every_tool_works_on_an_older_instance(older_credit: Any, tmp_path: Path) -> None:
    async with open_desk(older_credit, tmp_path) as old:
        assert not any(old.box.schema.has(name) for name in LATER)
        found = await old.call("tilores_search", CLIENT_ID="4021")
        assert found.content["total"] == 1
        entity_id = found.content["entities"][0]["entity_id"]
        assert (await old.call("tilores_entity", entity_id=entity_id)).content["total"] == 1
        assert (await old.insights(entity_id, "count"))["count"] == found.content["entities"][0]["records"]
        explained = await old.call("tilores_explain", entity_id=entity_id)
        assert sum(explained.content["rules"].values()) >= len(explained.content["edges"]) > 0


async def test_rules_are_counted_alike_with_and_without_edge_insights(
    older_credit: Any, credit: Desk, tmp_path: Path
) -> None:
    entity_id = await credit.entity_of("4021")
    new = await credit.call("tilores_explain", entity_id=entity_id)
    async with open_desk(older_credit, tmp_path) as old:
        assert (await old.call("tilores_explain", entity_id=entity_id)).content["rules"] == new.content["rules"]


async def test_a_record_cannot_be_looked_up_on_an_older_instance(older_credit: Any, tmp_path: Path) -> None:
    async with open_desk(older_credit, tmp_path) as old:
        assert "tilores_search" in await old.refused("tilores_entity", record_id="crm-4021-1")


async def test_many_matches_without_a_total(credit: Desk, tmp_path: Path) -> None:
    counted = await credit.call("tilores_search", FIRST_NAME="Julian", fields=["CLIENT_ID"])
    app = await older_app("credit", ("SearchOutput.totalCount",))
    async with open_desk(app, tmp_path) as old:
        paged = await old.call("tilores_search", FIRST_NAME="Julian", fields=["CLIENT_ID"])
    assert paged.content["total"] == counted.content["total"] > 1


async def test_an_instance_without_insights_is_refused(tmp_path: Path) -> None:
    app = await older_app("people", ("Entity.recordInsights",))
    with pytest.raises(ConfigError, match="recordInsights"):
        async with open_desk(app, tmp_path):
            pass
