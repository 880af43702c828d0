"""The shipped instances: their data comes out of the generator again, and their rules find out who is who in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from importlib import resources
from itertools import islice
from pathlib import Path

import phonenumbers
import pytest

from tilores_x.sandbox.engine.engine import Engine
from tilores_x.sandbox.engine.store import Store
from tilores_x.sandbox.generator import generate, iter_records
from tilores_x.sandbox.instance import load_instance

SHIPPED = Path(str(resources.files("tilores_x.sandbox"))) / "instances"
INSTANCES = ("credit", "people")


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def resolve(name: str, records: list[dict]) -> tuple[Engine, dict[str, str]]:
    """An engine holding the records, and the entity of each."""
    engine = Engine(load_instance(name).rules, Store())
    with engine.store.transaction():
        engine.take(records)
    return engine, {record["id"]: engine.entity_of(record["id"]).id for record in records}


def pairs(groups: list[list[str]]) -> set[frozenset[str]]:
    return {frozenset((a, b)) for group in groups for at, a in enumerate(group) for b in group[:at]}


@pytest.mark.parametrize("name", INSTANCES)
def test_committed_data_is_generated_again_byte_for_byte(name, tmp_path):
    generate(name, 300, 7, tmp_path)
    for part in ("records.jsonl", "truth.jsonl"):
        assert (tmp_path / part).read_bytes() == (SHIPPED / name / part).read_bytes(), part


def test_the_command_line_writes_the_same(tmp_path):
    command = [sys.executable, "-m", "tilores_x.sandbox.generator", "people", "--people", "300", "--seed", "7"]
    subprocess.run([*command, "--out", str(tmp_path / "new" / "folder")], check=True, capture_output=True)
    for part in ("records.jsonl", "truth.jsonl"):
        assert (tmp_path / "new" / "folder" / part).read_bytes() == (SHIPPED / "people" / part).read_bytes()


@pytest.mark.parametrize("name", INSTANCES)
def test_another_seed_makes_other_people(name, tmp_path):
    mine = [record["id"] for record in iter_records(name, 20, 7)]
    assert list(iter_records(name, 20, 7)) != list(iter_records(name, 20, 8))
    assert len(set(mine)) == len(mine)
    assert not any(":" in record_id for record_id in mine)


@pytest.mark.parametrize("name", INSTANCES)
def test_the_first_people_stay_the_same_however_many_follow(name):
    few = list(iter_records(name, 40, 7))
    assert list(islice(iter_records(name, 100_000, 7), len(few))) == few


@pytest.mark.parametrize("name", INSTANCES)
@pytest.mark.parametrize("seed", [7, 11])
def test_rules_make_one_entity_of_each_person(name, seed, tmp_path):
    generate(name, 300, seed, tmp_path)
    truth = [case["record_ids"] for case in lines(tmp_path / "truth.jsonl")]
    _, entity_of = resolve(name, lines(tmp_path / "records.jsonl"))
    found: dict[str, list[str]] = {}
    for record_id, entity in entity_of.items():
        found.setdefault(entity, []).append(record_id)

    expected, actual = pairs(truth), pairs(list(found.values()))
    assert not actual - expected, "records of different people were linked"
    assert not expected - actual, "records of one person stayed apart"
    assert len(found) == len(truth)


def test_twins_namesakes_and_fathers_and_sons_are_there_to_be_told_apart():
    truth = [case for case in lines(SHIPPED / "credit" / "truth.jsonl") if case["client_id"]]
    by_id = {case["client_id"]: case for case in truth}
    kin = Counter(case.get("kin") for case in truth)
    assert all(kin[relation] >= 10 for relation in ("twin", "father", "son", "namesake")), kin
    for case in truth:
        for other in (by_id[client_id] for client_id in case.get("kin_of", ())):
            same_name = (case["first_name"], case["last_name"]) == (other["first_name"], other["last_name"])
            assert same_name == (case["kin"] != "twin")
            assert (case["born"] == other["born"]) == (case["kin"] == "twin")


def test_truth_tells_what_the_records_hold():
    """Told once by the generator while it wrote, and once more here out of the records."""
    records = {record["id"]: record for record in lines(SHIPPED / "credit" / "records.jsonl")}
    truth = [case for case in lines(SHIPPED / "credit" / "truth.jsonl") if case["client_id"]]
    assert len(truth) == 300
    assert sum(len(case["record_ids"]) for case in truth) + 15 == len(records)
    for case in truth:
        mine = [records[record_id] for record_id in case["record_ids"]]
        dated = [record for record in mine if "STATUS" in record]
        newest = max(dated, key=lambda record: record["STATUS_DATE"])
        assert case["statuses"][-1] == {"value": newest["STATUS"], "date": newest["STATUS_DATE"]}
        assert {record["ENROLL_DATE"] for record in mine if "ENROLL_DATE" in record} == {case["enroll_date"]}
        paid = sorted(record["PAYMENT_DATE"] for record in mine if "PAYMENT_DATE" in record)
        assert paid == sorted(payment["paid"] for payment in case["payments"] if payment["paid"])
        assert Counter(p["status"] for p in case["payments"]) == Counter(
            record["PAYMENT_STATUS"] for record in mine if "PAYMENT_STATUS" in record
        )
        balances = {record["BALANCE_DATE"]: record["BALANCE"] for record in mine if "BALANCE" in record}
        assert case["balance"] == ({"value": balances[max(balances)], "date": max(balances)} if balances else None)
        due = [record["NEXT_DUE_DATE"] for record in mine if "NEXT_DUE_DATE" in record]
        assert case["next_due"] == max(due, default=None)
        scores = {
            (report["CREDIT_BUREAU"], score["Date"], int(score["Value"]))
            for record in mine
            if (report := record.get("CREDIT_RESPONSE"))
            for score in report.get("CREDIT_SCORE", ())
        }
        assert scores == {(score["bureau"], score["date"], score["value"]) for score in case["scores"]}


def test_data_is_sparse_and_noisy():
    records = lines(SHIPPED / "credit" / "records.jsonl")
    truth = lines(SHIPPED / "credit" / "truth.jsonl")
    assert {record["SOURCE"] for record in records} == {"CRM", "PAYMENT", "CARD", "CALL", "TICKET", "BUREAU"}
    fields = load_instance("credit").schema.type_map["Record"].fields
    assert max(len(record) for record in records) < len(fields) / 2
    for fact in ("scores", "last_payment", "next_due", "balance"):
        assert any(fact in case.get("missing", ()) for case in truth), fact
    for bureau in ("Experian", "Equifax", "TransUnion"):
        assert any(bureau in case.get("missing_bureaus", ()) for case in truth)
    conflicts = Counter(field for case in truth for field in case.get("conflicts", ()))
    assert {"EMAIL", "PHONE_NUMBER", "STREET", "DATE_OF_BIRTH", "FIRST_NAME", "LAST_NAME"} <= set(conflicts)
    assert any(case.get("duplicates") for case in truth)


def test_no_value_can_be_a_real_persons():
    records = lines(SHIPPED / "credit" / "records.jsonl") + lines(SHIPPED / "people" / "records.jsonl")
    for record in records:
        email = record.get("EMAIL") or record.get("email")
        assert not email or re.search(r"@example\.(com|org|net)$", email.lower())
        written = record.get("PHONE_NUMBER") or record.get("phone")
        if written:
            number = phonenumbers.parse(written, "US")
            assert phonenumbers.is_possible_number(number)
            assert re.fullmatch(r"\d{3}55501\d\d", str(number.national_number)), written
        assert re.fullmatch(r"666-\d\d-\d{4}", record.get("SSN", "666-00-0000"))
        assert not _valid_card(record.get("CARD_NUMBER", "1"))


def _valid_card(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[::2]) % 10 == -sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2]) % 10


def test_searches_find_everybody_they_should():
    records = lines(SHIPPED / "credit" / "records.jsonl")
    engine, entity_of = resolve("credit", records)
    for case in lines(SHIPPED / "credit" / "truth.jsonl"):
        if not case["client_id"]:
            continue
        mine = entity_of[case["record_ids"][0]]
        for field in ("CLIENT_ID", "EMAIL", "PHONE_NUMBER"):
            for value in case["notations"].get(field, ()):
                found = {hit.entity.id for hit in engine.search({field: value})}
                assert mine in found, (field, value)
                assert len(found) == 1 or (field == "PHONE_NUMBER" and case["kin"] == "twin"), (field, value)
        name = {"FIRST_NAME": case["first_name"], "LAST_NAME": case["last_name"]}
        by_name = {hit.entity.id for hit in engine.search(name)}
        assert mine in by_name
        exact = engine.search(name | {"DATE_OF_BIRTH": case["born"]})
        assert [hit.entity.id for hit in exact] == [mine]
