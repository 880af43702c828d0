"""What an instance's fields mean: a concept such as ``credit_score`` -> the paths that hold it.

Field naming is arbitrary, so a concept is found by the words of a field's name, then by its description; the operator's
``[concepts]`` and ``[search]`` tables stand above both. A concept that nothing is found for is absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tilores_x.errors import ConfigError
from tilores_x.tools.api.schema import InstanceSchema
from tilores_x.tools.fields.hints import Hints
from tilores_x.tools.fields.names import nearest, path_words, words
from tilores_x.tools.fields.paths import Path

#: Concept -> names it goes by, the surest first. ``a > b`` is field b inside of a. ``[ID=…]`` picks list elements.
NAMES: Mapping[str, tuple[str, ...]] = {
    "record_type": ("source", "record type", "source system", "data source"),
    "client_id": ("client id", "customer id", "client number", "customer number", "member id"),
    "email": ("email", "e mail", "email address", "mail"),
    "phone": ("phone number", "phone", "telephone", "telephone number", "mobile", "mobile number", "phone no", "tel"),
    "first_name": ("first name", "given name", "firstname", "forename"),
    "middle_name": ("middle name", "middlename", "second name"),
    "last_name": ("last name", "surname", "family name", "lastname"),
    "date_of_birth": ("date of birth", "birth date", "dob", "birthdate", "birthday"),
    "ssn": ("ssn", "social security number"),
    "street": ("street", "street address", "address line 1", "address 1", "address"),
    "city": ("city", "town"),
    "state": ("state", "province", "region"),
    "postal_code": ("postal code", "zip", "zip code", "postcode", "post code"),
    "account_status": ("account status", "status", "client status", "customer status"),
    "status_date": ("status date", "account status date", "status changed"),
    "product": ("product name", "product", "plan", "plan name"),
    "enroll_date": ("enroll date", "enrollment date", "enrolled", "enrolment date", "signup date", "sign up date"),
    "cancel_date": ("cancel date", "cancellation date", "cancelled date", "cancelled"),
    "cancel_reason": ("cancel reason", "cancellation reason"),
    "agent": ("agent name", "agent", "account manager"),
    "payment_date": ("payment date", "paid date", "date paid"),
    "payment_amount": ("payment amount", "amount paid", "amount"),
    "payment_status": ("payment status",),
    "payment_method": ("payment method", "payment type", "method of payment"),
    "due_date": ("due date", "payment due date"),
    "days_late": ("days late", "days past due", "late days"),
    "next_due_date": ("next due date", "next payment date", "next payment due", "next due"),
    "balance": ("balance", "outstanding balance", "account balance", "balance due", "amount due"),
    "balance_date": ("balance date", "balance as of"),
    "card_type": ("card type", "card brand"),
    "card_number": ("card number", "card no"),
    "card_last4": ("card last 4", "card last four", "last 4"),
    "call_date": ("call date", "called at"),
    "call_direction": ("call direction",),
    "call_duration": ("call duration",),
    "call_notes": ("call notes", "call note"),
    "ticket_id": ("ticket id", "ticket number"),
    "ticket_subject": ("ticket subject", "subject"),
    "ticket_status": ("ticket status",),
    "ticket_opened": ("ticket opened", "ticket date", "ticket created"),
    "ticket_closed": ("ticket closed",),
    "created_at": ("created at", "received date", "created", "created date", "received at", "creation date"),
    "bureau": ("credit bureau", "bureau"),
    "report_date": ("credit report first issued date", "report date", "credit report date", "report issued date"),
    "report_id": ("report id", "credit report id"),
    "credit_score": ("credit score > value", "credit scores > value", "credit score", "fico score"),
    "score_model": ("credit score > model name type", "credit score > model", "score model"),
    "score_date": ("credit score > date", "score date"),
    "score_factor": ("credit score > factor > text", "credit score > factor > description", "credit score > factor",
                     "factor > text", "factor"),
    "utilization": ("data set > [ID=PT016] > value", "revolving utilization", "credit utilization", "utilization",
                    "utilization rate"),
    "account_type": ("credit liability > account type", "account type"),
    "creditor": ("credit liability > creditor > name", "credit liability > creditor", "creditor name", "creditor"),
    "credit_limit": ("credit limit amount", "credit limit"),
    "credit_balance": ("credit liability > credit balance", "credit balance"),
    "past_due": ("past due amount", "past due"),
    "late_30": ("late count > days 30", "late 30", "days 30 late"),
    "late_60": ("late count > days 60", "late 60", "days 60 late"),
    "late_90": ("late count > days 90", "late 90", "days 90 late"),
    "current_rating": ("current rating",),
    "inquiry_date": ("credit inquiry > date", "inquiry date"),
    "inquiry_name": ("credit inquiry > name", "inquiry name"),
    "credit_frozen": ("credit frozen status", "credit frozen", "frozen status", "frozen"),
}  # fmt: skip

#: What tells people of the same name apart, in the order in which it is shown.
LABEL = ("first_name", "last_name", "client_id", "email", "phone", "date_of_birth", "city", "state", "account_status",
         "product")  # fmt: skip
#: What one person should have one of: where records differ, they conflict.
IDENTITY = ("client_id", "first_name", "middle_name", "last_name", "date_of_birth", "email", "phone", "street", "city",
            "state", "postal_code")  # fmt: skip
#: What is told of a person when no fields are asked for.
PROFILE = (*IDENTITY, "account_status", "product", "enroll_date", "cancel_date", "cancel_reason", "agent", "balance",
           "payment_status", "payment_method", "next_due_date", "record_type")  # fmt: skip
#: What gives a value its meaning, so that it is read together with it; the date, where there is one, comes last.
COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "account_status": ("status_date",),
    "product": ("enroll_date",),
    "cancel_reason": ("cancel_date",),
    "payment_amount": ("payment_status", "payment_date"),
    "payment_status": ("payment_date",),
    "payment_method": ("payment_date",),
    "days_late": ("payment_status", "payment_date"),
    "due_date": ("payment_status", "payment_date"),
    "next_due_date": ("payment_date",),
    "balance": ("balance_date",),
    "call_notes": ("call_date",),
    "ticket_subject": ("ticket_status", "ticket_opened"),
    "ticket_status": ("ticket_subject", "ticket_opened"),
    "credit_score": ("bureau", "score_model", "score_date"),
    "score_factor": ("bureau", "report_date"),
    "utilization": ("bureau", "report_date"),
    "credit_limit": ("creditor", "bureau", "report_date"),
    "credit_balance": ("creditor", "bureau", "report_date"),
    "past_due": ("creditor", "bureau", "report_date"),
    "late_30": ("creditor", "bureau", "report_date"),
    "late_60": ("creditor", "bureau", "report_date"),
    "late_90": ("creditor", "bureau", "report_date"),
    "creditor": ("account_type", "bureau", "report_date"),
    "account_type": ("creditor", "bureau", "report_date"),
    "inquiry_name": ("inquiry_date",),
    "credit_frozen": ("bureau", "report_date"),
    "bureau": ("report_date",),
    "report_id": ("bureau", "report_date"),
}

#: Words before a name that don't change what it means.
_WHOSE = frozenset(("customer", "client", "contact", "person", "borrower", "applicant", "member", "patient", "user",
                    "primary", "main", "home", "cell", "mobile", "personal", "current"))  # fmt: skip


@dataclass(frozen=True)
class Concepts(Mapping[str, tuple[str, ...]]):
    """Concept -> paths, the surest first. ``search`` is the same for search parameters."""

    paths: Mapping[str, tuple[str, ...]]
    search: Mapping[str, tuple[str, ...]]

    @classmethod
    def find(cls, schema: InstanceSchema, hints: Hints | None = None) -> Concepts:
        """Guess by names and descriptions, under what the operator says.

        Raises:
            ConfigError: the operator names a field or parameter that doesn't exist.
        """
        hints = hints or Hints()
        fields = {field.path: field.description for field in schema.record_fields}
        parameters = {parameter.name: parameter.description for parameter in schema.search_params}
        return cls(
            _guessed(fields)
            | {concept: tuple(_known(schema, hints, given)) for concept, given in hints.concepts.items()},
            _guessed(parameters)
            | {concept: _parameters(parameters, hints, given) for concept, given in hints.search.items()},
        )

    def __getitem__(self, concept: str) -> tuple[str, ...]:
        return self.paths[concept]

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def of(self, path: str) -> str | None:
        """The concept that ``path`` holds; picks and stars are alike."""
        parsed = Path.parse(path)
        if parsed is None:
            return None
        for concept, paths in self.paths.items():
            if path in paths:
                return concept
        return next((c for c, paths in self.paths.items() if any(_star(known) == parsed.star for known in paths)), None)

    def of_parameter(self, name: str) -> str | None:
        """The concept that a search parameter asks for."""
        return next((concept for concept, names in self.search.items() if name in names), None)


def _guessed(fields: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()
    for fits in (_named, _named_of_someone):
        for concept, names in NAMES.items():
            if concept not in found and (paths := _best(fields, names, fits, taken)):
                found[concept] = paths
        taken.update(path for paths in found.values() for path in paths)
    for concept, names in NAMES.items():
        if concept in found:
            continue
        described = tuple(path for path, text in fields.items() if path not in taken and _describes(text, names))
        if described:
            found[concept] = described[:1]
            taken.add(described[0])
    return found


def _best(fields: Mapping[str, str], names: Iterable[str], fits: object, taken: set[str]) -> tuple[str, ...]:
    """The fields that go by the surest name, outermost ones only."""
    assert callable(fits)
    for name in names:
        parts = [part.strip() for part in name.split(">")]
        pick = next((part for part in parts if part.startswith("[")), None)
        wanted = tuple(words(part) for part in parts if not part.startswith("["))
        paths = [path for path in fields if path not in taken and fits(path_words(path), wanted)]
        if pick:
            paths = [picked for path in paths if (picked := _picked(path, pick, fields))]
        if paths:
            depth = min(path.count(".") for path in paths)
            return tuple(path for path in paths if path.count(".") == depth)
    return ()


def _named(parts: tuple[tuple[str, ...], ...], wanted: tuple[tuple[str, ...], ...]) -> bool:
    return parts[-len(wanted) :] == wanted


def _named_of_someone(parts: tuple[tuple[str, ...], ...], wanted: tuple[tuple[str, ...], ...]) -> bool:
    bare = tuple(_bare(part) for part in parts[-len(wanted) :])
    return bare == wanted


def _bare(part: tuple[str, ...]) -> tuple[str, ...]:
    while len(part) > 1 and part[0] in _WHOSE:
        part = part[1:]
    return part[:-1] if len(part) > 1 and part[-1].isdigit() else part


def _picked(path: str, pick: str, fields: Mapping[str, str]) -> str | None:
    """``a.*.Value`` -> ``a.[ID=…].Value``, where the element's other name exists beside it."""
    before, star, last = path.rpartition(".*.")
    name = pick[1:].partition("=")[0]
    return f"{before}.{pick}.{last}" if star and f"{before}.*.{name}" in fields else None


def _describes(text: str, names: Iterable[str]) -> bool:
    said = words(text)[:6]
    for name in names:
        wanted = words(name)
        if ">" in name or len(wanted) < 2:
            continue
        if any(said[at : at + len(wanted)] == wanted for at in range(2)):
            return True
    return False


def _known(schema: InstanceSchema, hints: Hints, given: Iterable[str]) -> Iterator[str]:
    for text in given:
        path = schema.resolve(text)
        if path is None or path.star not in schema.by_path:
            near = ", ".join(nearest(text, schema.by_path)) or "none alike"
            raise ConfigError(f"{hints.source} [concepts]: no field is named {text}. Near: {near}.")
        yield path.text


def _parameters(known: Mapping[str, str], hints: Hints, given: tuple[str, ...]) -> tuple[str, ...]:
    for name in given:
        if name not in known:
            near = ", ".join(nearest(name, known) or known)
            raise ConfigError(f"{hints.source} [search]: no search parameter is named {name}. There are: {near}.")
    return given


def _star(path: str) -> str:
    parsed = Path.parse(path)
    return parsed.star if parsed else path
