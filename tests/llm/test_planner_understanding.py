"""What the planner makes of questions: wordings of our own, none of them out of the question set."""

from __future__ import annotations

import pytest

from tilores_x.llm.planner.plan import Understood, understand
from tilores_x.llm.planner.talk import Hints, Turn

CONCEPTS = """
    client_id email phone first_name last_name date_of_birth street city state postal_code account_status
    status_date product enroll_date cancel_date cancel_reason agent payment_date payment_amount payment_status
    payment_method due_date days_late next_due_date balance balance_date card_type call_notes ticket_subject
    created_at bureau report_date credit_score score_date score_factor utilization creditor credit_limit
    credit_balance inquiry_name credit_frozen
"""
HINTS = Hints(
    {concept: concept.upper() for concept in CONCEPTS.split()},
    {concept: concept.upper() for concept in ("client_id", "email", "phone", "first_name", "last_name")},
    "2026-11-23",
)
PEOPLE = {
    "4021", "jane.doe@example.com", "jane doe", "doe, jane", "maria garcia", "john smith", "mark price", "april young",
    "jane", "(415) 555-0123", "415-555-0123", "415.555.0123", "+1 415 555 0123",
}  # fmt: skip

# Names of intents (and "f:" concepts asked for themselves), and questions that ask just that about one person.
ASKED = {
    "identity": """
        tell me everything about 4021
        I need info on client 4021
        Who's calling from (415) 555-0123?
        any idea who jane.doe@example.com is?
        do we have somebody called Jane Doe
        lookup customer number 4021
        customer 4021?
        tell me about jane doe
        which customer has the phone number 415.555.0123
        get me the record for client #4021
        What do we know about Jane Doe?
        show me jane.doe@example.com
        whose number is +1 415 555 0123
        I've got Maria Garcia on the line, can you bring her up
        details of client 4021 please
        jane
        JANE DOE
        Doe, Jane
        pull up the profile for jane.doe@example.com
        can u tell me who has the email jane.doe@example.com
        Identify the caller at 415-555-0123.
        search for Jane Doe
        I'm looking for a customer named Jane Doe
        (415) 555-0123
        who does 415.555.0123 belong to
        Jane Doe customer info
        id:4021
    """,
    "cancelled": """
        is the customer with phone (415) 555-0123 cancelled
        when was the account of 4021 cancelled
        has client 4021 terminated their account?
        did Jane Doe quit
        has 4021 been cancelled, and when?
        why did client 4021 cancel
        did Jane Doe stop her contract
        Is 4021 no longer a client?
        Was Jane Doe's account closed?
    """,
    "status": """
        is Jane Doe on hold
        what state is the account of 4021 in
        Is jane.doe@example.com still with us?
        Is Jane Doe still a customer
        current status of client 4021
        is the account of 4021 active or paused
        status 4021
        is jane.doe@example.com's account in good standing?
        waht is teh acount status for clint 4021
        is john smith active
        what's April Young's status
        What's the situation with client 4021's account?
        Has client 4021 gone inactive
        is 4021 currently paused
        account standing of jane.doe@example.com
    """,
    "late": """
        how many missed payments has Jane Doe had in total
        did any payment of 4021 bounce
        Is client 4021 past due?
        has Jane Doe been late with payments
        was client 4021 ever late?
        list the missed payments of jane.doe@example.com
        did 4021 skip a payment lately
        How often has client 4021 paid late?
        any delinquencies for Jane Doe in 2025?
        count of late payments for 4021
        is 4021 behind on payments?
        were there overdue payments in 2024 for jane.doe@example.com
        did client 4021 miss anything lately
        Any late payments in 2025 for Jane Doe?
        how many payments did 4021 miss
        when was jane.doe@example.com last late
        payments that were not on time for client 4021
        ANY LATE PAYMENTS FOR CLIENT 4021??
    """,
    "product": """
        what does client 4021 subscribe to
        what is the product name for client 4021
        Cusotmer 4021 prodcut
        what is client 4021 signed up for
    """,
    "enrolled,product": """
        when did Jane Doe join us and with what product
        which service is Jane Doe enrolled in since when
        which program is jane.doe@example.com in and when did she start
        What did Jane Doe buy from us and when
    """,
    "enrolled": """
        how long has 4021 been with the company
        on which date did Jane Doe join
        enrollment date of 4021
        how long has jane.doe@example.com been a customer
        when did 4021 sign up
        sign-up date for jane.doe@example.com
        enrolment dat for jane.doe@example.com
        when did client 4021 become a customer
        start date of 4021
    """,
    "score": """
        Experian 4021
        how did 4021 do at TransUnion lately
        What's the FICO for jane.doe@example.com
        how's Jane Doe's credit
        give me all three bureau scores for 4021
        current scores client 4021
        what does TransUnion say about 4021
        what score does Equifax have for jane.doe@example.com
        newest experian credit score of Jane Doe
        client 4021's fico score please
        how many points does 4021 have at Experian
        latest credit report of 4021
        Is there a TransUnion score for client 4021?
        CREDT SCOR FOR JANE.DOE@EXAMPLE.COM
        transuinon score of 4021
        latest experiance report jane.doe@example.com
        jane doe credit score
        credit score for Mark Price
        What are the scores of 4021 at the three bureaus
        how good is the credit of Jane Doe
        Give me the Equifax number for 4021
        what's jane.doe@example.com's Experian at right now
        pull the TransUnion score for 4021
        experain score jane.doe@example.com
        equifx scroe for 4021
    """,
    "compare": """
        Do the Equifax and Experian scores of 4021 differ much?
        Experian: latest versus previous report for 4021
        how do the last two TransUnion reports of 4021 differ
        what changed between the latest and the second latest Equifax report of Jane Doe
        client 4021, compare current Experian report to prior one
        did the Equifax score of jane.doe@example.com rise between the two latest reports?
        how many points between the newest and the previous Experian report for 4021
        put the two newest experian reports of 4021 next to each other
        Experian against Equifax for 4021
        Which bureau scores Jane Doe higher, Experian or TransUnion?
        is there a gap between Experian and Equifax for jane.doe@example.com
        TransUnion compared to Equifax, client 4021
        do experian and transunion agree on client 4021's score
        how far apart are Equifax and TransUnion for 4021
        is the new Experian report of 4021 better than the old one?
        Experian: newest report compared to the one before that for Jane Doe
        how does the latest Equifax report differ from the previous one for 4021
        what's the change between the last two Experian scores of jane.doe@example.com
        put Experian and TransUnion side by side for 4021
        Is Equifax or Experian better for client 4021?
        how much lower is TransUnion than Experian for Jane Doe
        do the bureaus differ for 4021?
    """,
    "enrol_score": """
        was 4021's score lower when they signed up
        what was the first score we have for 4021
        what score did client 4021 start with
        starting score of Jane Doe
        credit score of 4021 when they joined
        What was the initial Experian score of jane.doe@example.com?
        score at sign-up for 4021
        What credit score did Jane Doe come in with
    """,
    "development": """
        What's the trend of Jane Doe's Equifax score
        how many points has the Experian score of 4021 dropped
        how many points did jane.doe@example.com gain
        How much has the score of 4021 gone up since enrollment?
        score progress of client 4021
        has Jane Doe's score improved since signing up
        score history for client 4021
        points gained since enrolment 4021
        how did the score of 4021 evolve
        how far has client 4021's score come since enrolling
        total points improvement for Jane Doe
        show how 4021's scores changed over time
        has the score of jane.doe@example.com gone up
        how many points up is 4021 since the start
        give me the Equifax scores of 4021 in chronological order
        improvment since enrolment 4021
    """,
    "utilization": """
        look up 4021 and give me the credit utilization
        Equifax utilization of 4021
        how heavily does 4021 use their cards
        credit utilisation 4021
        How high is Jane Doe's utilization ratio?
        what percentage of available credit is jane.doe@example.com using
        how maxed out are the cards of 4021
        revolving utilization Jane Doe
        how much of the credit limit is client 4021 using?
        card utilization of 4021?
        utilzation rate of 4021
        percentage of credit used by 4021
        what is Jane Doe's credit card usage
        is the utilization of 4021 high
    """,
    "improve": """
        What actions would lift client 4021's score?
        which things weigh on Jane Doe's score
        where should jane.doe@example.com start to fix their credit
        what does 4021 need to do for a better score
        reasons for the bad score of 4021
        how might 4021 boost the Experian score
        give 4021 some pointers on improving the score
        what is the biggest problem in 4021's credit report
        What's the best thing Jane Doe could do for her credit?
        score improvement advice for client 4021
        areas to improve for 4021
        what negatively affects the score of Jane Doe
        client 4021 wants a higher score, what to do?
        what should Jane Doe do to raise her score
        recommendations to boost the credit of 4021
        why is client 4021's score so low
        what would help jane.doe@example.com's credit score most
        what's dragging down 4021's score
        give me advice for client 4021 on getting a higher score
        what can be done about the score of Jane Doe
        any suggestions to improve credit for jane.doe@example.com?
        what is holding back the score of jane.doe@example.com
        How can Jane Doe bring her score up?
        what's hurting the score of 4021
        what are the main reasons for 4021's low score
        what would improve jane.doe@example.com's credit
        what steps should client 4021 take to get a higher score
    """,
    "last_payment": """
        when was 4021's most recent payment and how much was it
        most recent payment of client 4021
        when did we last receive money from Jane Doe
        date and amount of the last payment 4021
        when did jane doe last pay
        when did we last get paid by Jane Doe
        last time 4021 paid
    """,
    "next_due": """
        find Jane Doe and tell me her next due date
        when is Jane Doe supposed to pay again
        next bill for 4021?
        when does jane.doe@example.com have to pay next
        when's the next installment due for 4021
        upcoming payment date for Jane Doe?
        WHEN IS THE NEXT PAYMENT DUE FOR CLIENT 4021
        what's the next payment date for 4021
        when must client 4021 pay again
        when is teh next paymet due 4021
    """,
    "consistency": """
        is 4021 up to date with payments
        what percentage of payments were on time for 4021
        is 4021 a good payer
        is Jane Doe a reliable payer
        How regularly does 4021 pay?
        payment history of client 4021
        does jane.doe@example.com pay punctually
        how many payments were on time for 4021
        how reliable are Jane Doe's payments
        what share of payments did 4021 make on time
    """,
    "payment_method": """
        how did Jane Doe pay last time
        what is the payment type of 4021
        Is client 4021 on bank transfer or card?
        does jane.doe@example.com pay by check?
        which method of payment is on record for Jane Doe
        by what method does 4021 pay
        does Jane Doe pay by card or bank transfer
        how is jane.doe@example.com paying us
        how does client 4021 make payments
        which card or account does Jane Doe pay with
        what form of payment does 4021 use
        paymnt method 4021
    """,
    "balance": """
        what's the amount still open for Jane Doe
        any outstanding debt for jane.doe@example.com
        balance due for 4021?
        what does 4021 have left to pay
        current outstanding amount of 4021
        does 4021 have a balance
        what does Jane Doe owe
        amount outstanding client 4021
        is there an open balance for jane.doe@example.com
        outstandng balence 4021
        whats jane doe's balance
        does maria garcia owe anything
        how much is outstanding for jane.doe@example.com
        does 4021 owe us money
        what's left to pay for Jane Doe
        HOW MUCH DOES JANE DOE OWE
    """,
    "balance,payment_method": """
        payment method & balance for 4021
        how much money does 4021 owe and how do they pay?
        both the balance and the payment method of jane.doe@example.com
        remaining balance of 4021 and how they pay
    """,
    "relation": """
        Do credit changes line up with payments for 4021?
        payment behaviour and its effect on credit, client 4021
        do on-time payments go hand in hand with a rising score for Jane Doe
        what's the relationship between Jane Doe's payment record and score
        has paying late cost jane.doe@example.com any points
        does the payment history of 4021 explain the score changes
        did 4021's score suffer because of missed payments?
        impact of payment history on credit score for client 4021
        Are the score changes of 4021 connected to their payments
        did the score of Jane Doe follow her payments
        how do payments and credit score of jane.doe@example.com correlate
        compare 4021's payments to their score over time
        any pattern between 4021's payments and credit?
        correlation between payments and score for 4021
        do missed payments show up in the credit score of Jane Doe
        how have late payments impacted jane.doe@example.com's credit
        did the credit score of 4021 change with the payments
        compare the payment behavior of 4021 with the score changes
        is Jane Doe's score tied to how she pays
        link between payment pattern and credit score, client 4021
        does 4021's credit suffer from missed payments
        what effect did the payment behaviour of Jane Doe have on the score
        payments and score of 4021, how do they go together
        put payment history and score changes of 4021 side by side
    """,
    "balance,identity": """
        who is 4021 and what do they owe
    """,
    "score,status,utilization": """
        credit score, utilization and status for jane.doe@example.com
    """,
    "balance,next_due,status": """
        Jane Doe: account status, next payment and balance
    """,
    "last_payment,product": """
        tell me the product of 4021, plus their last payment
    """,
    "consistency,identity": """
        profile and payment history for 4021
    """,
    "score,status": """
        show me the status and the experian score of Jane Doe
    """,
    "late,status": """
        is 4021 active and did they miss any payments
    """,
    "why_one": """
        which evidence shows that 4021's records are the same person
        what ties 4021's records together
        how do you know these records belong to the same person: jane.doe@example.com
        what links the records of client 4021
        explain why 4021's records were merged
        on what grounds were the records of Jane Doe put together
        how did you match the records of Jane Doe
        how are the records of 4021 connected
    """,
    "conflicts": """
        does the data on Jane Doe disagree anywhere
        are there conflicting values for 4021?
        do any records of 4021 contradict each other
        what inconsistencies are there in Jane Doe's data
        which fields disagree for client 4021
        which data of client 4021 is contradictory
    """,
    "duplicates": """
        are any of 4021's records identical
        double entries 4021
        is anything stored twice for 4021
        any duplicate entries for jane.doe@example.com?
        list duplicates client 4021
        are any records of jane.doe@example.com copies of each other
        is 4021 in there more than once
    """,
    "how_many_records": """
        how many records does 4021 have
    """,
    "f:email": """
        email of client 4021
    """,
    "f:city": """
        what city does Jane Doe live in
    """,
    "f:email,f:phone": """
        phone number and email for 4021
    """,
    "f:agent": """
        who is the agent of client 4021
    """,
    "f:date_of_birth": """
        date of birth of Jane Doe
        when was client 4021 born
    """,
    "f:street": """
        what is the address of 4021
        do we hold different addresses for 4021
    """,
    "f:ticket_subject": """
        open tickets for 4021
    """,
    "balance,identity,status": """
        tell me who Jane Doe is, whether she's active, and what she owes
    """,
    "balance,last_payment,score": """
        For 4021: score, balance, last payment
    """,
    "identity,score": """
        info on jane.doe@example.com plus the credit score
    """,
    "balance,next_due,product": """
        what product does 4021 have, what do they owe and when is the next payment
    """,
    "identity,score,status": """
        Who is Jane Doe, what's her status and her Experian score?
    """,
    "balance,enrolled,product": """
        Tell me 4021's enrollment date, product and balance
    """,
    "status,utilization": """
        account status + utilization of 4021
    """,
    "last_payment,status": """
        I need the status as well as the last payment of Jane Doe
    """,
    "identity,late": """
        give me the customer details of 4021 and whether they are behind on payments
    """,
    "score,utilization": """
        score and utilization for 4021 please
    """,
    "enrolled,score,status": """
        what's the status, when did they enroll, and what is the score? client 4021
    """,
    "late,utilization": """
        Has client 4021 paid late, and what is the utilization?
    """,
    "product,status": """
        can you check whether 4021 is active and what plan they have
    """,
    "balance,cancelled": """
        is Jane Doe cancelled and what did she still owe
    """,
}


