"""Files of features and labels → arrays, lazily and larger than memory, through Polars."""

from lastlayer.tables.cost_table import read_costs
from lastlayer.tables.feature_columns import FeatureColumns, choose_features, match_features, wrong_width
from lastlayer.tables.feature_matrix import feature_matrix
from lastlayer.tables.file_kinds import KINDS
from lastlayer.tables.input_error import InputError, NoRows, NothingWeighs
from lastlayer.tables.label_lists import label_lists, require_known_labels
from lastlayer.tables.labelled_table import LabelledTable, labelled_table
from lastlayer.tables.labels import cast_labels, label_array, label_column
from lastlayer.tables.prediction_file import PREDICTION_KINDS, write_predictions
from lastlayer.tables.rows_of_fit import rows_of, weighing
from lastlayer.tables.score_columns import choose_scores
from lastlayer.tables.shards import Shard, cut_shards, paths_for_workers
from lastlayer.tables.spool_choice import SpoolChoice, Storage, choose_spool, left_to_the_solver
from lastlayer.tables.table import Table, open_table
from lastlayer.tables.weights import nothing_weighs, require_weight, weight_array

__all__ = [
    "KINDS",
    "PREDICTION_KINDS",
    "FeatureColumns",
    "InputError",
    "LabelledTable",
    "NoRows",
    "NothingWeighs",
    "Shard",
    "SpoolChoice",
    "Storage",
    "Table",
    "cast_labels",
    "choose_features",
    "choose_scores",
    "choose_spool",
    "cut_shards",
    "feature_matrix",
    "label_array",
    "label_column",
    "label_lists",
    "labelled_table",
    "left_to_the_solver",
    "match_features",
    "nothing_weighs",
    "open_table",
    "paths_for_workers",
    "read_costs",
    "require_known_labels",
    "require_weight",
    "rows_of",
    "weighing",
    "weight_array",
    "write_predictions",
    "wrong_width",
]
