"""Zero-shot methods in closed form, computed from sums over the training features alone.

Every method standardises the features first, and folds the standardisation into the map that it
returns. Notation:

- Z (n, d): standardised features.
- T (n, m): the label vector of each feature.
- S (c, m): the label vectors of the classes.
- l, g: regularisation strengths, above 0.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from devise_lib.numerics.linear import Compatibility, Projection, fold_standardisation
from devise_lib.numerics.moments import ClassMoments
from devise_lib.numerics.vectors import FloatArray, l2_normalize


@dataclass(frozen=True)
class ClosedForms:
    """The methods on one training, of which each can be had with many strengths.

    With the eigenvectors of Z'Z = V diag(b) V' and T'T = U diag(a) U', each method divides U' T'Z V
    by sums of eigenvalues and strengths. The eigenvectors are computed once, when first needed.
    Another strength then costs two products of matrices.

    Attributes:
        moments: the sums over the training features.
        vectors: S, (c, m), in the order of the moments' classes.

    The argument `strength` is l, but where a method says otherwise. Each method raises ValueError
    if there are no features, or if a strength is not positive.
    """

    moments: ClassMoments
    vectors: FloatArray

    def ridge(self, strength: float) -> Compatibility:
        """Maps features to label vectors by ridge regression.

        W = argmin ||T - Z W'||^2 + l ||W||^2, (m, d). Photos and labels are compared in the space
        of words.
        """
        t = self._rotated(strength)
        return _to_words(self.moments, t.over(t.b + strength))

    def ridge_reversed(self, strength: float) -> Compatibility:
        """Maps label vectors to features by ridge regression.

        A = argmin ||Z - T A'||^2 + l ||A||^2, (d, m). Photos and labels are compared among the
        standardised features. This direction makes fewer hubs than the map from features to labels.

        Source: Shigeto et al., "Ridge Regression, Hubness, and Zero-Shot Learning" (2015).
        """
        t = self._rotated(strength)
        return _to_features(self.moments, t.over(t.a + strength).T)

    def eszsl(self, strength: float, label_strength: float) -> Compatibility:
        """Returns the bilinear compatibility of ESZSL.

        V = (Z'Z + g I)^-1 Z'Y S (S'S + l I)^-1, (d, m), with Y (n, c) of 1 and -1. The score of a
        photo z and a label s is z'V s.

        Args:
            strength: g, of the features' side.
            label_strength: l, of the labels' side.

        Source: Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning"
        (2015), eq. 5.
        """
        s = self._rotated(min(strength, label_strength), by_class=True)
        divisors = (s.a + label_strength) * (s.b + strength)
        return _to_words(self.moments, s.over(divisors / 2.0))  # Z sums to 0, so Z'Y S = 2 Z'T

    def sae_weights(self, strength: float) -> FloatArray:
        """Returns the weights of the semantic autoencoder; the decoder is the transposed encoder.

        W = argmin ||Z - T W||^2 + l ||Z W' - T||^2, (m, d). The condition
        T'T W + l W Z'Z = (1 + l) T'Z is a Sylvester equation with two symmetric matrices. Their
        eigenvectors therefore solve it.

        Source: Kodirov et al., "Semantic Autoencoder for Zero-Shot Learning" (2017), eq. 6.
        """
        t = self._rotated(strength)
        sums = t.a + strength * t.b
        # Directions in which neither features nor label vectors vary stay at 0.
        sums[sums <= 1e-9 * sums.max()] = np.inf
        return t.over(sums / (1.0 + strength))

    def sae(self, strength: float) -> Compatibility:
        """Maps features to label vectors by the `sae_weights`; compares in the space of words."""
        return _to_words(self.moments, self.sae_weights(strength))

    def sae_reversed(self, strength: float) -> Compatibility:
        """Maps label vectors to features by the `sae_weights`; compares among the features."""
        return _to_features(self.moments, self.sae_weights(strength).T)

    def _rotated(self, strength: float, by_class: bool = False) -> "_Rotated":
        if self.moments.rows == 0 or strength <= 0:
            got = f"{self.moments.rows}, {strength}"
            raise ValueError(f"want rows and a positive strength; got {got}")
        return self._by_class if by_class else self._by_photo

    @cached_property
    def _by_photo(self) -> "_Rotated":
        return self._rotate((self.vectors * self.moments.counts[:, None]).T @ self.vectors)  # T'T

    @cached_property
    def _by_class(self) -> "_Rotated":
        return self._rotate(self.vectors.T @ self.vectors)

    def _rotate(self, gram: FloatArray) -> "_Rotated":
        tz, b, v = self._features
        a, u = _eigen(gram)
        return _Rotated(a[:, None], b, u, v, u.T @ tz @ v)

    @cached_property
    def _features(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """T'Z (m, d), the eigenvalues (d,) of Z'Z, and its eigenvectors (d, d)."""
        z = self.moments.standardised()
        return self.vectors.T @ z.sums, *_eigen(z.xx)


@dataclass(frozen=True)
class _Rotated:
    """U' T'Z V, `inner` (m, d), and the eigenvalues of both sides.

    Those of T'T, or of S'S, are `a` (m, 1); those of Z'Z are `b` (d,).
    """

    a: FloatArray
    b: FloatArray
    u: FloatArray
    v: FloatArray
    inner: FloatArray

    def over(self, divisors: FloatArray) -> FloatArray:
        """Divides by `divisors`, which broadcast to (m, d), and rotates back."""
        return np.asarray(self.u @ (self.inner / divisors) @ self.v.T)


def _eigen(gram: FloatArray) -> tuple[FloatArray, FloatArray]:
    values, vectors = np.linalg.eigh(gram)
    return np.maximum(values, 0.0), vectors  # rounding makes some that are 0 negative


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
    gram = vectors.T @ vectors + strength * np.eye(vectors.shape[1])
    return np.linalg.solve(gram, vectors.T @ weights)


def by_classifier(moments: ClassMoments, weights: FloatArray) -> Compatibility:
    """Compares photos with the weight vector that `classifier_weights` (m, d) gives each label."""
    return _to_features(moments, weights.T)


def _to_words(moments: ClassMoments, weights: FloatArray) -> Compatibility:
    """Compare in the space of words: `weights` (m, d) takes standardised features there."""
    layer = fold_standardisation(weights, moments.mean, moments.deviation)
    return Compatibility(Projection((layer,)))


def _to_features(moments: ClassMoments, weights: FloatArray) -> Compatibility:
    """Compare among standardised features: `weights` (d, m) takes label vectors there."""
    plain = np.eye(len(weights))
    layer = fold_standardisation(plain, moments.mean, moments.deviation)
    return Compatibility(Projection((layer,)), weights.astype(np.float32))
