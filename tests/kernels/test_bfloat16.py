"""bfloat16 by its definition, and products in tiles against sums of what was rounded, in float64."""

import math

import numpy as np
import pytest
from numba.core import config

from lastlayer.kernels import bfloat16
from lastlayer.kernels.bfloat16 import (
    PANEL,
    add_products,
    has_tiles,
    pack_columns,
    pack_rows,
    right_panels,
    words_of,
)

with_tiles = pytest.mark.skipif(not has_tiles(), reason="this processor multiplies no tiles of bfloat16")


def rounded(numbers):
    """The nearest numbers of 8 bits, to even in the middle."""
    fraction, exponent = np.frexp(np.asarray(numbers, np.float64))
    return np.ldexp(np.round(fraction * 256), exponent - 8)


def halves(words):
    """The two numbers of each word, (..., W) to (..., 2 W) in float64."""
    both = np.stack([words << 16, words & np.uint32(0xFFFF0000)], axis=-1)
    return both.reshape(*words.shape[:-1], -1).view(np.float32).astype(np.float64)


def numbers(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * np.exp(rng.uniform(-20, 20, shape))).astype(np.float32)


@pytest.mark.parametrize(
    ("number", "nearest"),
    [
        (1.0, 1.0),
        (math.pi, 3.140625),
        (-0.1, -0.10009765625),
        (1 + 2**-8, 1.0),  # in the middle, to even
        (1 + 3 * 2**-8, 1 + 2**-6),
        (1 + 2**-8 + 2**-20, 1 + 2**-7),
        (255.75, 256.0),
        (0.0, 0.0),
    ],
)
def test_known_numbers(number, nearest):
    assert halves(words_of(np.array([number, -number], np.float32))).tolist() == [nearest, -nearest]


def test_words_hold_the_nearest_numbers():
    values = numbers(7, 64)
    np.testing.assert_array_equal(halves(words_of(values)), rounded(values))


def test_two_parts_hold_16_bits():
    values = numbers(32, 64)
    panels = right_panels(values, 2)
    assert panels.shape == (1, 2, 2, 2, 16, 16)
    # (J, S, P, tile, word, column) to (columns, words) of each part.
    parts = [panels[:, :, part].transpose(0, 2, 4, 1, 3).reshape(32, 32) for part in range(2)]
    high, low = map(halves, parts)
    np.testing.assert_array_equal(high, rounded(values))
    np.testing.assert_array_equal(low, rounded(values.astype(float) - high))
    assert np.abs(high + low - values).max(initial=0.0, where=values != 0) <= np.abs(values).max() * 2**-16


@with_tiles
@pytest.mark.parametrize(("panels", "steps", "columns"), [(1, 1, 1), (2, 3, 1), (3, 9, 4)])
@pytest.mark.parametrize(("height", "stretch"), [(1, 1), (2, 8), (8, 8)])
def test_products_are_sums_of_rounded_numbers(panels, steps, columns, height, stretch):
    features, weight = numbers(panels * PANEL, steps * 32), numbers(columns * PANEL, steps * 32, seed=1)
    residual = numbers(panels * PANEL, columns * PANEL, seed=2)
    left = np.zeros((panels, steps, 2, 16, 16), np.uint32)
    right = np.zeros((steps, panels, 1, 2, 16, 16), np.uint32)
    pack_rows(features.view(np.uint32), left, right)
    before = numbers(panels * PANEL, columns * PANEL, seed=3)

    logits = before.copy()
    add_products(left, right_panels(weight, 2), logits, height, stretch)
    high = rounded(weight)
    kept = high + rounded(weight.astype(float) - high)
    magnitude = np.abs(before) + rounded(np.abs(features)) @ np.abs(kept).T
    assert (np.abs(logits - (before + rounded(features) @ kept.T)) <= 1e-5 * magnitude).all()

    columns_first = np.zeros((columns, panels, 2, 16, 16), np.uint32)
    pack_columns(residual.view(np.uint32), columns_first)
    wider = np.zeros((columns * PANEL, steps * 32 + 16), np.float32)
    add_products(columns_first, right, wider, height, panels)
    gradient, beyond = np.split(wider, [steps * 32], axis=1)
    assert not beyond.any()
    magnitude = rounded(np.abs(residual)).T @ rounded(np.abs(features))
    assert (np.abs(gradient - rounded(residual).T @ rounded(features)) <= 1e-5 * magnitude).all()


@pytest.mark.parametrize("switched_off", ["another processor", "no instructions", "refused by the system"])
def test_no_tiles_where_one_thing_is_missing(monkeypatch, switched_off):
    class System:
        def syscall(self, *arguments):
            return -1 if switched_off == "refused by the system" else 0

    features = {"amx-tile": True, "amx-bf16": switched_off != "no instructions"}
    monkeypatch.setattr(bfloat16, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(bfloat16.ctypes, "CDLL", lambda name: System())
    monkeypatch.setattr(bfloat16.sys, "platform", "linux")
    monkeypatch.setattr(bfloat16.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(config, "CPU_NAME", "haswell" if switched_off == "another processor" else None, raising=False)
    assert not has_tiles.__wrapped__()
    features["amx-bf16"] = True
    monkeypatch.setattr(config, "CPU_NAME", None, raising=False)
    monkeypatch.setattr(System, "syscall", lambda self, *arguments: 0)
    assert has_tiles.__wrapped__()
