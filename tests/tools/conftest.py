from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.desk import Desk, open_desk

from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app

TRUTH = Path(__file__).parents[2] / "sandbox/instances/credit/truth.jsonl"


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilores_x.retry.FIRST_DELAY_S", 0.01)


@pytest.fixture(scope="session")
def credit_app() -> Any:
    return asyncio.run(create_app(load_instance("credit")))


@pytest.fixture(scope="session")
def people_app() -> Any:
    return asyncio.run(create_app(load_instance("people")))


@pytest.fixture
async def credit(credit_app: Any, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(credit_app, tmp_path) as desk:
        yield desk


@pytest.fixture
async def people(people_app: Any, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(people_app, tmp_path) as desk:
        yield desk


@pytest.fixture(scope="session")
def truth() -> dict[str, dict[str, Any]]:
    """What the generator knows of each customer, by client id."""
    people = [orjson.loads(line) for line in TRUTH.read_bytes().splitlines()]
    return {person["client_id"]: person for person in people if person["client_id"]}


@pytest.fixture(scope="session")
def records() -> dict[str, dict[str, Any]]:
    """The records of the credit instance as they were written, by id."""
    lines = TRUTH.with_name("records.jsonl").read_bytes().splitlines()
    return {record["id"]: record for record in map(orjson.loads, lines)}
