"""A loaded instance is kept for the next start; whatever happens to what was kept, the sandbox is the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.small_instance import write_instance

from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.instance import Instance, load_instance
from tilores_x.sandbox.prepare import KEPT, open_engine


def facts(engine: Engine) -> list[Any]:
    return [
        [(row.id, engine.store.entities([row.entity])[0].id) for row in engine.store.records_of(range(1, 50))],
        engine.search({"city": "Springfield"}),
    ]


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "sandbox").glob("*"))


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return load_instance(write_instance(tmp_path / "instance"))


def test_the_second_start_takes_over_what_the_first_loaded(instance: Instance, tmp_path: Path) -> None:
    first = facts(open_engine(instance, cache_dir=tmp_path))
    assert len(first[0]) == 8
    (file,) = kept(tmp_path)
    written = file.read_bytes()
    broken = load_instance(instance.records_path.parent)  # type: ignore[union-attr]
    reads = 0

    def no_records(self: Instance) -> Any:
        nonlocal reads
        reads += 1
        return iter(())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Instance, "records", no_records)
        assert facts(open_engine(broken, cache_dir=tmp_path)) == first
    assert reads == 0
    assert file.read_bytes() == written


def test_what_is_done_to_a_sandbox_in_memory_stays_out_of_what_is_kept(instance: Instance, tmp_path: Path) -> None:
    first = facts(open_engine(instance, cache_dir=tmp_path))
    changed = open_engine(instance, cache_dir=tmp_path)
    changed.add([{"id": "new", "city": "Springfield"}])
    assert facts(open_engine(instance, cache_dir=tmp_path)) == first


@pytest.mark.parametrize("part", ["records.jsonl", "rules.toml", "schema.graphql"])
def test_a_changed_source_is_loaded_anew(instance: Instance, tmp_path: Path, part: str) -> None:
    open_engine(instance, cache_dir=tmp_path)
    folder = tmp_path / "instance"
    changes = {
        "records.jsonl": ("Springfield", "Shelbyville"),
        "rules.toml": ('id = "CITY"', 'id = "TOWN"'),
        "schema.graphql": ("enum Kind { CARD CALL }", "enum Kind { CARD CALL FAX }"),
    }
    text = (folder / part).read_text()
    (folder / part).write_text(text.replace(*changes[part]))
    engine = open_engine(load_instance(folder), cache_dir=tmp_path)
    assert len(kept(tmp_path)) == 2
    found = engine.search({"city": "Springfield"})
    assert (found == []) == (part == "records.jsonl")
    if part == "rules.toml":
        assert {rule for each in found for rules in each.hits.values() for rule in rules} == {"TOWN"}


@pytest.mark.parametrize("damage", [b"", b"no database " * 1000, None])
def test_a_damaged_file_is_made_anew(instance: Instance, tmp_path: Path, damage: bytes | None) -> None:
    first = facts(open_engine(instance, cache_dir=tmp_path))
    (file,) = kept(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert facts(open_engine(instance, cache_dir=tmp_path)) == first
    assert facts(open_engine(instance, cache_dir=tmp_path)) == first
    assert len(file.read_bytes()) == len(whole)


def test_a_folder_that_cannot_be_written_costs_only_time(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "sandbox").write_text("a file where the folder should be")
    assert len(facts(open_engine(instance, cache_dir=tmp_path))[0]) == 8


async def test_several_may_start_at_once(instance: Instance, tmp_path: Path) -> None:
    engines = await asyncio.gather(*(asyncio.to_thread(open_engine, instance, cache_dir=tmp_path) for _ in range(6)))
    assert all(facts(engine) == facts(engines[0]) for engine in engines)
    assert len(kept(tmp_path)) == 1


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        folder = write_instance(tmp_path / f"i{number}", [{"id": f"r{number}"}])
        open_engine(load_instance(folder), cache_dir=tmp_path)
    assert len(kept(tmp_path)) == KEPT
