"""Where the compiled kernels win, written by `python -m benchmarks torch --window`."""

import torch

Windows = tuple[tuple[int, int, int], ...]
# By the instructions that PyTorch uses, then by function and dtype: windows of (first number of classes,
# last one, fewest rows), in ascending order.
WINDOWS: dict[str, dict[tuple[str, torch.dtype], Windows]] = {
    "AVX512": {
        ("softmax", torch.float32): ((2, 3, 16384), (4, 9, 4096), (10, 13, 1024), (14, 15, 4096)),
        ("softmax", torch.float64): ((2, 3, 16384), (4, 20, 4096), (28, 63, 4096)),
        ("log_softmax", torch.float32): ((2, 3, 65536), (4, 4, 16384), (5, 11, 4096), (12, 15, 1024)),
        ("log_softmax", torch.float64): (
            (2, 3, 262144),
            (4, 4, 65536),
            (5, 6, 16384),
            (7, 15, 4096),
            (20, 23, 16384),
            (28, 63, 65536),
        ),
        ("cross_entropy", torch.float32): ((2, 4, 16384), (5, 12, 4096), (13, 15, 1024), (17, 23, 65536)),
        ("cross_entropy", torch.float64): (
            (2, 3, 65536),
            (4, 4, 16384),
            (5, 23, 4096),
            (28, 300, 16384),
            (500, 1000, 4096),
            (2000, 5000, 1024),
            (20000, 20000, 256),
            (65536, 262144, 64),
        ),
    },
    "AVX2": {
        ("softmax", torch.float32): ((2, 3, 16384), (4, 7, 4096), (9, 14, 262144), (15, 15, 65536)),
        ("softmax", torch.float64): (
            (2, 4, 16384),
            (5, 6, 4096),
            (7, 9, 16384),
            (10, 10, 4096),
            (11, 13, 262144),
            (37, 63, 65536),
        ),
        ("log_softmax", torch.float32): ((2, 3, 262144), (4, 5, 16384), (6, 7, 4096)),
        ("log_softmax", torch.float64): (),
        ("cross_entropy", torch.float32): (
            (2, 3, 65536),
            (4, 4, 16384),
            (5, 6, 4096),
            (7, 9, 262144),
            (10, 13, 65536),
            (14, 17, 262144),
            (20, 20, 65536),
        ),
        ("cross_entropy", torch.float64): (
            (2, 3, 65536),
            (4, 9, 16384),
            (10, 16, 65536),
            (17, 20, 16384),
            (23, 95, 65536),
            (128, 500, 16384),
            (1000, 2000, 4096),
            (5000, 5000, 1024),
        ),
    },
}
