"""What fields mean: found on instances of any naming, and as the operator says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.desk import Desk, open_desk
from support.small_instance import write_instance

from tilores_x.errors import ConfigError
from tilores_x.sandbox.instance import load_instance
from tilores_x.sandbox.server import create_app
from tilores_x.tools.fields.concepts import Concepts
from tilores_x.tools.fields.hints import load_hints

CREDIT = {
    "client_id": "CLIENT_ID", "email": "EMAIL", "phone": "PHONE_NUMBER", "date_of_birth": "DATE_OF_BIRTH",
    "postal_code": "ZIP", "record_type": "SOURCE", "account_status": "STATUS", "status_date": "STATUS_DATE",
    "product": "PRODUCT_NAME", "enroll_date": "ENROLL_DATE", "agent": "AGENT_NAME", "payment_status": "PAYMENT_STATUS",
    "payment_date": "PAYMENT_DATE", "next_due_date": "NEXT_DUE_DATE", "balance": "BALANCE", "card_last4": "CARD_LAST4",
    "ticket_opened": "TICKET_OPENED", "created_at": "CREATED_AT", "bureau": "CREDIT_RESPONSE.CREDIT_BUREAU",
    "report_date": "CREDIT_RESPONSE.CreditReportFirstIssuedDate", "report_id": "CREDIT_RESPONSE.Report_ID",
    "credit_score": "CREDIT_RESPONSE.CREDIT_SCORE.*.Value", "score_date": "CREDIT_RESPONSE.CREDIT_SCORE.*.Date",
    "score_model": "CREDIT_RESPONSE.CREDIT_SCORE.*.ModelNameType",
    "utilization": "CREDIT_RESPONSE.CREDIT_SUMMARY.DATA_SET.[ID=PT016].Value",
    "past_due": "CREDIT_RESPONSE.CREDIT_LIABILITY.*.PastDueAmount",
    "late_30": "CREDIT_RESPONSE.CREDIT_LIABILITY.*.LateCount.Days30",
    "creditor": "CREDIT_RESPONSE.CREDIT_LIABILITY.*.Creditor",
    "inquiry_date": "CREDIT_RESPONSE.CREDIT_INQUIRY.*.Date",
    "credit_frozen": "CREDIT_RESPONSE.CREDIT_FROZEN_STATUS",
}  # fmt: skip
PEOPLE = {
    "first_name": "first_name", "last_name": "last_name", "date_of_birth": "dob", "street": "street", "city": "city",
    "postal_code": "postal_code", "phone": "phone", "email": "email", "created_at": "received_date",
}  # fmt: skip

OTHER_SCHEMA = """
type Record {
  id: ID!
  customerEmail: String
  HomePhone: String
  FullGivenName: String
  Surname: String
  email_2: String
  KDNR: String
  "Client id in the old system."
  legacyNumber: String
  AccountStatus: String
}
input RecordInput { id: ID!, customerEmail: String }
input SearchParams { customerEmail: String, Surname: String, KDNR: String }
"""
OTHER_RULES = '[[rule]]\nid = "MAIL"\nmatch = [{ field = "customerEmail", how = "exact" }]\n'


@pytest.fixture
async def other_app(tmp_path: Path) -> Any:
    folder = write_instance(tmp_path / "other", [], schema=OTHER_SCHEMA, rules=OTHER_RULES)
    return await create_app(load_instance(str(folder)))


async def test_concepts_of_the_credit_instance(credit: Desk) -> None:
    assert {concept: credit.box.concepts[concept][0] for concept in CREDIT} == CREDIT
    assert credit.box.concepts.search["email"] == ("EMAIL",)
    assert credit.box.concepts.search["phone"] == ("PHONE_NUMBER",)
    assert credit.box.concepts.of("CREDIT_RESPONSE.CREDIT_SUMMARY.DATA_SET.*.Value") == "utilization"
    assert credit.box.concepts.of("CREDIT_RESPONSE") is None


async def test_concepts_of_the_people_instance(people: Desk) -> None:
    assert {concept: paths[0] for concept, paths in people.box.concepts.items()} == PEOPLE


async def test_concepts_of_an_instance_named_another_way(other_app: Any, tmp_path: Path) -> None:
    async with open_desk(other_app, tmp_path) as desk:
        assert desk.box.concepts["email"] == ("customerEmail", "email_2")
        assert desk.box.concepts["phone"] == ("HomePhone",)
        assert desk.box.concepts["last_name"] == ("Surname",)
        assert desk.box.concepts["account_status"] == ("AccountStatus",)
        assert desk.box.concepts["client_id"] == ("legacyNumber",)
        assert "first_name" not in desk.box.concepts


async def test_the_operator_stands_above_what_is_guessed(other_app: Any, tmp_path: Path) -> None:
    hints = tmp_path / "fields.toml"
    hints.write_text('[concepts]\nclient_id = "kdnr"\nfirst_name = ["FullGivenName"]\n[search]\nclient_id = "KDNR"\n')
    async with open_desk(other_app, tmp_path, fields=hints) as desk:
        assert desk.box.concepts["client_id"] == ("KDNR",)
        assert desk.box.concepts["first_name"] == ("FullGivenName",)
        assert desk.box.concepts.search["client_id"] == ("KDNR",)
        assert desk.box.concepts["email"] == ("customerEmail", "email_2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[concepts]\nemail = "customerMail"', "customerMail.*Near: customerEmail"),
        ('[search]\nemail = "mail"', r"\[search\].*customerEmail"),
        ('[policy]\nnever = ["Surnam"]', "Surnam.*Near: Surname"),
        ('[concept]\nemail = "x"', "unknown table: concept"),
        ('[policy]\nhidden = ["x"]', "unknown key: hidden"),
        ("[concepts]\nemail = 7", "email: give one name"),
        ("concepts = 7", "must be a table"),
        ("[concepts", "no TOML"),
    ],
)
async def test_mistakes_of_the_operator_name_file_place_and_remedy(
    other_app: Any, tmp_path: Path, text: str, said: str
) -> None:
    hints = tmp_path / "fields.toml"
    hints.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        async with open_desk(other_app, tmp_path, fields=hints):
            pass
    assert "TILORES_FIELDS" in str(caught.value)
    assert "fields.toml" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"TILORES_FIELDS.*can't be read"):
        load_hints(tmp_path / "none.toml")


async def test_an_instance_without_any_known_field_still_labels_people(tmp_path: Path) -> None:
    schema = """
    type Record { id: ID!  alpha: String  beta: String }
    input RecordInput { id: ID!  alpha: String  beta: String }
    input SearchParams { alpha: String }
    """
    rules = '[[rule]]\nid = "A"\nmatch = [{ field = "alpha", how = "exact" }]\n'
    folder = write_instance(tmp_path / "odd", [{"id": "r1", "alpha": "x", "beta": "y"}], schema=schema, rules=rules)
    async with open_desk(await create_app(load_instance(str(folder))), tmp_path) as desk:
        assert Concepts.find(desk.box.schema).paths == {}
        person = (await desk.call("tilores_search", alpha="x")).content["entities"][0]
    assert person["label"] == {"alpha": ["x"]}
    assert person["facts"]["beta"] == [{"value": "y", "record_ids": ["r1"], "count": 1}]
