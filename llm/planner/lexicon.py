"""The words of the planner: which phrases speak of which topic, and words that say nothing on their own.

A topic is what a phrase is about; which intents topics make is said in ``intents.py``. Words are compared by their stem
and forgive a typing error, so neither inflections nor misspellings are listed here. Besides these, the name of every
concept of the instance is a topic of its own.
"""

from __future__ import annotations

BUREAUS = {
    "Experian": "experian|experience|experion|xpn",
    "Equifax": "equifax|equi fax|efx|equafax",
    "TransUnion": "transunion|trans union|tu|tuc|transunian",
}

TOPICS = {
    "who": "who|identify|caller|belongs to|whose|person behind|what name|customer name|client name|full name",
    "info": "profile|info|information|details|detail|overview|summary|summarize|data|file|contact|contact data|personal data|"
    "account info|customer info|customer record|everything",
    "status": "status|account status|account state|active|inactive|standing|paused|on hold|state of account|good standing|"
    "suspended|account open|still customer|still client|still with us|still member|still enrolled|state",
    "credit": "credit",
    "cancel": "cancel|cancellation|cancelled|leave us|left us|leave|left|quit|churn|terminate|termination|still here|"
    "no longer customer|no longer client|drop out|dropped|close account|closed account|account closed|gone|end contract|"
    "ended|unsubscribe|opt out|stop service|walk away",
    "reason": "why|reason",
    "product": "product|plan|package|program|programme|service|subscription|membership|tier|subscribe to|buy|bought|"
    "purchase|enrolled in|enroll in|signed up for|sign up for",
    "enroll": "enroll|enrol|enrollment|enrolment|enrollment date|enrolled date|sign up|signed up|signup|join|register|"
    "registration|start date|started with us|begin with us|became customer|become customer|become client|became client|"
    "with us|member since|customer since|client since|how long customer|how long client|since when|onboard|onboarding|"
    "came on board|start with us",
    "when": "when|date|day",
    "score": "score|credit score|fico|fico score|vantage|vantagescore|credit rating|credit status|credit standing|"
    "creditworthiness|credit number|credit points",
    "report": "report|credit report|credit file|bureau report|pull|pulled",
    "allbureaus": "bureau|credit bureau|agency|three bureaus|all three",
    "compare": "compare|comparison|versus|vs|v|against|difference|differ|higher|lower|than|diff|delta|gap|apart|side by side|"
    "stack up|contrast|between",
    "previous": "previous|prior|before|second newest|second latest|second most recent|last two|two latest|two newest|"
    "two most recent|2 most recent|2 latest|2 newest|last 2|one before|preceding|earlier|older|consecutive|next to last|"
    "penultimate|since last|2nd newest|2nd latest|2nd most recent|past two|last report",
    "change": "change|develop|development|up or down|gone up|gone down|go up|go down|went up|went down|move|moved|movement|"
    "evolve|evolution|rise|risen|rose|fall|fell|drop|dropped|climb|shift|trend|progress|trajectory|fluctuate",
    "timeline": "timeline|over time|history|chronology|chronological|every score|all scores|past scores|score history|"
    "month by month|through time|time line|so far|track",
    "improve": "improve|improvement|gain|better|raise|increase|boost|grow|growth|points up|higher score|get up|bring up|"
    "good score|fix|repair|push up|lift|up since",
    "points": "points|point",
    "advice": "advice|advise|tip|tips|suggest|suggestion|recommend|recommendation|could|should|how to|what to do|can do|"
    "steps|ways|way|how can|how could|how might|how would|help raise|what would|what can|what could|what should|what else|"
    "ought|best way|strategy|ideas|idea|work on|focus on|action",
    "factor": "factor|hold back|holding back|hurt|hurting|drag|drag down|dragging|weigh|pull down|negative|"
    "damage|damaging|keep low|low score|so low|harm|harming|lower the score|bad for|limiting|worst|weak",
    "utilization": "utilization|utilisation|credit utilization|utilization rate|credit utilization rate|utilization ratio|"
    "utilization percentage|revolving credit|revolving utilization|credit usage|card usage|usage|maxed out|"
    "credit line used|limit used|used of limit|available credit|credit limit used|use of credit|credit used|util",
    "late": "late|missed|miss|delinquent|delinquency|overdue|past due|behind|skip|skipped|default|defaulted|failed|fail|"
    "unpaid|not paid|didn't pay|hasn't paid|late payment|missed payment|arrears|bounce|slow",
    "many": "how many|number of|count|total number|how often|times",
    "payment": "payment|pay|paid|paying|installment|instalment|repayment|transaction|payer|billing",
    "last": "last|latest|most recent|newest|recent|final",
    "ontime": "on time|ontime|consistent|consistently|consistency|reliable|reliably|reliability|regular|regularly|punctual|"
    "punctually|timely|payment history|pay record|payment record|track record|payment pattern|payment behavior|"
    "payment behaviour|payment habit|payment status|payment discipline|up to date|current on|current with|keep up|dependable|"
    "on schedule|good payer|promptly|prompt|steady|payment standing|payment situation",
    "due": "next due|next payment|due date|due|next installment|next instalment|next bill|upcoming|upcoming payment|"
    "coming payment|payment due|next charge|next date|next pay|have to pay|has to pay|need to pay|needs to pay|supposed to pay",
    "method": "method|payment method|how pay|pay with|pay by|pay via|payment type|means of payment|way of paying|pay through|"
    "form of payment|mode of payment|pay using|payment mode|how pays|payment option|billing method|paying with|paying by",
    "balance": "balance|owe|owing|outstanding|outstanding balance|outstanding amount|amount due|debt|still to pay|open amount|"
    "amount outstanding|left to pay|account balance|in the red|open balance|due amount|unpaid balance|remaining|remain to pay",
    "relate": "relate|relation|relationship|correlate|correlation|affect|effect|impact|influence|connection between|"
    "link between|correspond|along with|depend|because of|due to|reflect|tied to|have to do with|connected to|"
    "show in|follow|cause|help",
    "same": "same person|one person|same customer|same individual|one customer|belong together|link|linked|linking|merge|merged|"
    "match|matched|matching|connect|connected|group together|grouped|tied together|put together|one entity|resolved|"
    "rules|rule|one and same|single person|joined together|unified|combined|consolidated|one profile|same entity",
    "records": "record|records|entries",
    "conflict": "conflict|conflicting|contradict|contradiction|contradictory|inconsistent|inconsistency|inconsistencies|"
    "disagree|mismatch|mismatched|discrepancy|discrepancies|don't agree|different values|differing|diverge|varying|clash",
    "duplicate": "duplicate|duplicates|duplicated|duplication|dupe|dupes|dup|dups|twice|copies|copy|double|doubles|redundant|"
    "identical records|repeated records|more than once",
}