def understood(text: str, *before: str) -> Understood:
    state, turns = Understood(), [Turn(said) for said in (*before, text)]
    for at, turn in enumerate(turns):
        state = understand(turn, turns[:at], state, HINTS)
    return state


@pytest.mark.parametrize(
    ("asked", "question"),
    [(asked, line.strip()) for asked, lines in ASKED.items() for line in lines.strip().splitlines()],
)
def test_what_is_asked_about_whom(asked: str, question: str) -> None:
    found = understood(question)
    assert {*found.asked.intents, *(f"f:{concept}" for concept in found.asked.fields)} == set(asked.split(","))
    assert len(found.subjects) == 1
    assert found.subjects[0].said.casefold() in PEOPLE


@pytest.mark.parametrize(
    "question",
    ["show customer profile", "What is the current status with the company?", "what is the credit score?",
     "how many clients cancelled in 2025?", "payments in 2025", "compare the 2 newest Experian reports"],
)  # fmt: skip
def test_a_question_about_no_customer_names_nobody(question: str) -> None:
    assert not understood(question).subjects


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("late payments of will smith", "will", "smith"),
        ("whats ruth lins credit score", "ruth", "lin"),
        ("WHO IS CAMERON ROSS", "CAMERON", "ROSS"),
        ("status for Mary-Ann O'Neil", "Mary-Ann", "O'Neil"),
        ("balance of Jane van Dyke", "Jane", "van Dyke"),
        ("Price, Mark: balance", "Mark", "Price"),
        ("what is Grant Long's score", "Grant", "Long"),
    ],
)
def test_names_that_are_words_as_well(question: str, first: str, last: str) -> None:
    (subject,) = understood(question).subjects
    assert (("first_name", first), ("last_name", last)) in subject.searches


