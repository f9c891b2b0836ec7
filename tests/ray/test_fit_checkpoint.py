"""The checkpoint of a fit on Ray: its state comes back, and that of another fit is refused."""

import numpy as np
import pytest

pytest.importorskip("ray")

from lastlayer.ray.fit_checkpoint import FitCheckpoint
from lastlayer.solvers import SearchState


@pytest.mark.parametrize("pairs", [0, 3])
def test_a_state_comes_back(tmp_path, pairs):
    rng, path = np.random.default_rng(0), tmp_path / "fit"
    steps = tuple(tuple(rng.standard_normal((2, 8)).astype(np.float32)) for _ in range(pairs))
    state = SearchState(rng.standard_normal((2, 3)).astype(np.float32), rng.standard_normal(2), steps, 7)
    assert FitCheckpoint(path, {"rows": [5]}).read() is None
    FitCheckpoint(path, {"rows": [5]}).keep(state)
    found = FitCheckpoint(path, {"rows": [5]}).read()
    assert found is not None
    assert found.iterations == 7
    np.testing.assert_array_equal(found.weight, state.weight)
    np.testing.assert_array_equal(found.intercept, state.intercept)
    assert len(found.steps) == pairs
    for one, other in zip(found.steps, state.steps, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"checkpoint: .* is that of a fit with other rows, expected one of this fit"):
        FitCheckpoint(path, {"rows": [6]}).read()


def test_what_is_no_checkpoint_is_refused_and_kept(tmp_path):
    path = tmp_path / "fit"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"checkpoint: .* is no checkpoint that can be read"):
        FitCheckpoint(path, {}).read()
    assert path.read_bytes() == b"something else"
