"""The small instance's rules, and the sandbox over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.small_instance import CITIZENS, Client, open_client, write_instance

from tilores_x.sandbox.engine.rules import RuleSet, load_rules


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return load_rules(write_instance(tmp_path_factory.mktemp("rules")) / "rules.toml")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    client = await open_client(write_instance(tmp_path / "small"), tmp_path / "cache")
    yield client
    await client.http.aclose()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Client]:
    client = await open_client(write_instance(tmp_path / "town", CITIZENS), tmp_path / "cache")
    yield client
    await client.http.aclose()
