"""Every experiment of a configuration, whatever its task, and the tasks by the rule that trains their folds."""

from __future__ import annotations

from mer.planning.catalog import Catalog
from mer.planning.recognition import PlannedRecognition
from mer.planning.spotting import PlannedSpotting
from mer.spotting.task import SPOTTING
from mer.training.task import ORACLE_EPOCHS, RECOGNITION

TASKS = {task.fit.rule: task for task in (RECOGNITION, ORACLE_EPOCHS, SPOTTING)}
Planned = PlannedRecognition | PlannedSpotting


def planned(catalog: Catalog, folder: str, name: str) -> Planned:
    """Return the plan of one experiment of the task whose results lie in `folder`."""
    return PlannedSpotting(catalog, name) if folder == SPOTTING.folder else PlannedRecognition(catalog, name)


def all_planned(catalog: Catalog) -> dict[str, dict[str, Planned]]:
    """Return the plans of all experiments by the folder of their task and their name; folds are made at once.

    Raises:
        ConfigError, DatasetError: an experiment has no folds.
        ModelError: weights from outside are absent, wrong, or learned from a held-out person.
    """
    config = catalog.config
    names = {RECOGNITION.folder: list(config.experiments), SPOTTING.folder: list(config.spotting)}
    plans = {folder: {name: planned(catalog, folder, name) for name in some} for folder, some in names.items()}
    for plan in (plan for some in plans.values() for plan in some.values()):
        _ = plan.folds
        _ = plan.outside
    for plan in plans[RECOGNITION.folder].values():
        plan.trunk(plan.folds[0].name)
    return plans
