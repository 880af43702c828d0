"""The README's code runs, and what it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from tilores_x.serving.cli import app
from tilores_x.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
CODE = re.findall(r"<!-- run by the tests -->\n```python\n(.*?)```", README, re.DOTALL)


def test_there_is_code_to_run() -> None:
    assert len(CODE) == README.count("```python")


@pytest.mark.parametrize("code", CODE)
def test_the_code_runs_as_it_stands(code: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_command_and_target_exists() -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"^    tilores-x (\w+)", README, re.MULTILINE)) <= commands
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"^    make (\w+)", README, re.MULTILINE)) <= targets


def test_the_variables_are_the_settings() -> None:
    named = {name.removeprefix("TILORES_").lower() for name in re.findall(r"TILORES_[A-Z_]+[A-Z]", README)}
    assert named == set(Settings.model_fields)
