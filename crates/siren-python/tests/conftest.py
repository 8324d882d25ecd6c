import numpy as np
import pytest


@pytest.fixture(scope="session")
def picture():
    """A colored picture (24, 32, 3) of smooth waves, from 0 to 1."""
    row, column = np.mgrid[0:24, 0:32]
    waves = [np.sin(0.3 * row + k) * np.cos(0.2 * column * (k + 1)) for k in range(3)]
    return (0.5 + 0.4 * np.stack(waves, axis=-1)).astype(np.float32)


@pytest.fixture
def small():
    """A network and a training that take a second."""
    return {"field": {"hidden_features": 32, "hidden_layers": 1, "first_omega_0": 10.0, "hidden_omega_0": 10.0}}
