"""Random numbers: the generator in whole numbers of Python, and statistics."""

from __future__ import annotations

import torch

from cdpnet.runtime.rng import between, keys, pick, uniform


def splitmix(seed: int, index: int, stream: int, n: int) -> float:
    """The same generator in whole numbers of Python."""
    mask, golden = 2**64 - 1, 0x9E3779B97F4A7C15

    def mix(x: int) -> int:
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return x ^ (x >> 31)

    base = mix((seed * golden + stream) & mask)
    key = mix((base + mix(index + 1)) & mask)
    return (mix((key + (n + 1) * golden) & mask) >> 40) / 2**24


def test_draws_equal_the_generator_in_whole_numbers() -> None:
    for seed, stream in ((0, 0), (123, 7), (2**40, 1 << 16)):
        index = torch.tensor([0, 1, 99_999])
        u = uniform(keys(seed, index, stream), 4)
        for row, i in enumerate(index.tolist()):
            assert u[row].tolist() == [splitmix(seed, i, stream, n) for n in range(4)]


def test_draws_are_uniform_and_independent() -> None:
    u = uniform(keys(3, torch.arange(4000)), 8)
    assert 0 <= u.min() < u.max() < 1
    torch.testing.assert_close(u.mean(dim=0), torch.full((8,), 0.5), atol=0.03, rtol=0)
    correlation = torch.corrcoef(u.T) - torch.eye(8)
    assert correlation.abs().max() < 0.06
    assert set(pick(u, 5).flatten().tolist()) == {0, 1, 2, 3, 4}
    assert between(u, -2, 3).min() >= -2
