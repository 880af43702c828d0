"""Kept work, in two tiers: model replies, results of Tilores, whole answers.

::

    MemoryTier (L1) ── RedisTier (L2)        tier.py  memory.py  redis.py  guard.py  connect.py  embedded.py  foreign.py
            └── Store ──┘                    store.py  seal.py  ttl.py  epochs.py
    replies.py  results.py  answers.py       what is kept, each in its form; keys.py names it
    tiered.py                                the store as LangChain's global cache
    flight.py                                equal work at the same time is done once

Nothing here fails a question: what can't be read, doesn't verify or takes too long is a miss, and is counted.
"""
