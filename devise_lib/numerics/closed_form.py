"""Zero-shot methods in closed form, computed from sums over the training features alone.

Every method standardises the features first, and folds the standardisation into the map that it
returns. Notation:

- Z (n, d): standardised features.
- T (n, m): the label vector of each feature.
- S (c, m): the label vectors of the classes.
- l, g: regularisation strengths, above 0.
"""

import numpy as np

from devise_lib.numerics.linear import Compatibility, Projection, fold_standardisation
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.vectors import FloatArray, l2_normalize


def ridge(moments: ClassMoments, vectors: FloatArray, strength: float) -> Compatibility:
    """Maps features to label vectors by ridge regression.

    W = argmin ||T - Z W'||^2 + l ||W||^2, (m, d). Photos and labels are compared in the space of
    words.

    Args:
        moments: the sums over the training features.
        vectors: S, (c, m), in the order of the moments' classes.
        strength: l, above 0.

    Raises:
        ValueError: there are no features, or the strength is not positive.
    """
    z = _standardised(moments, strength)
    weights = _solve(z.xx, z.sums.T @ vectors, strength).T
    return _to_words(moments, weights)


def ridge_reversed(moments: ClassMoments, vectors: FloatArray, strength: float) -> Compatibility:
    """Maps label vectors to features by ridge regression.

    A = argmin ||Z - T A'||^2 + l ||A||^2, (d, m). Photos and labels are compared among the
    standardised features. This direction makes fewer hubs than the map from features to labels.

    Args:
        moments: the sums over the training features.
        vectors: S, (c, m), in the order of the moments' classes.
        strength: l, above 0.

    Raises:
        ValueError: there are no features, or the strength is not positive.

    Source: Shigeto et al., "Ridge Regression, Hubness, and Zero-Shot Learning" (2015).
    """
    z = _standardised(moments, strength)
    weights = _solve(_gram(moments, vectors), vectors.T @ z.sums, strength).T
    return _to_features(moments, weights)


def eszsl(
    moments: ClassMoments, vectors: FloatArray, strength: float, label_strength: float
) -> Compatibility:
    """Returns the bilinear compatibility of ESZSL.

    V = (Z'Z + g I)^-1 Z'Y S (S'S + l I)^-1, (d, m), with Y (n, c) of 1 and -1. The score of a photo
    z and a label s is z'V s.

    Args:
        moments: the sums over the training features.
        vectors: S, (c, m), in the order of the moments' classes.
        strength: g, of the features' side, above 0.
        label_strength: l, of the labels' side, above 0.

    Raises:
        ValueError: there are no features, or a strength is not positive.

    Source: Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning"
    (2015), eq. 5.
    """
    z = _standardised(moments, min(strength, label_strength))
    zy = 2.0 * z.sums.T - z.sums.sum(0)[:, None]  # (d, c): sum of a class's rows less the others'
    left = _solve(z.xx, zy @ vectors, strength)
    weights = _solve(vectors.T @ vectors, left.T, label_strength)  # (m, d)
    return _to_words(moments, weights)


def sae_weights(moments: ClassMoments, vectors: FloatArray, strength: float) -> FloatArray:
    """Returns the weights of the semantic autoencoder, whose decoder is the transposed encoder.

    W = argmin ||Z - T W||^2 + l ||Z W' - T||^2, (m, d). The condition T'T W + l W Z'Z = (1 + l) T'Z
    is a Sylvester equation with two symmetric matrices. Their eigenvectors therefore solve it.

    Args:
        moments: the sums over the training features.
        vectors: S, (c, m), in the order of the moments' classes.
        strength: l, above 0.

    Raises:
        ValueError: there are no features, or the strength is not positive.

    Source: Kodirov et al., "Semantic Autoencoder for Zero-Shot Learning" (2017), eq. 6.
    """
    z = _standardised(moments, strength)
    a, u = np.linalg.eigh(_gram(moments, vectors))
    b, v = np.linalg.eigh(strength * z.xx)
    right = (1.0 + strength) * (vectors.T @ z.sums)  # (m, d)
    sums = a[:, None] + b[None, :]
    # Directions in which neither features nor label vectors vary stay at 0.
    inner = np.divide(
        u.T @ right @ v, sums, out=np.zeros_like(right), where=sums > 1e-9 * sums.max()
    )
    return np.asarray(u @ inner @ v.T)


def sae(moments: ClassMoments, vectors: FloatArray, strength: float) -> Compatibility:
    """Maps features to label vectors, W z, and compares in the space of words.

    W are the `sae_weights` of these arguments, with the same errors and the same source.
    """
    return _to_words(moments, sae_weights(moments, vectors, strength))


def sae_reversed(moments: ClassMoments, vectors: FloatArray, strength: float) -> Compatibility:
    """Maps label vectors to features, W's, and compares among the standardised features.

    W are the `sae_weights` of these arguments, with the same errors and the same source.
    """
    return _to_features(moments, sae_weights(moments, vectors, strength).T)


def classifier_weights(
    kernel: FloatArray, deviation: FloatArray, vectors: FloatArray, strength: float
) -> FloatArray:
    """Maps label vectors to the weights of a classifier, by ridge regression.

    A = argmin ||K - S A||^2 + l ||A||^2, (m, d). A softmax layer has a weight vector for each of
    its classes. A map from label vectors to these weights gives a weight vector to any label. Used
    as a projection of features to words, A scores a label as those weights would.

    Args:
        kernel: (d, c), of a softmax over raw features.
        deviation: (d,), of the features. The weights for standardised features are the kernel times
            the deviation.
        vectors: S, (c, m), of the softmax's classes. A class whose vector is zeros adds nothing.
        strength: l, above 0.

    Source: Changpinyo et al., "Synthesized Classifiers for Zero-Shot Learning" (2016). Their
    classifiers are combinations of phantom ones; these come from ridge regression.
    """
    weights = l2_normalize((kernel * deviation[:, None]).T) * np.sqrt(len(kernel))  # K, (c, d)
    return _solve(vectors.T @ vectors, vectors.T @ weights, strength)


def by_classifier(moments: ClassMoments, weights: FloatArray) -> Compatibility:
    """Compares photos with the weight vector that `classifier_weights` (m, d) gives each label."""
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
