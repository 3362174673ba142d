"""mPLUG-2 (large) on a GPU: parity, latency and memory of every way to run it. See run.py."""
