"""The native part."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

_Path: TypeAlias = str | os.PathLike[str]
_Array: TypeAlias = NDArray[Any]

__version__: str

@final
class Field:
    """A field with the facts of its signal: a function of coordinates with exact derivatives.

    Coordinates are (n, d), of `float32` or `float64`, and are rounded to the precision of the field, which results have too. Values are in the units of the
    array that was fitted: intensities from 0 to 1 of a picture or clip, amplitudes of a sound, signed distances of a shape at positions in its own units.
    """

    @property
    def kind(self) -> str:
        """ "picture", "sound", "clip", "shape", "wave", "grid" or "points"."""
    @property
    def in_features(self) -> int: ...
    @property
    def out_features(self) -> int: ...
    @property
    def config(self) -> dict[str, Any]:
        """The table `[field]` of the network."""
    @property
    def history(self) -> dict[str, _Array]:
        """Step, loss, learning rate and seconds of each step of the fit; empty arrays for a field that was loaded."""
    @property
    def metrics(self) -> dict[str, float]:
        """Scores of the fit, such as `psnr_db`; empty for a field that was loaded."""
    @property
    def stopped_at(self) -> int | None:
        """The step after which Ctrl-C or the callback stopped the fit."""
    def __call__(self, coords: _Array) -> _Array:
        """Returns the values (n, c)."""
    def gradient(self, coords: _Array) -> _Array:
        """Returns the gradients (n, c, d) with respect to the coordinates."""
    def laplacian(self, coords: _Array) -> _Array:
        """Returns the Laplacians (n, c)."""
    def hessian(self, coords: _Array) -> _Array:
        """Returns the Hessians (n, c, d, d)."""
    def render(
        self,
        size: Sequence[int] | None = None,
        *,
        quantity: str = "value",
        rate: float | None = None,
    ) -> _Array:
        """Renders the field over the region of its signal, at any size or rate.

        A picture is (height, width[, 3]), clipped to [0, 1]; `quantity` is "value", "gradient" or "laplacian", in colors. A sound is (frames[, channels]) at
        `rate` Hz, a clip (frames, height, width[, 3]) of `uint8` at `rate` frames per second, values on a grid (side, ..., side, c).
        """
    def save(self, path: _Path) -> None:
        """Writes the field with the facts of its signal to one `.safetensors` file, whole or not at all."""
    def state_dict(self) -> dict[str, _Array]:
        """Returns a copy of every parameter by its name in the authors' checkpoints."""
    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]: ...
    def _network(self) -> tuple[Network, _Array]: ...

@final
class Network:
    @staticmethod
    def draw(in_features: int, out_features: int, field: Mapping[str, Any], seed: int) -> tuple[Network, NDArray[np.float64]]: ...
    @staticmethod
    def open(path: _Path) -> tuple[Network, _Array]: ...
    @property
    def in_features(self) -> int: ...
    @property
    def out_features(self) -> int: ...
    @property
    def config(self) -> dict[str, Any]: ...
    def layout(self) -> list[tuple[str, list[int]]]: ...
    def fixed(self) -> dict[str, _Array]: ...
    def with_fixed(self, fixed: Mapping[str, _Array]) -> Network: ...
    def evaluate(self, params: _Array, coords: _Array, order: str) -> _Array: ...
    def forward(self, params: _Array, coords: _Array, order: str) -> tuple[ForwardPass, _Array]: ...
    def save(self, params: _Array, path: _Path) -> None: ...

@final
class ForwardPass:
    def backward(self, d_jets: _Array) -> _Array: ...

def fit(array: _Array, coordinates: _Array | None, options: Mapping[str, Any]) -> Field: ...
def grid(sides: Sequence[int]) -> NDArray[np.float32]:
    """Returns the coordinates (n, d) of the points of a grid in [-1, 1]^d, row-major: those of the arrays that `fit` takes."""

def load(path: _Path, *, checkpoint: str | None = None) -> Field:
    """Reads the field of a run folder at its "best" checkpoint, the default, or its "last" one; or a file that `Field.save` or an export of a run wrote."""

def record(path: _Path) -> dict[str, Any]:
    """Reads a run, finished or not: its `config`, the tables `steps` and `evaluations` as arrays by column, and the numbers of its `summary`."""

def run(path: _Path, overrides: Sequence[str], options: Mapping[str, Any]) -> tuple[os.PathLike[str], bool]: ...
