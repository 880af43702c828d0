"""One value in other notations: tried when the typed one finds nobody, as an instance's rules decide what matches."""

from __future__ import annotations

from tilores_x.tools.dates import date_of

#: Where a number without a country code is taken to be from.
HOME_REGION = "US"


def spellings(concept: str, value: str) -> list[str]:
    """Notations of ``value`` other than as typed, the likeliest first; none where there is no other."""
    match concept:
        case "phone":
            found = _phones(value)
        case "email":
            found = [value.strip("<>\"' ").removeprefix("mailto:").lower()]
        case "date_of_birth" | "enroll_date" | "created_at":
            day = date_of(value)
            found = [day.isoformat(), day.strftime("%m/%d/%Y"), day.strftime("%d.%m.%Y")] if day else []
        case _:
            found = []
    return [other for other in dict.fromkeys(found) if other and other != value]


def _phones(value: str) -> list[str]:
    # Imported here: it costs 50 ms, and most searches name no phone number.
    import phonenumbers

    try:
        number = phonenumbers.parse(value, HOME_REGION)
    except phonenumbers.NumberParseException:
        return []
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.national_significant_number(number)
    return [e164, national, e164.removeprefix("+")]