FIELDS = {
    "email": "email|e mail|mail address|email address|mail",
    "phone": "phone|phone number|telephone|telephone number|mobile|cell|cell number|contact number|call back number",
    "date_of_birth": "date of birth|birthday|birth date|dob|born|age|how old",
    "street": "address|street|live|lives|living|residence|home address|mailing address|reside",
    "city": "city|town|where live|where lives",
    "state": "home state|which state",
    "postal_code": "zip|zip code|postal code|postcode|zipcode",
    "agent": "agent|agent name|account manager|advisor|adviser|rep|representative|case manager|assigned to|looks after",
    "client_id": "client id|customer id|client number|customer number|account number",
    "call_notes": "call notes|call log|call history|last call|phone calls",
    "ticket_subject": "ticket|tickets|support ticket|support case|complaint",
    "card_type": "card type|card brand|kind of card",
    "inquiry_name": "inquiry|inquiries|enquiry|hard pull",
    "credit_frozen": "frozen|freeze|credit freeze|security freeze",
    "creditor": "creditor|creditors|lender",
    "credit_limit": "credit limit|credit limits",
    "credit_balance": "credit balance|card balance",
    "payment_amount": "payment amount|how much pay|how much paid|monthly fee|amount of payment",
    "cancel_reason": "cancel reason|cancellation reason|reason for cancellation|reason for leaving",
}
"""Phrases for concepts of an instance, beside their own names: what is asked is the field itself."""

