"""What is shipped: every package is named, and the wheel works away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("graph", "llm", "sandbox", "serving", "telemetry", "tools")


def test_every_folder_with_code_is_a_package_that_is_shipped() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    on_disk = {"tilores_x"}
    for room in ROOMS:
        for source in (ROOT / room).rglob("*.py"):
            on_disk.add(".".join(["tilores_x", *source.parent.relative_to(ROOT).parts]))
    assert set(named) == on_disk


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment holding our wheel; the dependencies are lent to it, the checkout is not."""
    source, home = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("elsewhere")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(home), str(source)], check=True)
    environment = home / "venv"
    venv.create(environment, with_pip=False)
    packages = next((environment / "lib").glob("python*/site-packages"))
    wheel = next(home.glob("tilores_x-*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--no-compile", "--target", str(packages), str(wheel)], check=True)
    # A path named here is searched, but its own .pth files aren't read: our editable install stays out.
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def _run(home: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TILORES_", "PYTHON"))}
    environment["XDG_CACHE_HOME"] = str(home / "cache")
    python = home / "venv" / "bin" / "python"
    done = subprocess.run(
        [str(python), *arguments], cwd=home, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_is_imported_from_its_own_environment(elsewhere: Path) -> None:
    where = _run(elsewhere, "-c", "import tilores_x; print(tilores_x.__file__)")
    assert Path(where.strip()).is_relative_to(elsewhere)


def test_the_wheel_answers_a_question_away_from_the_checkout(elsewhere: Path) -> None:
    printed = _run(elsewhere, "-m", "tilores_x.serving", "ask", "--json", "who is client ID 4021")
    reply = json.loads(printed)
    assert "4021" in {str(citation["value"]) for citation in reply["citations"]}
    assert reply["entities"]


def test_the_names_that_applications_import(elsewhere: Path) -> None:
    _run(elsewhere, "-c", "from tilores_x import ask, aask, open_graph, Settings, TiloresXError, __version__")
