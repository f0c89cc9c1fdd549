"""`python -m benchmarks.bot`: the bot's benchmarks alone, fast. `--help` tells how to get more of them."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks.bot.measure import ALL, play
from benchmarks.bot.taps import Size
from benchmarks.table import show


def main() -> None:
    """Measures in a folder on the repository's disk, and prints a line a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bot")
    parser.add_argument(
        "parts", nargs="*", default=["near"], help=f"of {', '.join(sorted(ALL))} (P6/P7, P6 network, P8)"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--each", type=int, default=2, help="taps a chat in a round of P7")
    parser.add_argument("--taps", type=int, default=Size().taps, help="taps in a round of P6")
    parser.add_argument("--profile", default="", metavar="FILE", help="profiles our bot, which makes it slow")
    given = parser.parse_args()
    size = Size(rounds=given.rounds, taps=given.taps, each=given.each)
    with tempfile.TemporaryDirectory(dir=Path(__file__).parents[1], prefix="run-") as folder:
        show(asyncio.run(play(Path(folder), size=size, parts=given.parts, profile=given.profile)))


if __name__ == "__main__":
    main()