SKIPPED = frozenset(
    ["a", "an", "the", "of", "for", "is", "are", "was", "were", "be", "been", "being", "am", "do", "does", "did", "has", "have", "had", "having", "their", "his", "her", "its", "our", "your", "my", "this", "that", "these", "those", "they", "he", "she", "it", "them", "him", "i", "we", "you", "client", "clients", "customer", "customers", "clnt", "cust", "member", "there's", "it's", "and", "also"]
)
"""Left out between the words of a phrase: "when {did they} enroll" is "when enroll"."""

SMALL = SKIPPED | frozenset(
    ["to", "in", "on", "at", "by", "with", "from", "as", "about", "into", "since", "until", "during", "after", "before", "who", "whom", "whose", "which", "what", "what's", "where", "when", "why", "how", "or", "not", "no", "yes", "any", "some", "all", "each", "every", "both", "one", "ones", "only", "just", "still", "yet", "already", "ever", "now", "then", "so", "if", "can", "could", "would", "will", "shall", "may", "might", "must", "should", "tell", "show", "give", "get", "find", "look", "looking", "lookup", "looked", "search", "pull", "up", "down", "out", "over", "check", "see", "know", "need", "want", "like", "let", "please", "pls", "plz", "thanks", "thank", "hi", "hello", "hey", "ok", "okay", "kindly", "us", "me", "myself", "lately", "recently", "currently", "current", "moment", "today", "right", "exactly", "overall", "general", "really", "actually", "quick", "quickly", "real", "again", "back", "same", "go", "going", "went", "come", "comes", "came", "make", "made", "say", "says", "said", "think", "mean", "explain", "describe", "list", "display", "provide", "fetch", "retrieve", "return", "bring", "share", "run", "using", "used", "use", "uses", "company", "business", "account", "accounts", "person", "people", "guy", "lady", "man", "woman", "someone", "somebody", "anybody", "name", "named", "names", "number", "numbers", "id", "ids", "id#", "no", "nr", "much", "many", "more", "most", "less", "very", "too", "than", "there", "here", "new", "old", "open", "view", "year", "years", "month", "months", "week", "weeks", "day", "days", "time", "period", "past", "next", "amount", "money", "dollars", "rate", "percent", "percentage", "ratio", "question", "help", "issue", "problem", "having", "using", "regarding", "concerning", "per", "via", "well", "good", "best", "first", "second", "third", "im", "i'm", "whats", "hows", "whos", "wheres", "he's", "she's", "they're", "isn't", "doesn't", "didn't", "hasn't", "haven't", "don't", "wasn't", "aren't", "can't", "won't", "let's", "id's", "anything", "something", "everything", "nothing", "thing", "things", "bit", "stuff", "kind", "type", "sort", "another", "other", "else", "own", "far", "long", "doing", "done", "been", "gotten", "got", "gets", "getting", "take", "takes", "took", "put", "puts", "tried", "try", "calls", "called", "between", "both", "versus", "vs", "against", "and", "&", "+", "sir", "madam", "team", "agent", "figure", "figures", "value", "values", "fine", "possible", "able", "speak", "talk", "talking", "belong", "belongs"]
)
"""Words that are neither a name nor, alone, a topic."""

COURTESY = (
    "can you|could you|would you|can i|could i|will you|do you know|i want to know|i would like to know|i'd like to know|"
    "let me know|may i|can we|could we|i need to know|id like to know|do we know|do we have|please tell me"
)
"""Phrases that carry a word of a topic without meaning it."""

ELLIPSIS = "and|what about|how about|same for|back to|also|now|again|instead|or|and for|how's about|likewise|ditto|same"
"""How a question begins that leaves out what it asks, since the one before said it."""
