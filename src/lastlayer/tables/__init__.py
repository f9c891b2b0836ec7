"""Files of features and labels → arrays, lazily and larger than memory, through Polars."""

from lastlayer.tables.cost_table import read_costs
from lastlayer.tables.feature_columns import FeatureColumns, choose_features, match_features, wrong_width
from lastlayer.tables.feature_matrix import feature_matrix
from lastlayer.tables.file_kinds import KINDS
from lastlayer.tables.input_error import InputError
from lastlayer.tables.label_lists import label_lists
from lastlayer.tables.labels import cast_labels, label_array, label_column
from lastlayer.tables.score_columns import choose_scores
from lastlayer.tables.table import Table, open_table
from lastlayer.tables.weights import nothing_weighs, require_weight, weight_array

__all__ = [
    "KINDS",
    "FeatureColumns",
    "InputError",
    "Table",
    "cast_labels",
    "choose_features",
    "choose_scores",
    "feature_matrix",
    "label_array",
    "label_column",
    "label_lists",
    "match_features",
    "nothing_weighs",
    "open_table",
    "read_costs",
    "require_weight",
    "weight_array",
    "wrong_width",
]
