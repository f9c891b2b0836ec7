# What a type checker sees in place of the lazy __init__.py: the same names, from the same homes.

from lastlayer import decision as decision
from lastlayer import samplers as samplers
from lastlayer.calibration import Calibration as Calibration
from lastlayer.calibration import TemperatureWarning as TemperatureWarning
from lastlayer.calibration import fit_calibration as fit_calibration
from lastlayer.calibration import fit_temperature as fit_temperature
from lastlayer.estimators import ConstantLabelWarning as ConstantLabelWarning
from lastlayer.estimators import FitInterrupted as FitInterrupted
from lastlayer.estimators import PathEndWarning as PathEndWarning
from lastlayer.estimators import ScalingWarning as ScalingWarning
from lastlayer.estimators import SigmoidClassifier as SigmoidClassifier
from lastlayer.estimators import SigmoidClassifierCV as SigmoidClassifierCV
from lastlayer.estimators import SoftmaxClassifier as SoftmaxClassifier
from lastlayer.estimators import SoftmaxClassifierCV as SoftmaxClassifierCV
from lastlayer.estimators import fold as fold
from lastlayer.estimators import load as load
from lastlayer.explanation import Explanation as Explanation
from lastlayer.explanation import explain as explain
from lastlayer.functions import hardmax as hardmax
from lastlayer.functions import log_sigmoid as log_sigmoid
from lastlayer.functions import log_softmax as log_softmax
from lastlayer.functions import logsumexp as logsumexp
from lastlayer.functions import sigmoid as sigmoid
from lastlayer.functions import smooth_max as smooth_max
from lastlayer.functions import softmax as softmax
from lastlayer.losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from lastlayer.losses import (
    binary_cross_entropy_with_logits_value_and_grad as binary_cross_entropy_with_logits_value_and_grad,
)
from lastlayer.losses import binary_likelihood_loss as binary_likelihood_loss
from lastlayer.losses import binary_likelihood_loss_value_and_grad as binary_likelihood_loss_value_and_grad
from lastlayer.losses import cross_entropy as cross_entropy
from lastlayer.losses import cross_entropy_value_and_grad as cross_entropy_value_and_grad
from lastlayer.losses import linear_cross_entropy as linear_cross_entropy
from lastlayer.losses import linear_cross_entropy_value_and_grad as linear_cross_entropy_value_and_grad
from lastlayer.losses import linear_softmax_statistics as linear_softmax_statistics
from lastlayer.losses import nll as nll
from lastlayer.losses import sampled_binary_cross_entropy as sampled_binary_cross_entropy
from lastlayer.losses import (
    sampled_binary_cross_entropy_value_and_grad as sampled_binary_cross_entropy_value_and_grad,
)
from lastlayer.losses import sampled_cross_entropy as sampled_cross_entropy
from lastlayer.losses import sampled_cross_entropy_value_and_grad as sampled_cross_entropy_value_and_grad
from lastlayer.losses import soft_cross_entropy as soft_cross_entropy
from lastlayer.losses import soft_cross_entropy_value_and_grad as soft_cross_entropy_value_and_grad
from lastlayer.metrics import DecisionEvaluation as DecisionEvaluation
from lastlayer.metrics import Evaluation as Evaluation
from lastlayer.metrics import EvaluationAccumulator as EvaluationAccumulator
from lastlayer.metrics import SetEvaluation as SetEvaluation
from lastlayer.metrics import evaluate as evaluate
from lastlayer.metrics import evaluate_decisions as evaluate_decisions
from lastlayer.metrics import evaluate_sets as evaluate_sets
from lastlayer.storage import UnreadableHead as UnreadableHead
from lastlayer.storage import UnwritableFile as UnwritableFile
from lastlayer.storage import load_calibration as load_calibration
from lastlayer.storage import save_calibration as save_calibration

__all__: list[str]
__version__: str
from lastlayer.metrics import LabelEvaluation as LabelEvaluation
from lastlayer.metrics import LabelEvaluationAccumulator as LabelEvaluationAccumulator
from lastlayer.metrics import evaluate_labels as evaluate_labels
