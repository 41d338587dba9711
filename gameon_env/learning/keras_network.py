"""The network of a cloned player in Keras: the same readings as the PyTorch one, from Keras' own layers alone.

A file of it opens with ``keras.models.load_model`` where nothing of this project is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError
from gameon_env.optional import require

KIND = "keras_clone_cnn"

LEAN = 5.0
"""As of the PyTorch network."""


def build_network(
    observation_size: Sequence[int],
    stack: int,
    outputs: int,
    widths: Sequence[int] = (16, 32, 48, 64, 64),
    keypoints: int = 32,
    grid: int = 16,
    hidden: int = 256,
    dropout: float = 0.1,
    lines: bool = False,
    linear: int = 0,
) -> Any:
    """A ``keras.Model`` from ``(N, H, W, 3 * stack) uint8``, oldest frame first, to ``(N, outputs)`` logits.

    What its parts are for is said in :class:`~gameon_env.learning.network.CloneNetwork`, whose arguments these are.

    Raises:
        PolicyError: the frames are smaller than 32 x 32.
        MissingPartError: TensorFlow is not installed.
    """
    require("tensorflow", "Learning from recordings in Keras")
    layers, keras = (require(name, "Learning from recordings in Keras") for name in ("keras.layers", "keras"))
    height, width = observation_size
    if min(height, width) < 32:
        raise PolicyError(f"the network needs frames of at least 32x32 pixels, these have {height}x{width}")

    def convolution(x: Any, filters: int, kernel: int, stride: int) -> Any:
        x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x))

    first, second, third, fourth, fifth = widths
    stacked = keras.Input((height, width, 3 * stack), dtype="uint8", name="stacked")
    near = layers.Rescaling(1 / 127.5, -1.0)(stacked)
    for filters in (first, second, third):
        near = convolution(near, filters, 4, 2)
    far = convolution(convolution(near, fourth, 4, 2), fifth, 3, 1)

    rows, columns = near.shape[1:3]
    around = layers.UpSampling2D(2)(layers.Conv2D(fifth, 1)(far))
    around = layers.Cropping2D(((0, around.shape[1] - rows), (0, around.shape[2] - columns)))(around)
    seen = [layers.Conv2D(fifth, 1)(near), around]
    if lines:
        # A bias for each place tells where it is, as coordinates would.
        placed = layers.EinsumDense("nhwc,cd->nhwd", (rows, columns, fifth), bias_axes="hwd", activation="relu")(near)
        seen.append(layers.Conv2D(fifth, (1, 5), padding="same")(layers.MaxPooling2D((rows, 1))(placed)))
        seen.append(layers.Conv2D(fifth, (5, 1), padding="same")(layers.MaxPooling2D((1, columns))(placed)))
    mixed = convolution(layers.ReLU()(layers.Add()(seen)), fifth, 3, 1)

    heat = layers.Rescaling(8.0)(layers.Conv2D(keypoints, 1)(mixed))  # a flat softmax has next to no gradient
    share = layers.Softmax()(layers.Permute((2, 1))(layers.Reshape((rows * columns, keypoints))(heat)))
    positions = layers.Dense(2, use_bias=False, trainable=False, name="positions")
    found = [layers.Flatten()(positions(share)), layers.Flatten()(layers.Conv2D(grid, 1, activation="relu")(far))]
    if lines:
        found.append(layers.GlobalMaxPooling2D()(mixed))
    all_found = layers.Concatenate()(found)
    body = layers.Dense(hidden, activation="relu")(all_found)
    body = layers.Dense(hidden - linear, activation="relu")(layers.Dropout(dropout)(body))
    if linear:
        body = layers.Concatenate()([body, layers.Dense(linear)(all_found)])
    network = keras.Model(stacked, layers.Dense(outputs, name="logits")(body), name="clone")
    positions.set_weights([_places(rows, columns)])
    return network


def let_lean(network: Any, linear: int, first: int, bins: int) -> None:
    """See :meth:`gameon_env.learning.network.CloneNetwork.let_lean`; ``linear`` as the network was built with."""
    logits = network.get_layer("logits")
    kernel, bias = logits.get_weights()
    for number in range(linear):
        kernel[number - linear, first + number * bins : first + (number + 1) * bins] = np.linspace(-LEAN, LEAN, bins)
    logits.set_weights([kernel, bias])


def build_runner(
    kwargs: Mapping[str, Any], weights: Mapping[str, npt.NDArray[Any]], device: str | None = None
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """A function from one stacked observation ``(H, W, 3 * stack) uint8`` to logits ``(outputs,) float32``.

    Args:
        kwargs: of :func:`build_network`.
        weights: as :func:`weights_of` gives them.
        device: TensorFlow's name of one, such as ``cpu`` or ``gpu:0``; None: the accelerator where there is one.

    Raises:
        KeyError, TypeError, RuntimeError: weights and arguments do not fit together.
    """
    tf = require("tensorflow", "Playing a policy made with Keras")
    where = device_of(device)
    with tf.device(where):
        network = build_network(**kwargs)
        arrays = [np.asarray(weights[name]) for name in weights_of(network)]
        shapes = [tuple(variable.shape) for variable in network.variables]
        if [array.shape for array in arrays] != shapes or len(weights) != len(arrays):
            raise RuntimeError(f"arrays of {[array.shape for array in arrays]} came, {shapes} are needed")
        for variable, array in zip(network.variables, arrays, strict=True):
            variable.assign(array)
        run = tf.function(lambda stacked: network(stacked, training=False), jit_compile=False)

        def logits_of(stacked: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            with tf.device(where):
                logits: npt.NDArray[np.float32] = run(tf.constant(stacked[None])).numpy()[0]
            return logits

        logits_of(np.zeros(network.input_shape[1:], np.uint8))  # traced now, not while the game waits
    return logits_of


def weights_of(network: Any) -> dict[str, npt.NDArray[Any]]:
    """A network's weights as arrays, by names that depend on its architecture alone."""
    return {f"{i:03d}": np.array(variable.numpy()) for i, variable in enumerate(network.variables)}


def device_of(name: str | None) -> str:
    """TensorFlow's name of the device: as given, or the first accelerator, or the processor.

    Raises:
        PolicyError: TensorFlow has no such device here.
    """
    tf = require("tensorflow", "Keras policies")
    known = [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices()]
    if name is None:
        return next((device for device in known if device.startswith("GPU")), "CPU:0")
    wanted = name.upper().replace("CUDA", "GPU")
    wanted = wanted if ":" in wanted else f"{wanted}:0"
    if wanted not in known:
        raise PolicyError(
            f"device must be one of those that TensorFlow {tf.__version__} has here: {', '.join(known)}; it is {name!r}"
        )
    return wanted


def _places(rows: int, columns: int) -> npt.NDArray[np.float32]:
    """``(rows * columns, 2)``: x and y of each place, in [-4, 4]; what counts is mostly near the middle."""
    y, x = np.meshgrid(np.linspace(-4, 4, rows), np.linspace(-4, 4, columns), indexing="ij")
    return np.stack((x, y), axis=-1).reshape(-1, 2).astype(np.float32)
