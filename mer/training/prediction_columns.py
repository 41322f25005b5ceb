"""Columns of the tables that a predict job writes, for those who write and those who read them."""

from __future__ import annotations

PREDICTION_COLUMNS = ("sample_id", "dataset", "subject", "group", "fold", "seed", "label", "prediction")
EXCLUDED_COLUMNS = ("sample_id", "dataset", "subject", "group", "fold", "seed", "label", "reason")
EPOCH_COLUMNS = ("sample_id", "dataset", "subject", "group", "fold", "seed", "label", "epoch", "prediction")