@pytest.mark.parametrize(
    ("question", "bureaus", "years"),
    [
        ("experience score of client 4021", ("Experian",), ()),
        ("compare equifx and trans union for 4021", ("Equifax", "TransUnion"), ()),
        ("late payments of client 4021 in 2024 and 2025", (), ("2024", "2025")),
        ("late payments of client 4021 last year", (), ("2025",)),
        ("did client 2025 pay late in 2024", (), ("2024",)),
    ],
)
def test_bureaus_and_years_narrow_what_is_told(question: str, bureaus: tuple[str, ...], years: tuple[str, ...]) -> None:
    asked = understood(question).asked
    assert (asked.bureaus, asked.years) == (bureaus, years)


def test_several_people_in_one_question() -> None:
    found = understood("account status of jane.doe@example.com and client 4021")
    assert [subject.said for subject in found.subjects] == ["jane.doe@example.com", "4021"]


def test_a_follow_up_keeps_the_person_and_a_new_person_the_question() -> None:
    found = understood("what about their utilization?", "who is jane.doe@example.com")
    assert (found.asked.intents, found.subjects[0].said) == (("utilization",), "jane.doe@example.com")
    found = understood("and client 4022?", "Experian score of client 4021")
    assert (found.asked.intents, found.asked.bureaus) == (("score",), ("Experian",))
    assert found.subjects[0].said == "4022"


def test_a_follow_up_may_name_another_bureau_or_year() -> None:
    found = understood("what about Equifax?", "score timeline at Experian for 4021")
    assert (found.asked.intents, found.asked.bureaus) == (("development",), ("Equifax",))
    found = understood("and in 2024?", "which payments did 4021 miss in 2025")
    assert (found.asked.intents, found.asked.years) == (("late",), ("2024",))


def test_what_isnt_understood_is_said() -> None:
    found = understood("does client 4021 like gardening")
    assert not found.asked
    assert "gardening" in found.strange
