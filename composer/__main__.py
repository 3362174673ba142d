"""`python -m composer`: what launchers of several processes can start."""

import os
import sys

from composer.cli import main

if __name__ == "__main__":
    code = main()
    if code and "RANK" in os.environ:
        # A thread of the process group may still let go of its last exchange, for which it needs an interpreter that
        # is not being torn down; to wait for it is to wait for processes that have not failed.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code)
