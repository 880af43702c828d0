"""What a question asks for, read off its words: the priority behind ``auto``."""

from __future__ import annotations

import re

from tilores_x.llm.specs import Priority

_ANALYSIS = re.compile(
    r"\b(?:compar\w*|versus|vs|trends?|relat\w+|correlat\w*|patterns?|analy[sz]\w*|improv\w+|timelines?|over time|"
    r"consistent\w*|why|explain\w*|how (?:could|can|should|do(?:es)?) |recommend\w*|advi[sc]e|assess\w*|evaluat\w*|"
    r"differ\w*|conflict\w*|duplicates?|summar\w+|overview|likel(?:y|ihood)|risk\w*|predict\w*|changed?|changes|since)\b",
    re.IGNORECASE,
)
_SOURCES = (
    re.compile(r"\b(?:scores?|reports?|bureaus?|experian|experience|transunion|equifax|utili[sz]ation|credit)\b", re.I),
    re.compile(r"\b(?:payments?|paid|pays?|due|balances?|methods?|missed|late)\b", re.I),
    re.compile(r"\b(?:status|cancel\w*|active|paused|accounts?|accont)\b", re.I),
    re.compile(r"\b(?:products?|enrol\w*|plans?|subscri\w+)\b", re.I),
    re.compile(r"\b(?:tickets?|calls?|called|notes?|complain\w*)\b", re.I),
)


def classify(question: str) -> Priority:
    """``quality`` for analysis, ``balanced`` for several things at once, ``speed`` for a look-up.

    Analysis is a word that asks for reasoning beside a word for a kind of source, or two of the former. Several things
    are three kinds of sources, or two joined by "and".
    """
    text = question[:4000]
    signs = len(_ANALYSIS.findall(text))
    sources = sum(1 for source in _SOURCES if source.search(text))
    if signs >= 2 or (signs and sources):
        return Priority.QUALITY
    joined = re.search(r"\b(?:and|as well as|plus)\b", text, re.IGNORECASE) is not None
    if sources >= 3 or (sources >= 2 and joined):
        return Priority.BALANCED
    return Priority.SPEED
