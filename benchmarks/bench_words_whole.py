"""Runs bench_words with the whole text and the settings of conf/real.toml: half an hour per
repeat.
"""

from benchmarks.bench_words import measure_whole as measure

__all__ = ["measure"]
