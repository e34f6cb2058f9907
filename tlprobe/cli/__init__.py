"""The command line: parse, call, save the record, draw. No maths, and no torch before a verb runs."""

from tlprobe.cli.app import main

__all__ = ["main"]
