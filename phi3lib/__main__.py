"""`python -m phi3lib`: see `phi3lib.cli`."""

from phi3lib.cli import run

if __name__ == "__main__":
    run()
