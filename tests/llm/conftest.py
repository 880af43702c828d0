"""What the tests of chat models share: a scripted provider, and the chat models over it, made once per file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from support.clients import Clients, clients, environ
from support.provider import Provider


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider) -> Provider:
    server.forget()
    return server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(server: Provider) -> AsyncIterator[Clients]:
    async with clients(environ(server)) as made:
        yield made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the passes over the models: the length of the pauses is tested where they are made."""
    monkeypatch.setattr("tilores_x.retry.FIRST_DELAY_S", 0.01)
