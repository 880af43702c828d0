"""What a right answer holds, ask by ask: the docstrings in this folder are what answers are judged by.

Everywhere: any usual notation of a figure or a date will do, extra true facts do no harm, and a fact that no record
holds must be called missing. Each judge yields what is wrong with a reply; `safety.py` looks for wrong persons and
invented figures, whatever was asked.
"""

from questions.asks import account, credit, payments, records, who
from questions.asks.scene import ASKS, Scene

__all__ = ["ASKS", "Scene", "account", "credit", "payments", "records", "who"]
