"""Random unit vectors for names: a control that knows nothing of what the names mean."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def random_unit_vector(name: str, dimension: int, seed: int) -> NDArray[np.float32]:
    """Returns a random vector (dimension,) of unit L2 norm, uniform on the sphere.

    The vector depends on the name, the dimension and the seed alone. Other names do not matter,
    because a digest of name and seed seeds a separate generator. Independent normal numbers have no
    preferred direction, so they are uniform on the sphere once scaled to unit norm.

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
