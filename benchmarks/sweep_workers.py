"""Measures the quality of word vectors by the number of workers and of merges.

python benchmarks/sweep_workers.py [--workers 1 2 4 8] [--merge-words 200000 50000]
    [--alpha 0.03] [--undamped] [--in-order]

Workers are processes of this machine that train as the tasks of the distributed engine do, on half
of the articles of conf/real.toml, in two passes. More workers than cores take turns, so only
quality is measured. Prints lines for RESULTS.md.
"""

import argparse
import multiprocessing
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.bench_words import HALF, MIN_COUNT, quality  # noqa: E402 - found by the line above
from benchmarks.corpus import make_sentences, share_of, write_lines  # noqa: E402
from devise_lib.spark.platform.session import start_session  # noqa: E402
from devise_lib.spark.words.training import ALPHA, MERGE_WORDS  # noqa: E402
from devise_lib.text.vectors import word2vec_workers  # noqa: E402
from devise_lib.text.vectors.exchange import Exchange  # noqa: E402
from devise_lib.text.vectors.word2vec import KeyedVectors, Word2VecParams  # noqa: E402
from devise_lib.text.vectors.word2vec_workers import (  # noqa: E402
    Learner,
    Piece,
    learn_together,
    write_pieces,
)

FORK = multiprocessing.get_context("fork")  # workers share the vocabulary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--merge-words", type=int, nargs="+", default=[1_000_000, 200_000, 50_000])
    parser.add_argument("--alpha", type=float, default=ALPHA["distributed"])
    parser.add_argument("--undamped", action="store_true", help="take the whole sum of changes")
    parser.add_argument("--in-order", action="store_true", help="no shuffling")
    args = parser.parse_args()
    if args.undamped:
        word2vec_workers.PROGRESS = 0.0
    with tempfile.TemporaryDirectory(prefix="devise-sweep-") as scratch:
        lines = _lines(Path(scratch))
        if not args.in_order:
            random.Random(0).shuffle(lines)
        counts = Counter(word for line in lines for word in line.split())
        vocabulary = {word: n for word, n in counts.most_common() if n >= MIN_COUNT}
        print(f"{counts.total():,} words, {len(vocabulary):,} distinct, alpha {args.alpha}")
        print("| workers | words between merges | merges per pass | quality |\n|---|---|---|---|")
        params = replace(HALF, alpha=args.alpha, workers=1)
        for workers in args.workers:
            grid = {*args.merge_words, MERGE_WORDS // workers}  # the engine's own default, too
            for words in sorted(grid, reverse=True) if workers > 1 else args.merge_words[:1]:
                folder = Path(scratch) / f"{workers}-{words}"
                shares = [
                    _pieces(lines[rank::workers], folder / str(rank), words // workers)
                    for rank in range(workers)
                ]
                vectors = _train(shares, vocabulary, params, words // workers)
                merges = max(map(len, shares))
                print(f"| {workers} | {words:,} | {merges} | {quality(vectors)} |", flush=True)


def _lines(folder: Path) -> list[str]:
    """Returns the sentences of half of the articles, in their order."""
    table = make_sentences(folder / "work")
    spark = start_session("sweep_workers", {"master": "local[2]", "driver.memory": "2g"})
    write_lines(share_of(spark, table, 0.5), folder / "lines.txt")
    spark.stop()
    return (folder / "lines.txt").read_text(encoding="utf-8").splitlines()


def _pieces(lines: Sequence[str], folder: Path, words: int) -> list[Piece]:
    folder.mkdir(parents=True)
    return list(write_pieces(lines, folder, words, threads=1))


def _train(
    shares: Sequence[Sequence[Piece]],
    vocabulary: dict[str, int],
    params: Word2VecParams,
    words: int,
) -> KeyedVectors:
    workers = len(shares)
    addresses = FORK.Manager().list([""] * workers)
    all_there = FORK.Barrier(workers, timeout=60)
    result, first = FORK.Pipe(duplex=False)

    def work(rank: int) -> None:
        def gather(address: str) -> list[str]:
            addresses[rank] = address
            all_there.wait()
            return list(addresses)

        exchange = Exchange(rank, "localhost", gather, b"one machine's own")
        learner = Learner(vocabulary, params, rank, max(map(len, shares)), words)
        learn_together(learner, exchange, shares[rank])
        exchange.close()
        if rank == 0:
            first.send(learner.vectors)

    processes = [FORK.Process(target=work, args=(rank,)) for rank in range(workers)]
    for process in processes:
        process.start()
    first.close()  # so that reading ends with the last worker, even if one fails
    vectors = result.recv()
    for process in processes:
        process.join()
    return vectors


if __name__ == "__main__":
    main()
