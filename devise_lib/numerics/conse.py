"""ConSE: a photo's embedding is the weighted mean of the label vectors of its likeliest classes.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (2013).
"""

import numpy as np
from numpy.typing import NDArray

from devise_lib.numerics.retrieval import best_columns
from devise_lib.numerics.vectors import FloatArray, l2_normalize


def softmax(logits: FloatArray) -> FloatArray:
    """Returns the softmax of each row of (n, m) logits: probabilities that sum to 1.

    The greatest logit of a row is subtracted first, which avoids an overflow and changes no result.
    """
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def conse(probabilities: FloatArray, class_vectors: FloatArray, t: int) -> NDArray[np.float32]:
    """Embeds photos by the label vectors of their `t` likeliest classes.

    Args:
        probabilities: (n, m), of the training classes.
        class_vectors: (m, d), unit rows. A row of zeros marks a class without a vector, which is
            left out.
        t: the number of classes per photo; 10 in the paper's best setting.

    Returns:
        (n, d) unit embeddings: the sum of p(class) * vector(class), normalised.

    Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings"
    (2013), eq. 2. The factor 1/Z is left out because it does not change a cosine.
    """
    usable = np.linalg.norm(class_vectors, axis=1) > 0
    p = np.where(usable, probabilities, 0.0)
    likeliest = best_columns(p, t)
    kept = np.zeros_like(p)
    np.put_along_axis(kept, likeliest, np.take_along_axis(p, likeliest, axis=1), axis=1)
    return l2_normalize((kept @ class_vectors).astype(np.float32))
