"""A program that sends signals to itself while the BLAS's limit is set and lifted, each handler raising.

python signals_and_the_blas.py TRIALS prints how many handlers raised, how many of those exceptions arrived, how many
were printed by Python and lost, and after how many the BLAS had another number of threads than before.
"""

import random
import signal
import sys

import numpy as np  # noqa: F401 - loads a BLAS

from lastlayer import _blas


def main(trials):
    lost, raised, arrived, changed = [], 0, 0, 0
    sys.unraisablehook = lost.append

    def handler(number, frame):
        nonlocal raised
        raised += 1
        raise TimeoutError

    libraries = _blas._libraries()
    for library in libraries:
        library.set_num_threads(2)
    signal.signal(signal.SIGALRM, handler)
    random_numbers = random.Random(0)
    for trial in range(trials):
        try:
            signal.setitimer(signal.ITIMER_REAL, random_numbers.uniform(1e-5, 1e-3))
            while raised == trial:
                _blas.on_one_blas_thread(int)
        except TimeoutError:
            arrived += 1
        if any(library.num_threads != 2 for library in libraries):
            changed += 1
            for library in libraries:
                library.set_num_threads(2)
    print(raised, arrived, len(lost), changed)


if __name__ == "__main__":
    main(int(sys.argv[1]))
