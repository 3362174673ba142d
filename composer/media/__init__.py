"""Media that others made: decoders in processes of their own, and containers that are walked before.

`decoders` and `structure` are imported by who needs them: the process that decodes starts without the first.
"""

__all__: list[str] = []
