"""Where the compiled kernels win, written by `python -m benchmarks torch --window`."""

import torch

Windows = tuple[tuple[int, int, int], ...]
# By the instructions that PyTorch uses, then by function and dtype: windows of (first number of classes, last
# one, fewest rows), in ascending order.
WINDOWS: dict[str, dict[tuple[str, torch.dtype], Windows]] = {
    "AVX512": {
        ("softmax", torch.float32): ((2, 3, 4096), (4, 4, 16384), (5, 15, 1024)),
        ("softmax", torch.float64): ((2, 5, 4096), (6, 15, 1024), (16, 16, 4096)),
        ("log_softmax", torch.float32): ((2, 2, 65536), (3, 4, 16384), (5, 6, 4096), (7, 15, 1024)),
        ("log_softmax", torch.float64): ((2, 2, 65536), (4, 7, 4096), (8, 8, 1024), (9, 12, 4096), (16, 16, 65536)),
        ("cross_entropy", torch.float32): ((2, 2, 65536), (3, 4, 16384), (5, 7, 4096), (8, 15, 1024)),
        ("cross_entropy", torch.float64): ((2, 2, 16384), (3, 6, 4096), (7, 15, 1024), (16, 16, 4096)),
    },
    "AVX2": {
        ("softmax", torch.float32): ((2, 2, 16384), (3, 6, 4096), (7, 7, 1024)),
        ("softmax", torch.float64): ((2, 7, 4096), (8, 8, 16384), (9, 11, 4096), (13, 14, 65536), (15, 15, 16384)),
        ("log_softmax", torch.float32): ((2, 2, 262144), (3, 3, 16384), (4, 7, 4096)),
        ("log_softmax", torch.float64): ((2, 2, 262144), (4, 5, 16384)),
        ("cross_entropy", torch.float32): ((2, 2, 262144), (3, 3, 16384), (4, 7, 4096), (9, 10, 65536)),
        ("cross_entropy", torch.float64): (
            (2, 2, 262144),
            (3, 3, 16384),
            (4, 4, 4096),
            (5, 5, 16384),
            (6, 6, 4096),
            (7, 10, 16384),
            (11, 15, 65536),
            (16, 16, 16384),
        ),
    },
}
