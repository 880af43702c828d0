from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from tilores_x.telemetry.ledger import Ledger


def timing(name: str, seconds: float, kind: str = "node") -> dict[str, object]:
    return {"name": name, "kind": kind, "seconds": seconds}


def test_percentiles_by_kind_and_name() -> None:
    ledger = Ledger()
    for number in range(1, 101):
        ledger.finished([timing("think", number / 100), timing("tilores_search", 0.01, "tool")], seconds=number)
    found = ledger.percentiles()
    assert list(found) == [("question", "question"), ("node", "think"), ("tool", "tilores_search")]
    assert found["node", "think"] == (100, 0.50, 0.95, 0.99, 1.0)
    assert found["question", "question"].p95_s == 95


def test_only_the_newest_are_kept() -> None:
    ledger = Ledger(kept=3)
    for seconds in (9, 1, 2, 3):
        ledger.finished([], seconds)
    assert ledger.percentiles()["question", "question"] == (3, 2, 3, 3, 3)


def test_failures_are_counted_by_class() -> None:
    ledger = Ledger()
    ledger.failed("TiloresUnavailable")
    ledger.failed("TiloresUnavailable")
    assert ledger.failures == {"TiloresUnavailable": 2}
    assert ledger.percentiles() == {}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_a_percentile_is_a_time_that_was_measured(measured: list[float]) -> None:
    ledger = Ledger()
    for seconds in measured:
        ledger.finished([], seconds)
    found = ledger.percentiles()["question", "question"]
    assert {found.p50_s, found.p95_s, found.p99_s} <= set(measured)
    assert found.p50_s <= found.p95_s <= found.p99_s <= found.most_s == max(measured)
    assert sum(seconds <= found.p50_s for seconds in measured) * 2 >= len(measured)


def test_threads_lose_nothing() -> None:
    ledger = Ledger()
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: ledger.finished([timing("act", 0.1)], 0.2), range(800)):
            pass
    assert ledger.percentiles()["node", "act"].measured == 800
