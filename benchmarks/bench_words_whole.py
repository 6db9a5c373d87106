"""As bench_words, with the whole text and the setting of conf/real.toml: half an hour a repeat."""

from benchmarks.bench_words import measure_whole as measure

__all__ = ["measure"]
