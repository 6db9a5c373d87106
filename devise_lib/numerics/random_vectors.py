"""Random unit vectors that belong to names: the control that knows nothing of what names mean."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def random_unit_vector(name: str, dimension: int, seed: int) -> NDArray[np.float32]:
    """A vector (dimension,) of unit L2 norm, uniform on the sphere.

    It depends on the name, the dimension and the seed alone, not on what other names there are: a
    generator of its own is seeded by a digest of name and seed. Independent normal numbers have
    no preferred direction, so scaled to unit norm they are uniform on the sphere.

    Args:
        name: any text.
        dimension: at least 1.
        seed: not negative.

    Source: the control "random embedding" of Frome et al., DeViSE, NIPS 2013, section 4; M. E.
    Muller, A note on a method for generating points uniformly on n-dimensional spheres, 1959.
    """
    digest = hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogatepass")).digest()
    vector = np.random.default_rng(int.from_bytes(digest, "big")).standard_normal(dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)
