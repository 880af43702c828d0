"""What was acknowledged survives the end of the process, however it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.sandbox_process import sandbox_process
from support.small_instance import Client, open_client, write_instance

from tilores_x.errors import InstanceError
from tilores_x.sandbox.engine.store import Store
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app

SUBMIT = "mutation ($r: [RecordInput!]!) { submit(input: {records: $r}) { recordsAdded } }"
COUNT = '{ search(input: {parameters: {city: "Durable"}}) { entities { records { id } } } }'


async def connect(facts: dict[str, str]) -> Client:
    client = Client(httpx.AsyncClient(base_url=facts["api_url"]))
    await client.fetch_token()
    return client


async def held(client: Client) -> set[str]:
    await client.ready()
    found = await client.data(COUNT)
    return {record["id"] for entity in found["search"]["entities"] for record in entity["records"]}


async def test_killed_in_the_middle_of_submits_a_file_keeps_all_that_was_acknowledged(tmp_path: Path) -> None:
    folder, file = write_instance(tmp_path / "i"), tmp_path / "sandbox.sqlite"
    acknowledged: set[str] = set()

    async def submit(client: Client, lane: int) -> None:
        for number in range(10_000):
            ids = [f"{lane}-{number}-{part}" for part in range(5)]
            records = [{"id": each, "city": "Durable", "email": f"{lane}@mail.example"} for each in ids]
            await client.data(SUBMIT, r=records)
            acknowledged.update(ids)

    with sandbox_process(folder, cache_dir=tmp_path / "cache", file=file) as sandbox:
        client = await connect(sandbox.facts)
        await client.data(
            'mutation { disassemble(input: {recordIDs: ["crm-2"], createConnectionBan: true}) { triggered } }'
        )
        lanes = [asyncio.create_task(submit(client, lane)) for lane in range(4)]
        while len(acknowledged) < 200:
            await asyncio.sleep(0.01)
        sandbox.kill()
        ended = await asyncio.gather(*lanes, return_exceptions=True)
        assert all(isinstance(error, httpx.TransportError) for error in ended)
        await client.http.aclose()

    with sandbox_process(folder, cache_dir=tmp_path / "cache", file=file) as sandbox:
        client = await connect(sandbox.facts)
        found = await held(client)
        assert found >= acknowledged
        assert len(found - acknowledged) <= 4 * 5, "at most the submits that were under way"
        by_lane = await client.data('{ search(input: {parameters: {email: "0@mail.example"}}) { totalCount } }')
        assert by_lane["search"]["totalCount"] == 1
        apart = await client.data('{ search(input: {parameters: {email: "ann@mail.example"}}) { totalCount } }')
        assert apart["search"]["totalCount"] == 2
        await client.http.aclose()


async def test_without_a_file_each_start_has_the_instances_own_records(tmp_path: Path) -> None:
    folder = write_instance(tmp_path / "i")
    for _ in range(2):
        client = await open_client(folder, tmp_path / "cache")
        assert await held(client) == set()
        await client.data(SUBMIT, r=[{"id": "new", "city": "Durable"}])
        assert await held(client) == {"new"}


async def test_a_file_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    folder, file = write_instance(tmp_path / "i"), tmp_path / "sandbox.sqlite"
    app = await create_app(load_instance(folder), file=file)
    with pytest.raises(InstanceError, match="another process"):
        await create_app(load_instance(folder), file=file)
    app.state.sandbox.close()
    await create_app(load_instance(folder), file=file)


@pytest.mark.parametrize(
    ("content", "told"), [(b"no database at all" * 100, "can't be used as the sandbox's file"), (b"", None)]
)
async def test_a_file_that_is_no_database_is_told_and_an_empty_one_is_filled(
    tmp_path: Path, content: bytes, told: str | None
) -> None:
    file = tmp_path / "sandbox.sqlite"
    file.write_bytes(content)
    instance = load_instance(write_instance(tmp_path / "i"))
    if told:
        with pytest.raises(InstanceError, match=told):
            await create_app(instance, file=file)
        assert file.read_bytes() == content
        return
    app = await create_app(instance, file=file)
    assert app.state.sandbox.engine.store.count() == 8


async def test_a_file_made_with_other_rules_is_refused(tmp_path: Path) -> None:
    folder, file = write_instance(tmp_path / "i"), tmp_path / "sandbox.sqlite"
    app = await create_app(load_instance(folder), file=file)
    app.state.sandbox.engine.store.close()
    changed = (folder / "rules.toml").read_text().replace("0.88", "0.95")
    (folder / "rules.toml").write_text(changed)
    with pytest.raises(InstanceError, match="other rules"):
        await create_app(load_instance(folder), file=file)


async def test_a_broken_record_leaves_no_half_filled_file(tmp_path: Path) -> None:
    bad: list[dict[str, Any]] = [{"id": "fine"}, {"id": "a:b"}]
    folder, file = write_instance(tmp_path / "i", bad), tmp_path / "sandbox.sqlite"
    with pytest.raises(InstanceError, match="line 2"):
        await create_app(load_instance(folder), file=file)
    write_instance(folder, bad[:1])
    app = await create_app(load_instance(folder), file=file)
    assert app.state.sandbox.engine.store.count() == 1


def test_a_file_is_written_ahead_and_synced(tmp_path: Path) -> None:
    store = Store(tmp_path / "sandbox.sqlite")
    pragmas = {name: store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    store.close()
