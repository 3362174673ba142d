"""`python -m composer`: what launchers of several processes can start."""

from composer.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
