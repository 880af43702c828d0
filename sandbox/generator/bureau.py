"""Made-up credit-bureau reports: scores with the factors that hold them back, accounts, inquiries, utilization."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tilores_x.sandbox.generator.truth import AS_OF, Record, Report

BUREAUS = ("Experian", "Equifax", "TransUnion")
MODELS = {"Experian": "FICO Score 8", "Equifax": "FICO Score 8", "TransUnion": "VantageScore 3.0"}
FACTORS = (
    "Proportion of balances to credit limits is too high",
    "Length of time accounts have been established is short",
    "Too many recent inquiries",
    "Serious delinquency on an account",
    "Account sent to collection",
    "Too few accounts currently paid as agreed",
    "Time since delinquency is too recent",
    "Too many accounts with balances",
    "Lack of recent installment loan information",
    "Amount past due on accounts",
)
ACCOUNTS = (
    ("Revolving", (500, 1000, 2500, 4000, 8000)),
    ("Installment", (9000, 14000, 22000)),
    ("Mortgage", (180000, 265000)),
)
CREDITORS = (
    "NORTHBAY BANK",
    "SUMMIT CARD",
    "PRAIRIE AUTO LOANS",
    "HARBOR HOME LENDING",
    "CEDAR CREDIT UNION",
    "APEX RETAIL CARD",
)
PULLERS = ("LAKESIDE MOTORS", "UNITY MOBILE", "NORTHBAY BANK", "OAKLINE RENTALS")


def chosen_bureaus(rng: Random) -> list[str]:
    """Which bureaus know the customer: mostly all, at times two, one or none."""
    return rng.sample(BUREAUS, rng.choice((3, 3, 3, 3, 3, 3, 2, 2, 2, 1)) if rng.random() > 0.03 else 0)


def reports(rng: Random, client_id: str, bureau: str, enrolled: date) -> list[tuple[Record, Report]]:
    """The bureau's reports since enrolment, oldest first, as CREDIT_RESPONSE documents with what is true of each.

    The first comes with enrolment, the others about half a year apart; each bureau on days of its own.
    """
    made = []
    score = rng.randint(480, 690)
    climb = rng.choice((-9, 12, 25, 38))
    utilization = rng.randint(18, 97)
    offset = BUREAUS.index(bureau)
    day = enrolled + timedelta(days=offset)
    for number in range(1, rng.choice((1, 2, 2, 3)) + 1):
        if day > AS_OF:
            break
        frozen = number > 1 and rng.random() < 0.04
        made.append(_report(rng, client_id, bureau, number, day, None if frozen else (score, utilization)))
        score = min(840, max(400, score + climb + rng.randint(-6, 9)))
        utilization = min(99, max(2, utilization + rng.randint(-19, 6)))
        day += timedelta(days=150 + 3 * rng.randint(0, 12))
    return made


def _report(
    rng: Random, client_id: str, bureau: str, number: int, day: date, figures: tuple[int, int] | None
) -> tuple[Record, Report]:
    report_id = f"{bureau[:3].upper()}-{client_id}-{number}"
    factors = rng.sample(FACTORS, rng.randint(2, 3)) if figures else []
    document: Record = {
        "CREDIT_BUREAU": bureau,
        "CreditReportFirstIssuedDate": day.isoformat(),
        "Report_ID": report_id,
        "CREDIT_FROZEN_STATUS": "Not frozen" if figures else "Frozen",
    }
    if figures:
        score, utilization = figures
        document["CREDIT_SCORE"] = [
            {
                "Value": str(score),
                "ModelNameType": MODELS[bureau],
                "CreditRepositorySourceType": bureau,
                "Date": day.isoformat(),
                "FACTOR": [{"Code": f"{FACTORS.index(text) + 10}", "Text": text} for text in factors],
            }
        ]
        document["CREDIT_LIABILITY"] = [_account(rng) for _ in range(rng.randint(1, 2))]
        if rng.random() < 0.4:
            pulled = day - timedelta(days=rng.randint(5, 200))
            document["CREDIT_INQUIRY"] = [{"Date": pulled.isoformat(), "Name": rng.choice(PULLERS)}]
        document["CREDIT_SUMMARY"] = {
            "DATA_SET": [
                {"ID": "PT016", "Name": "Revolving utilization", "Value": str(utilization)},
                {"ID": "AT001", "Name": "Number of accounts", "Value": str(rng.randint(3, 24))},
            ]
        }
    truth: Report = {
        "bureau": bureau,
        "date": day.isoformat(),
        "report_id": report_id,
        "record_id": f"bur-{client_id}-{bureau[:2].lower()}{number}",
        "value": figures[0] if figures else None,
        "utilization": figures[1] if figures else None,
        "factors": factors,
    }
    return document, truth


def _account(rng: Random) -> Record:
    kind, limits = rng.choice(ACCOUNTS)
    limit = rng.choice(limits)
    late = rng.choice((0, 0, 0, 1, 2))
    return {
        "AccountType": kind,
        "Creditor": rng.choice(CREDITORS),
        "CreditLimitAmount": str(limit),
        "CreditBalance": str(round(limit * rng.uniform(0.05, 0.95))),
        "PastDueAmount": str(late * rng.randint(25, 90)),
        "LateCount": {"Days30": str(late), "Days60": str(late // 2), "Days90": "0"},
        "CurrentRating": "Late" if late > 1 else "Current",
        "PaymentPattern": [rng.choice("CCCCC1") for _ in range(6)],
    }
