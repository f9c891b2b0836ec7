"""Which negative classes to score: candidates drawn in O(S), and how often each class is expected among them."""

from lastlayer.samplers.candidates import Candidates
from lastlayer.samplers.in_batch import InBatch
from lastlayer.samplers.log_uniform import LogUniform
from lastlayer.samplers.sampler import AllClassesWarning, Sampler
from lastlayer.samplers.uniform import Uniform
from lastlayer.samplers.unigram import Unigram

__all__ = ["AllClassesWarning", "Candidates", "InBatch", "LogUniform", "Sampler", "Uniform", "Unigram"]
