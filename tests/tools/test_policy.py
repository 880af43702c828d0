"""The field policy: what is never asked for, what leaves only masked, and that no way leads around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.desk import Desk, open_desk
from support.small_instance import write_instance

from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.tools.fields.policy import FieldPolicy, Rule, mask, scrubbed

SCHEMA = """
type Record {
  id: ID!
  EMAIL: String
  NAME: String
  SSN: String
  CARD_NUMBER: String
  CARD_NUMBER_TYPE: String
  CVV2: String
  CARD_EXPIRY: String
  CARD_LAST4: String
  DATE_OF_BIRTH: String
  NOTES: String
  PRESENT: String
  ZIP: String
  BORROWER: Borrower
  CARDS: [Card!]
}
type Borrower { birthDate: String  taxpayerIdentifier: String  city: String }
type Card { cardNumber: String  brand: String }
input RecordInput { id: ID!  EMAIL: String }
input SearchParams { EMAIL: String  SSN: String  CARD_NUMBER: String  DATE_OF_BIRTH: String }
"""
RULES = """
[[rule]]
id = "EMAIL"
match = [{ field = "EMAIL", how = "exact" }]
[[rule]]
id = "DOB"
link = false
match = [{ field = "DATE_OF_BIRTH", how = "date" }]
"""
NEVER = {"123-45-6789", "4111111111111111", "4111 1111 1111 1111", "987", "11/29", "5500005555555559", "12-3456789"}
MASKED = {"1980-07-19", "07/19/1980", "1981-06-17", "-07-19", "07/19"}
RECORDS = [
    {
        "id": "r1", "EMAIL": "a@b.example", "NAME": "Ann", "SSN": "123-45-6789", "CARD_NUMBER": "4111111111111111",
        "CVV2": "987", "CARD_EXPIRY": "11/29", "CARD_LAST4": "1111", "DATE_OF_BIRTH": "1980-07-19", "ZIP": "12345",
        "CARD_NUMBER_TYPE": "5500005555555559",
        "NOTES": "Read out 4111 1111 1111 1111, and SSN 123-45-6789; call 415-555-0134", "PRESENT": "yes",
        "BORROWER": {"birthDate": "1980-07-19", "taxpayerIdentifier": "12-3456789", "city": "Ogdenville"},
        "CARDS": [{"cardNumber": "5500005555555559", "brand": "Visa"}],
    },
    {"id": "r2", "EMAIL": "a@b.example", "DATE_OF_BIRTH": "07/19/1980", "PRESENT": "yes"},
    {"id": "r3", "EMAIL": "a@b.example", "DATE_OF_BIRTH": "1981-06-17", "PRESENT": "no"},
]  # fmt: skip


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    folder = write_instance(tmp_path / "i", RECORDS, schema=SCHEMA, rules=RULES)
    async with open_desk(await create_app(load_instance(str(folder))), tmp_path) as opened:
        yield opened


@pytest.fixture
async def entity_id(desk: Desk) -> str:
    return str((await desk.call("tilores_search", EMAIL="a@b.example")).content["entities"][0]["entity_id"])


def assert_clean(text: str) -> None:
    assert not [canary for canary in NEVER | MASKED if canary in text]


async def test_defaults_by_name(desk: Desk, credit: Desk) -> None:
    policy = desk.box.policy
    never = {path for path in desk.box.schema.by_path if policy.rule(path) is Rule.NEVER}
    masked = {path for path in desk.box.schema.by_path if policy.masks(path)}
    assert never == {
        "SSN", "CARD_NUMBER", "CARD_NUMBER_TYPE", "CVV2", "CARD_EXPIRY", "BORROWER.taxpayerIdentifier",
        "CARDS.*.cardNumber",
    }  # fmt: skip
    assert masked == {"DATE_OF_BIRTH", "BORROWER.birthDate"}
    assert not credit.box.policy.visible("CVV")
    assert credit.box.policy.visible("CARD_LAST4")
    assert credit.box.policy.visible("CREDIT_RESPONSE.CREDIT_SUMMARY.DATA_SET.[ID=PT016].Value")
    assert not credit.box.policy.visible("NO_SUCH_FIELD")


async def test_nothing_leaves_by_any_tool(desk: Desk, entity_id: str) -> None:
    every = [path for path in desk.box.schema.by_path if desk.box.policy.visible(path)]
    shown = [
        await desk.call("tilores_search", EMAIL="a@b.example"),
        await desk.call("tilores_search", EMAIL="a@b.example", fields=every),
        await desk.call("tilores_entity", entity_id=entity_id, fields=every),
        await desk.call("tilores_entity", record_id="r2", fields=["BORROWER", "CARDS"]),
        await desk.call("tilores_explain", entity_id=entity_id),
    ]
    asks: list[Any] = [{"function": "records", "fields": every}, {"function": "first", "fields": every}]
    for function in ("values", "values_distinct", "frequency"):
        asks += [{"function": function, "field": path} for path in ("DATE_OF_BIRTH", "NOTES", "BORROWER.birthDate")]
    shown.append(await desk.call("tilores_insights", entity_id=entity_id, ask=asks))
    shown.append(await desk.call("tilores_insights", entity_id=entity_id, group_by=["PRESENT"], ask=asks[:4]))
    for one in shown:
        assert_clean(one.text)
    assert "1980 (only the year is shown)" in shown[0].text
    assert "Ogdenville" in shown[3].text
    assert "415-555-0134" in shown[1].text


async def test_never_fields_are_not_even_selected(desk: Desk, tmp_path: Path) -> None:
    app = await create_app(load_instance(str(tmp_path / "i")))
    sent: list[bytes] = []

    async def overheard(scope: Any, receive: Any, send: Any) -> None:
        async def hear() -> Any:
            message = await receive()
            sent.append(message.get("body", b""))
            return message

        await app(scope, hear, send)

    async with open_desk(overheard, tmp_path) as watched:
        found = await watched.call("tilores_search", EMAIL="a@b.example", fields=["BORROWER", "CARDS", "NAME"])
        entity_id = found.content["entities"][0]["entity_id"]
        await watched.call("tilores_entity", entity_id=entity_id)
        await watched.call("tilores_explain", entity_id=entity_id)
    assert any(b"BORROWER" in body for body in sent)
    for word in (b"SSN", b"CARD_NUMBER", b"CVV2", b"CARD_EXPIRY", b"taxpayerIdentifier", b"cardNumber"):
        assert not [body for body in sent if word in body]


@pytest.mark.parametrize("field", ["SSN", "CARD_NUMBER", "CVV2", "BORROWER.taxpayerIdentifier", "CARDS.*.cardNumber"])
async def test_never_fields_can_be_used_for_nothing(desk: Desk, entity_id: str, field: str) -> None:
    tries: list[dict[str, Any]] = [
        {"where": [{"field": field, "op": "starts_with", "value": "4"}]},
        {"where": [{"field": field, "op": "not_null"}]},
        {"sort": [{"field": field}]},
        {"group_by": [field]},
        {"ask": [{"function": "records", "fields": [field]}]},
        {"ask": [{"function": "count", "field": field}]},
        {"ask": [{"function": "count_distinct", "fields": ["NAME", field]}]},
        {"ask": [{"function": "newest", "field": "PRESENT", "fields": [field]}]},
        {"ask": [{"function": "max", "field": field}]},
    ]
    for arguments in tries:
        assert "policy" in await desk.refused("tilores_insights", entity_id=entity_id, **arguments)
    assert "policy" in await desk.refused("tilores_search", EMAIL="a@b.example", fields=[field])
    assert "policy" in await desk.refused("tilores_entity", entity_id=entity_id, fields=[field])


async def test_never_fields_cannot_be_searched_by(desk: Desk) -> None:
    search = next(tool for tool in desk.box.tools() if tool.name == "tilores_search")
    assert set(search.args) == {"EMAIL", "DATE_OF_BIRTH", "fields", "people"}
    assert "no search parameter" in await desk.refused("tilores_search", SSN="123-45-6789")


@pytest.mark.parametrize("field", ["DATE_OF_BIRTH", "BORROWER.birthDate"])
async def test_what_would_tell_a_masked_value_is_refused(desk: Desk, entity_id: str, field: str) -> None:
    tries: list[dict[str, Any]] = [
        {"where": [{"field": field, "op": "starts_with", "value": "1980-07"}]},
        {"where": [{"field": field, "op": "equals", "value": "1980-07-19"}]},
        {"where": [{"field": field, "op": "since", "value": "1980-07-01"}]},
        {"sort": [{"field": field}]},
        {"group_by": [field]},
        *({"ask": [{"function": f, "field": field}]} for f in ("min", "max", "sum", "newest", "oldest", "median")),
    ]
    for arguments in tries:
        assert "masked" in await desk.refused("tilores_insights", entity_id=entity_id, **arguments)
    kept = await desk.insights(entity_id, "count", where=[{"field": "DATE_OF_BIRTH", "op": "not_null"}])
    assert kept["count"] == 3


async def test_picking_list_elements_by_a_forbidden_field_is_refused(desk: Desk, entity_id: str) -> None:
    picked = "CARDS.[cardNumber=5500005555555559].brand"
    assert "policy" in await desk.refused("tilores_entity", entity_id=entity_id, fields=[picked])
    allowed = await desk.call("tilores_entity", entity_id=entity_id, fields=["CARDS.[brand=visa].brand"])
    assert allowed.content["entities"][0]["facts"]["CARDS.[brand=visa].brand"][0]["value"] == "Visa"


async def test_near_names_do_not_name_what_is_hidden(desk: Desk) -> None:
    said = await desk.refused("tilores_search", EMAIL="a@b.example", fields=["CARD_NUMBR"])
    assert "CARD_LAST4" in said
    assert "CARD_NUMBER" not in said


async def test_birthdays_can_be_searched_by(desk: Desk) -> None:
    found = await desk.call("tilores_search", DATE_OF_BIRTH="19 July 1980", fields=["NAME"])
    assert found.content["total"] == 1


async def test_the_operator_stands_above_the_defaults(desk: Desk, tmp_path: Path) -> None:
    hints = tmp_path / "fields.toml"
    hints.write_text(
        '[policy]\nnever = ["NAME", "BORROWER"]\nmasked = ["ZIP"]\nallowed = ["CARD_EXPIRY", "*birth*", "ssn"]\n'
    )
    folder = tmp_path / "i"
    async with open_desk(await create_app(load_instance(str(folder))), tmp_path, fields=hints) as other:
        policy = other.box.policy
        assert [policy.rule(p) for p in ("NAME", "BORROWER.city", "BORROWER.birthDate")] == [Rule.NEVER] * 3
        assert [policy.rule(p) for p in ("CARD_EXPIRY", "DATE_OF_BIRTH", "SSN")] == [Rule.ALLOWED] * 3
        assert policy.masks("ZIP")
        assert "SSN" in next(tool for tool in other.box.tools() if tool.name == "tilores_search").args
        found = await other.call("tilores_search", EMAIL="a@b.example", fields=["ZIP", "CARD_EXPIRY"])
        facts = found.content["entities"][0]["facts"]
    assert facts["ZIP"][0]["value"] == "[hidden]"
    assert facts["CARD_EXPIRY"][0]["value"] == "11/29"


async def test_no_card_number_of_the_credit_instance_leaves(credit: Desk, records: dict[str, dict[str, Any]]) -> None:
    holders = [r for r in records.values() if r.get("CARD_NUMBER") and r.get("EMAIL")][:15]
    assert holders
    for record in holders:
        shown = await credit.call("tilores_search", EMAIL=record["EMAIL"], fields=["CARD_TYPE", "CARD_LAST4"])
        entity = await credit.call("tilores_entity", record_id=record["id"])
        for text in (shown.text, entity.text):
            assert record["CARD_NUMBER"] not in text
            assert orjson.dumps({"CVV": record["CVV"]})[1:-1].decode() not in text


def test_masks() -> None:
    assert mask("07/19/1980") == "1980 (only the year is shown)"
    assert mask("19.07.1980 ") == "1980 (only the year is shown)"
    assert mask("born in summer") == "[hidden]"
    assert mask(19800719) == "[hidden]"
    assert mask(None) is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("card 4111-1111-1111-1111 ok", "card [hidden] ok"),
        ("4111111111111111", "[hidden]"),
        ("ssn 123-45-6789.", "ssn [hidden]."),
        ("123 45 6789", "[hidden]"),
        ("order 4111111111111112", "order 4111111111111112"),
        ("call 415-555-0134 on 2026-01-02", "call 415-555-0134 on 2026-01-02"),
        ("1712345678901", "1712345678901"),
    ],
)
def test_free_text_is_scrubbed_of_cards_and_identities(text: str, clean: str) -> None:
    assert scrubbed(text) == clean


def test_a_policy_knows_only_fields_that_exist(credit_app: Any) -> None:
    assert FieldPolicy({}, {}).rule("ANYTHING") is Rule.NEVER
