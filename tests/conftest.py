"""What holds for every test."""

import os

from hypothesis import settings

# PyTorch's threads would spin while they wait, on a core that another test needs. Read when PyTorch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A test that is slow on a busy machine is right all the same.
settings.register_profile("lastlayer", deadline=None, max_examples=50)
settings.load_profile("lastlayer")
