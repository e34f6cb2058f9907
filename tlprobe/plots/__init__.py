"""Figures, each drawn from a `tlprobe.records.Record` alone: no network, no torch."""
