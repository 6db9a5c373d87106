"""Compares the closed forms of all strengths with solving them anew for each strength."""

import time
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from benchmarks.rate import Rate
from devise_lib.numerics.closed_form import ClosedForms
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.vectors import FloatArray, l2_normalize

FOLDS, ROWS, WORDS, LABELS, STRENGTHS = 3, 5_000, 300, 100, (1e3, 1e2, 10.0, 1.0, 0.1)


def measure() -> list[Rate]:
    """Returns maps per second of evaluate's five closed forms, for all strengths and folds."""
    return [_rate(dimension) for dimension in (512, 1_280)]


def _rate(dimension: int) -> Rate:
    folds = [_fold(seed, dimension) for seed in range(FOLDS)]
    apart, count = 0.0, 0
    seconds = {"ours": 0.0, "anew": 0.0}
    for forms in folds:
        found: dict[str, list[FloatArray]] = {}
        for name, maps in (("ours", _shared), ("anew", _anew)):
            started = time.perf_counter()
            found[name] = list(maps(ClosedForms(forms.moments, forms.vectors)))
            seconds[name] += time.perf_counter() - started
        count += len(found["ours"])
        for one, other in zip(found["ours"], found["anew"], strict=True):
            apart = max(apart, float(np.abs(one - other).max() / np.abs(other).max()))
    return Rate(
        f"closed forms of {FOLDS} folds, {len(STRENGTHS)} strengths, {dimension}-D to {WORDS}-D",
        "maps/s",
        count / seconds["ours"],
        count / seconds["anew"],
        "solved anew for each strength",
        f"at most {apart:.0e} of the greatest weight apart",
    )


def _fold(seed: int, dimension: int) -> ClosedForms:
    """Features after a ReLU, with a spectrum that falls over four decades."""
    rng = np.random.default_rng(seed)
    vectors = l2_normalize(rng.standard_normal((LABELS, WORDS)))
    names = np.array([f"label {n:03}" for n in range(LABELS)])
    truth = np.arange(ROWS) % LABELS
    means = vectors[truth] @ rng.standard_normal((WORDS, dimension))
    turned, _ = np.linalg.qr(rng.standard_normal((dimension, dimension)))
    noisy = 2.0 * means + rng.standard_normal((ROWS, dimension))
    features = np.maximum(noisy @ (turned * np.geomspace(1.0, 1e-4, dimension)), 0.0)
    return ClosedForms(ClassMoments.of(features, names[truth].tolist()), vectors)


def _shared(forms: ClosedForms) -> Iterator[FloatArray]:
    """Yields the weights (m, d) of standardised features, or of their features' side."""
    methods: list[Callable[[float], FloatArray]] = [
        lambda s: forms.ridge(s).image.layers[0].matrix * forms.moments.deviation,
        lambda s: np.asarray(forms.ridge_reversed(s).label).T,
        lambda s: forms.sae(s).image.layers[0].matrix * forms.moments.deviation,
        lambda s: np.asarray(forms.sae_reversed(s).label).T,
    ]
    yield from (method(strength) for method in methods for strength in STRENGTHS)
    for g, l in product(STRENGTHS, STRENGTHS):  # noqa: E741 - the paper's letters
        yield forms.eszsl(g, l).image.layers[0].matrix * forms.moments.deviation


def _anew(forms: ClosedForms) -> Iterator[FloatArray]:
    """Yields the same, each with its own equations."""
    s, m, d = forms.vectors, np.eye(WORDS), np.eye(len(forms.moments.xx))
    gram = (s * forms.moments.counts[:, None]).T @ s  # T'T
    for strength in STRENGTHS:
        z = forms.moments.standardised()
        yield np.linalg.solve(z.xx + strength * d, z.sums.T @ s).T
    for strength in STRENGTHS:
        z = forms.moments.standardised()
        yield np.linalg.solve(gram + strength * m, s.T @ z.sums)
    for strength in STRENGTHS * 2:  # both directions
        z = forms.moments.standardised()
        (a, u), (b, v) = np.linalg.eigh(gram), np.linalg.eigh(strength * z.xx)
        yield u @ (u.T @ ((1.0 + strength) * s.T @ z.sums) @ v / (a[:, None] + b)) @ v.T
    for g, l in product(STRENGTHS, STRENGTHS):  # noqa: E741 - the paper's letters
        z = forms.moments.standardised()
        left = np.linalg.solve(z.xx + g * d, 2.0 * z.sums.T @ s)
        yield np.linalg.solve(s.T @ s + l * m, left.T)
