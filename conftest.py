"""No test, nor a notebook that is run as one, sees what the machine's user keeps, or what another test has kept."""

from __future__ import annotations

import hashlib
import os
import tempfile

import pytest

VARIABLE = "TILORES_CACHE_DIR"
_folders = pytest.StashKey[object]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """For what no fixture reaches: notebooks, and fixtures of whole modules."""
    folder = tempfile.TemporaryDirectory(prefix="tx-", ignore_cleanup_errors=True)
    session.config.stash[_folders] = folder
    os.environ[VARIABLE] = folder.name


@pytest.fixture(autouse=True)
def cache_dir_of_its_own(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = hashlib.blake2b(request.node.nodeid.encode(), digest_size=6).hexdigest()
    monkeypatch.setenv(VARIABLE, str(tmp_path_factory.getbasetemp() / name))
