import numpy as np
import pytest


@pytest.fixture(scope='session')
def plain_photographs():
    """Two gray photographs without a place that stands out, so that no wheel is needed."""
    random = np.random.default_rng(0)
    return [random.integers(100, 140, (300, 400, 3), dtype=np.uint8) for _ in range(2)]
