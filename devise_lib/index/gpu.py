"""FAISS on GPUs: whether this process has some, and index files that are searched there."""

from pathlib import Path
from typing import Any

import faiss

from devise_lib.errors import InputError

MOST = 2_048  # results and lists of a query on a GPU, at most


def gpu_count() -> int:
    """Returns the number of GPUs that faiss may use; 0 for a faiss that is built without them."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0


def takes_gpus(devices: str) -> bool:
    """Tells whether faiss uses GPUs in this process: "auto" where there are some, "gpu", "cpu".

    Raises:
        InputError: `devices` is "gpu", and faiss sees none.
    """
    found = gpu_count()
    if devices == "gpu" and not found:
        raise InputError(
            f'devices is "gpu", but faiss {faiss.__version__} sees no GPU in a task: install faiss '
            'for GPUs on the workers, or set devices = "auto"'
        )
    return devices != "cpu" and found > 0


def has_gpu_kind(index: Any) -> bool:
    """Tells whether faiss has this kind of index for GPUs: no fast scan, RaBitQ or refinement."""
    if isinstance(index, faiss.IndexPreTransform):
        index = faiss.downcast_index(index.index)
    kinds = faiss.IndexIVFFlat, faiss.IndexIVFScalarQuantizer, faiss.IndexIVFPQ
    return type(index) in kinds


def read_to_gpu(path: Path, device: int) -> Any:
    """Returns the index of a file on a GPU. All its centroids are compared there, without a graph.

    Args:
        path: of an index of which `has_gpu_kind` is true.
        device: the number of the GPU. It has room for the whole index.
    """
    index = faiss.read_index(str(path))
    ivf = faiss.extract_index_ivf(index)
    flat = faiss.IndexFlatIP(ivf.quantizer.d)
    flat.add(ivf.quantizer.reconstruct_n(0, ivf.nlist))
    ivf.quantizer = flat  # GPUs have no graphs
    ivf.referenced_objects = [flat]  # which faiss does not own
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), device, index)
