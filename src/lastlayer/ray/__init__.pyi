# What a type checker sees in place of the lazy __init__.py: the same names, from the same homes.

from lastlayer.ray.evaluate_files import evaluate as evaluate
from lastlayer.ray.evaluate_label_files import evaluate_labels as evaluate_labels
from lastlayer.ray.fit_checkpoint import CheckpointWarning as CheckpointWarning
from lastlayer.ray.fit_files import fit as fit
from lastlayer.ray.fit_label_files import fit_labels as fit_labels
from lastlayer.ray.predict_files import predict as predict
