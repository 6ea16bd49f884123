"""`vid2vid`, and `python -m vid2vid_cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and exit."""
    from vid2vid_cli.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
