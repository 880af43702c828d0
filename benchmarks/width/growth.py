"""Entities of 10 to 10,000 records, and what a question costs that needs a sum over all of them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.wire import Script

from width.questions import INSTANCES, SEARCH
from width.rivals import Ask, Where, lean, ours, sdk

SIZES = (10, 100, 1_000, 10_000)
AMOUNT = 1237
INSIGHTS = "tilores_insights"
SUMMED = (
    "query search($params: SearchParams!) { search(input: {parameters: $params}) "
    '{ entities { id recordInsights { count sum(field: "PAYMENT_AMOUNT") } } } }'
)


@dataclass(frozen=True)
class Total:
    """A question about the customer with so many records."""

    records: int

    @property
    def client_id(self) -> str:
        return str(9001 + SIZES.index(self.records))

    @property
    def text(self) -> str:
        return f"How much has the customer with client ID {self.client_id} paid in all?"

    @property
    def answer(self) -> str:
        return str(AMOUNT * self.records)

    def answered_by(self, reply: str) -> bool:
        return self.answer in reply


@contextmanager
def instance() -> Iterator[str]:
    """A folder with an instance like `credit` that holds the four customers."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "credit"
        shutil.copytree(INSTANCES / "credit", folder)
        with (folder / "records.jsonl").open("w", encoding="utf-8") as file:
            for size in SIZES:
                file.writelines(json.dumps(record) + "\n" for record in _records(Total(size)))
        yield str(folder)


def _records(total: Total) -> Iterator[dict[str, str]]:
    for number in range(total.records):
        day = f"{2000 + number % 25}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}"
        yield {
            "id": f"pay-{total.client_id}-{number}",
            "SOURCE": "PAYMENT",
            "CLIENT_ID": total.client_id,
            "PAYMENT_AMOUNT": f"{AMOUNT}.00",
            "PAYMENT_DATE": day,
            "PAYMENT_STATUS": "Paid",
            "PAYMENT_METHOD": ("Credit card", "Bank transfer", "Debit card")[number % 3],
            "CREATED_AT": f"{day}T06:{number % 60:02}:00Z",
        }


def reply(question: str, shown: str, tools: list[dict[str, Any]]) -> Script:
    """What the model says: it asks for the sum as soon as it knows the entity, and tells it as soon as it has it."""
    total = next(Total(size) for size in SIZES if Total(size).client_id in question)
    if total.answer in shown:
        return Script(f"The customer with client ID {total.client_id} has paid {total.answer} dollars in all.")
    entity = shown.partition('"entity_id":"')[2].partition('"')[0]
    if entity and any(tool["function"]["name"] == INSIGHTS for tool in tools):
        ask = [{"function": "sum", "field": "PAYMENT_AMOUNT"}]
        return Script(tool_calls=((INSIGHTS, {"entity_id": entity, "ask": ask}),))
    if shown:
        return Script("The sum is missing.")
    return Script(tool_calls=((SEARCH, {"CLIENT_ID": total.client_id}),))


@asynccontextmanager
async def sdk_summing(where: Where) -> AsyncIterator[Ask]:
    """The SDK knows no aggregates in a search: all records come, and are summed here."""

    def read(found: Any) -> str:
        amounts = [record["PAYMENT_AMOUNT"] for one in found["entities"] for record in one["records"]]
        return json.dumps({"sum": sum(float(amount) for amount in amounts if amount)})

    fields = ("id", "CLIENT_ID", "PAYMENT_AMOUNT", "PAYMENT_DATE", "PAYMENT_STATUS")
    async with sdk(where, lambda search, asked: [search(one) for one in asked], read, fields) as ask:
        yield ask


@asynccontextmanager
async def lean_summing(where: Where) -> AsyncIterator[Ask]:
    """It knows the question beforehand: Tilores sums in the search itself."""
    async with lean(where, SUMMED) as ask:
        yield ask


WAYS: dict[str, Callable[[Where], AbstractAsyncContextManager[Ask]]] = {
    "SDK, summing here": sdk_summing,
    "lean asyncio, one document": lean_summing,
    "tilores-x, summing": ours,
}
