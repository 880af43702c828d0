"""Parts of ``benchmarks/parallel.py``: the questions, the servers, the rivals, and the processes that ask."""
