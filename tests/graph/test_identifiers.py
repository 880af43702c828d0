from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilores_x.graph.identifiers import NATIONAL_DIGITS, REGION, Kind, find_identifiers, phone_numbers


def found(text: str) -> list[tuple[str, str]]:
    return [(identifier.kind.value, identifier.value) for identifier in find_identifiers(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("who is client ID 4021", "4021"),
        ("who is client id: 4021?", "4021"),
        ("is client 4021 cancelled", "4021"),
        ("Client #4021 status", "4021"),
        ("customer number 4021's product", "4021"),
        ("CLIENT ID 4021 ACCOUNT STATUS", "4021"),
        ("client-id=CR-000123, score?", "CR-000123"),
        ("customer CL4021x please", "CL4021x"),
        ("what is the score of #4021", "4021"),
        ("client 2025 balance", "2025"),
        ("4021", "4021"),
        (" 2025 ", "2025"),
        ("who is 4021?", "4021"),
        ("and what about 4021", "4021"),
        ("id 4021", "4021"),
        ("client id is 4021.", "4021"),
        ("client id 4155551234", "4155551234"),
    ],
)
def test_client_ids(text: str, value: str) -> None:
    assert found(text) == [("client_id", value)]


def test_several_client_ids_behind_one_word() -> None:
    assert found("compare clients 4021, 4022 and 4023") == [
        ("client_id", "4021"),
        ("client_id", "4022"),
        ("client_id", "4023"),
    ]
    assert found("client 4021 vs client 4022") == [("client_id", "4021"), ("client_id", "4022")]


@pytest.mark.parametrize(
    "text",
    [
        "how many payments were late in 2025",
        "clients in 2025",
        "what about 2025?",
        "and in 2024",
        "show customer profile",
        "customers with more than 700 points",
        "did the client pay $1,200.50 on 2025-01-15",
        "score 700 since 03/04/2024",
        "late 30 days, 3 payments, 12 months",
        "the customer 2025-01-15",
        "client 30 days late",
        "What is the current status with the company?",
        "compare the 2 newest Experian reports",
        "john smith",
        "",
        "   ",
        "700.50",
        "$4021",
        "what is 12",
        "balance of 1,234,567.89",
        "card 4111 1111 1111 1111",
        "user@",
        "@handle123",
    ],
)
def test_what_is_no_identifier(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "number",
    [
        "(415) 555-1234",
        "415-555-1234",
        "415.555.1234",
        "+1 415 555 1234",
        "4155551234",
        "1-415-555-1234",
        "+44 20 7946 0958",
    ],
)
def test_phone_numbers_in_any_notation(number: str) -> None:
    assert found(f"who is {number}?") == [("phone", number)]
    assert found(number) == [("phone", number)]


def test_the_end_of_a_phone_number_is_no_client_id() -> None:
    assert found("customer (415) 555-1234") == [("phone", "(415) 555-1234")]
    assert found("client 415-555-1234") == [("phone", "415-555-1234")]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("who is jane.doe+x@example.co.uk?", "jane.doe+x@example.co.uk"),
        ("back to <Jane@Example.COM>.", "Jane@Example.COM"),
        ("ACCOUNT STATUS FOR JANE4021@EXAMPLE.COM", "JANE4021@EXAMPLE.COM"),
        ("mail:o'neil@example.org,please", "o'neil@example.org"),
    ],
)
def test_email_addresses(text: str, address: str) -> None:
    assert found(text) == [("email", address)]


def test_record_and_entity_ids() -> None:
    assert found("why is record pay-000123 part of it") == [("record_id", "pay-000123")]
    entity = "0b0ff7de-3f1c-4d1e-9f0a-2b8a0f1f0c55"
    assert found(f"explain entity {entity}") == [("entity_id", entity)]
    assert found(entity.upper()) == [("entity_id", entity.upper())]


def test_each_is_named_once_in_the_order_of_the_text() -> None:
    assert found("client 4021, a@example.com, A@example.com and client 4021") == [
        ("client_id", "4021"),
        ("email", "a@example.com"),
    ]


@given(st.text(max_size=300))
def test_any_text_is_survived_and_spans_are_right(text: str) -> None:
    for identifier in find_identifiers(text):
        assert text[identifier.start : identifier.end] == identifier.value
        assert identifier.kind in Kind


_PIECES = [
    *"0123456789+()-./x#,;~ \n\u30fc\uff0b\uff58\u0663\u00b2",
    "415",
    "555-1234",
    "(415) ",
    "ext. ",
    " Ext",
    ";ext=",
    "int",
    "a",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=24).map("".join))
def test_no_phone_number_is_passed_over_unread(text: str) -> None:
    matches = phonenumbers.PhoneNumberMatcher(text, REGION, leniency=phonenumbers.Leniency.POSSIBLE)
    long = [
        match
        for match in matches
        if match.raw_string.startswith("+") or sum(map(str.isdigit, match.raw_string)) >= NATIONAL_DIGITS
    ]
    assert phone_numbers(text) == long
