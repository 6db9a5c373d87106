"""Networks as frozen graphs of TensorFlow: one file of bytes, whose weights are constants.

A SavedModel is a folder whose code may come from any program. Its frozen graph travels to workers
as the bytes of a .keras file do, and loads without that code.
"""

from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from devise_lib.errors import InputError

PIXELS, EMBEDDING = "pixels", "embedding"  # the names of input and output in the graph
MAX_BYTES = (1 << 31) - 1  # of a protocol buffer


def freeze(function: Any) -> Any:
    """Returns a concrete function of TensorFlow, of one tensor, with its variables as constants.

    TensorFlow folds batch normalisations with constant weights into the convolutions.

    Raises:
        InputError: the function has state that is no plain variable, such as a look-up table.
    """
    frozen = convert_variables_to_constants_v2(function)
    if len(frozen.inputs) != 1:  # such state stays an input
        raise InputError(
            "the network has state that cannot be made constant, such as a look-up table: export "
            "it without"
        )
    return frozen


def bytes_of_graph(function: Any) -> bytes:
    """Returns the bytes of a frozen function from PIXELS (n, size, size, 3) to (n, d).

    Raises:
        InputError: they are more than a file of a graph may have.
    """
    frozen = freeze(function)
    graph = tf.compat.v1.GraphDef()
    graph.CopyFrom(frozen.graph.as_graph_def())
    [output] = frozen.outputs
    named = graph.node.add(name=EMBEDDING, op="Identity", input=[output.name])
    named.attr["T"].type = tf.float32.as_datatype_enum
    if graph.ByteSize() > MAX_BYTES:
        raise InputError(
            f"the network has {graph.ByteSize():,} bytes; a frozen graph has {MAX_BYTES:,} at most"
        )
    return bytes(graph.SerializeToString())


def graph_of_bytes(content: bytes) -> Any:
    """Loads the concrete function of a frozen graph, from PIXELS to EMBEDDING.

    Raises:
        InputError: the bytes are none.
    """
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(content)
        imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
        ends = (imported.graph.get_tensor_by_name(f"{name}:0") for name in (PIXELS, EMBEDDING))
        return imported.prune(*ends)
    except Exception as error:  # of protobuf or TensorFlow, by what is damaged
        raise InputError(f"the frozen graph is damaged ({first_line(error)})") from error


def module_of_bytes(content: bytes) -> tf.Module:
    """Loads a frozen graph as a module, which TensorFlow stores as a SavedModel.

    It maps float32 PIXELS (n, size, size, 3) to (n, d).
    """
    run = graph_of_bytes(content)
    pixels = tf.TensorSpec(run.inputs[0].shape, tf.float32, name=PIXELS)

    class Module(tf.Module):
        @tf.function(input_signature=[pixels], autograph=False)
        def __call__(self, photos: Any) -> Any:
            return run(photos)

    return Module()


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, or the name of its class."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
