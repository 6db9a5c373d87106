"""Zero-shot methods in closed form, from sums over the training features alone.

All of them standardise the features first, and fold that into the map that they give.
Notation: Z (n, d) standardised features, T (n, m) the label vector of each, S (c, m) those of the
classes, l and g strengths.
"""

import numpy as np

from devise_lib.numerics.linear import Compatibility, Projection, fold_standardisation
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.vectors import FloatArray, l2_normalize


def ridge(moments: ClassMoments, vectors: FloatArray, strength: float) -> Compatibility:
    """Features to label vectors: W = argmin ||T - Z W'||^2 + l ||W||^2, (m, d).

    Args:
        moments: of the training features.
        vectors: S, (c, m), in the order of the moments' classes.
        strength: l, above 0.

    Raises:
        ValueError: there are no features, or a strength is not positive.
    """
    z = _standardised(moments, strength)
    weights = _solve(z.xx, z.sums.T @ vectors, strength).T
    return _to_words(moments, weights)


def ridge_reversed(moments: ClassMoments, vectors: FloatArray, strength: float) -> Compatibility:
    """Label vectors to features: A = argmin ||Z - T A'||^2 + l ||A||^2, (d, m).

    Mapping labels to photos makes fewer hubs than the other way.

    Args, Raises: as of `ridge`.

    Source: Shigeto et al., "Ridge Regression, Hubness, and Zero-Shot Learning" (2015).
    """
    z = _standardised(moments, strength)
    weights = _solve(_gram(moments, vectors), vectors.T @ z.sums, strength).T
    return _to_features(moments, weights)


def eszsl(
    moments: ClassMoments, vectors: FloatArray, strength: float, label_strength: float
) -> Compatibility:
    """V = (Z'Z + g I)^-1 Z'Y S (S'S + l I)^-1, (d, m), with Y (n, c) of 1 and -1; score z'V s.

    Args:
        moments, vectors: as of `ridge`.
        strength: g, of the features' side.
        label_strength: l, of the labels' side.

    Raises:
        ValueError: as `ridge`.

    Source: Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning"
    (2015), eq. 5.
    """
    z = _standardised(moments, min(strength, label_strength))
    zy = 2.0 * z.sums.T - z.sums.sum(0)[:, None]  # (d, c): a class's own rows less all others
    left = _solve(z.xx, zy @ vectors, strength)
    weights = _solve(vectors.T @ vectors, left.T, label_strength)  # (m, d)
    return _to_words(moments, weights)


def sae_weights(moments: ClassMoments, vectors: FloatArray, strength: float) -> FloatArray:
    """W = argmin ||Z - T W||^2 + l ||Z W' - T||^2, (m, d): a tied encoder and decoder.

    The condition T'T W + l W Z'Z = (1 + l) T'Z is a Sylvester equation whose two matrices are
    symmetric, so their eigenvectors solve it.

    Args, Raises: as of `ridge`.

    Source: Kodirov et al., "Semantic Autoencoder for Zero-Shot Learning" (2017), eq. 6.
    """
    z = _standardised(moments, strength)
    a, u = np.linalg.eigh(_gram(moments, vectors))
    b, v = np.linalg.eigh(strength * z.xx)
    right = (1.0 + strength) * (vectors.T @ z.sums)  # (m, d)
    sums = a[:, None] + b[None, :]
    # Directions that neither side has anything of stay at 0.
    inner = np.divide(
        u.T @ right @ v, sums, out=np.zeros_like(right), where=sums > 1e-9 * sums.max()
    )
    return np.asarray(u @ inner @ v.T)


def sae(moments: ClassMoments, vectors: FloatArray, strength: float) -> Compatibility:
    """Features to label vectors, W z, compared there; see `sae_weights`."""
    return _to_words(moments, sae_weights(moments, vectors, strength))


def sae_reversed(moments: ClassMoments, vectors: FloatArray, strength: float) -> Compatibility:
    """Label vectors to features, W's, compared there; see `sae_weights`."""
    return _to_features(moments, sae_weights(moments, vectors, strength).T)


def classifier_weights(
    kernel: FloatArray, deviation: FloatArray, vectors: FloatArray, strength: float
) -> FloatArray:
    """Label vectors to the weights of a classifier: A = argmin ||K - S A||^2 + l ||A||^2, (m, d).

    A softmax layer says what marks each of its classes among the features. A map from the classes'
    label vectors to their weights gives weights to any label; read the other way, as the
    projection A of features to words, it scores a label as those weights would.

    Args:
        kernel: (d, c) of a softmax over features as they come.
        deviation: (d,) of the features: the weights on standardised ones are the kernel times it.
        vectors: S, (c, m), of the softmax's classes; a class of zeros adds nothing.
        strength: l, above 0.

    Source: Changpinyo et al., "Synthesized Classifiers for Zero-Shot Learning" (2016), whose
    classifiers are made of phantom ones; here by ridge regression.
    """
    weights = l2_normalize((kernel * deviation[:, None]).T) * np.sqrt(len(kernel))  # K, (c, d)
    return _solve(vectors.T @ vectors, vectors.T @ weights, strength)


def by_classifier(moments: ClassMoments, weights: FloatArray) -> Compatibility:
    """Photos compared with what `classifier_weights` (m, d) gives each label."""
    return _to_features(moments, weights.T)


def _standardised(moments: ClassMoments, strength: float) -> ClassMoments:
    if moments.rows == 0 or strength <= 0:
        raise ValueError(f"want rows and a positive strength; got {moments.rows}, {strength}")
    return moments.standardised()


def _gram(moments: ClassMoments, vectors: FloatArray) -> FloatArray:
    """T'T, (m, m)."""
    return np.asarray((vectors * moments.counts[:, None]).T @ vectors)


def _solve(gram: FloatArray, right: FloatArray, strength: float) -> FloatArray:
    return np.linalg.solve(gram + strength * np.eye(len(gram)), right)


def _to_words(moments: ClassMoments, weights: FloatArray) -> Compatibility:
    """Compare in the space of words: `weights` (m, d) takes standardised features there."""
    layer = fold_standardisation(weights, moments.mean, moments.deviation)
    return Compatibility(Projection((layer,)))


def _to_features(moments: ClassMoments, weights: FloatArray) -> Compatibility:
    """Compare among standardised features: `weights` (d, m) takes label vectors there."""
    plain = np.eye(len(weights))
    layer = fold_standardisation(plain, moments.mean, moments.deviation)
    return Compatibility(Projection((layer,)), weights.astype(np.float32))
