"""A configuration run in this process, job by job, as the workflow's scripts run it: for tests that need results."""

import json

from mer.datasets.reading import write_reading
from mer.planning import keys, recorded
from mer.planning.catalog import Catalog, layout_of, read_dataset
from mer.planning.experiments import TASKS, all_planned
from mer.planning.read_config import parse
from mer.stages.exclusions import exclusions, write_exclusions
from mer.stages.run import StageSpec, run_subject
from mer.training.fold_tables import sources
from mer.training.separation import FoldJob
from mer.training.task import function


def quiet(line):
    """Take a line of a log."""


def run_whole(raw):
    """Run a mapping of a configuration whole, and return its catalogue."""
    catalog = Catalog(parse(raw))
    recorded.record(raw, catalog.config.results)
    for dataset in catalog.config.datasets:
        make_products(catalog, dataset)
    for plan in all_planned(catalog)["experiments"].values():
        train_and_score(plan)
    return catalog


def make_products(catalog, dataset):
    """Render a database, write its index, run every stage over every subject, and list what was lost."""
    config, block = catalog.config, catalog.config.datasets[dataset]
    root, folder = catalog.root(dataset), config.results / dataset
    layout_of(block).write_tables(block.simulate, root)
    for key in catalog.subjects(dataset):
        name = catalog.subject_name(dataset, key)
        layout_of(block).write_subject(block.simulate, name, root, folder / "simulate" / "truth" / f"{key}.h5")
    planned = catalog.reading(dataset).samples
    write_reading(read_dataset(block, root), folder / "index.csv", folder / "problems.csv", planned)
    for product in config.products_of(dataset):
        variant = config.variants[product]
        spec = StageSpec(**json.loads(keys.stage_spec(variant)))
        for key in catalog.subjects_of(dataset, product):
            rows = json.loads(keys.stage_rows(catalog, dataset, key, variant))
            out, source = catalog.product(dataset, product, key), catalog.source(dataset, variant, key)
            run_subject(spec, rows, out, source, root, quiet)
    lost = exclusions(catalog.reading(dataset).samples, catalog.products(dataset))
    write_exclusions(folder / "excluded.csv", lost)


def train_and_score(plan):
    """Split, fit, predict and score every fold of an experiment, for every seed; return its `metrics.json`."""
    write_folds(plan)
    for seed in plan.block.seeds:
        for fold in plan.folds:
            fit_and_predict(plan, fold, seed)
    inputs = {kind: [str(path) for path in paths] for kind, paths in plan.score_inputs().items()}
    scores = [plan.folder / file for file in TASKS["fit"].score.files]
    TASKS["fit"].score.load()(inputs, [str(path) for path in scores], **json.loads(plan.score_block()))
    return json.loads(scores[0].read_text())


def write_folds(plan):
    """Write the tables of an experiment's folds."""
    for path, rows in plan.tables():
        path.parent.mkdir(parents=True, exist_ok=True)
        TASKS["fit"].table.load()(path, rows)


def fit_and_predict(plan, fold, seed):
    """Train one fold whose tables are written, predict what it holds out, and return the folder of both."""
    task = TASKS["fit"]
    experiment = function(task.experiment)(json.loads(plan.fit_block()), seed, "cpu")
    folds, out = plan.folder / "folds" / fold.name, plan.folder / f"seed{seed}" / fold.name
    out.mkdir(parents=True)
    job = FoldJob(fold.name, tuple(fold.held_out), folds / "train.csv", out / task.fit.files[0])
    boxes = plan.containers(sources(job.train_table))
    task.fit.load()(experiment, [job], boxes, workers=1, log=lambda name: quiet)
    boxes, outs = plan.containers(sources(folds / "test.csv")), [out / file for file in task.predict.files]
    task.predict.load()(experiment, fold.name, job.out, folds / "test.csv", boxes, outs, log=quiet)
    return out
