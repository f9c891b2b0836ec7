# What a type checker sees in place of the lazy __init__.py: the same names, from the same homes.

from lastlayer.estimators.c_path import CPath as CPath
from lastlayer.estimators.c_path import PathEndWarning as PathEndWarning
from lastlayer.estimators.decision_rule import RuleDroppedWarning as RuleDroppedWarning
from lastlayer.estimators.feature_scales import ScalingWarning as ScalingWarning
from lastlayer.estimators.fit_warnings import ConstantLabelWarning as ConstantLabelWarning
from lastlayer.estimators.fit_warnings import FitInterrupted as FitInterrupted
from lastlayer.estimators.folded_pipeline import fold as fold
from lastlayer.estimators.head_from_file import load as load
from lastlayer.estimators.label_sets import answers_of as answers_of
from lastlayer.estimators.sigmoid_classifier import SigmoidClassifier as SigmoidClassifier
from lastlayer.estimators.sigmoid_classifier_cv import SigmoidClassifierCV as SigmoidClassifierCV
from lastlayer.estimators.softmax_classifier import SoftmaxClassifier as SoftmaxClassifier
from lastlayer.estimators.softmax_classifier_cv import SoftmaxClassifierCV as SoftmaxClassifierCV
from lastlayer.estimators.top_k_classes import TopKClasses as TopKClasses
from lastlayer.estimators.training import Training as Training
