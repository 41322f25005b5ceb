# The checked configuration and the catalogue of everything it leads to.
from mer.planning import keys
from mer.planning.catalog import Catalog
import gc
import logging
import os
from functools import cache, partial
from pathlib import Path

import smart_open
from snakemake.io import _IOFile

from mer.core import only_run
from mer.core.errors import MerError
from mer.core.run_plan import record_plan

# Not `parse` itself: Snakemake has a function of that name where this file is run.
from mer.planning import held_against, read_config, recorded
from mer.planning.cluster import check_cluster
from mer.planning.gpus import TOLD
from mer.planning.places import check_places
from mer.planning.planned_files import model_names
from mer.provenance import code_digest
from mer.weights.locate import used

# A rule asks for one core, so its libraries get one thread: two jobs of two threads each take longer than two of one.
for name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
):
    os.environ.setdefault(name, "1")

# A plan is millions of objects that all stay: looking through them for cycles takes an eighth of the time of planning.
gc.set_threshold(200_000, 20, 100)

# For every job Snakemake has the path of its script taken apart three times, each time with a class made for it.
smart_open.parse_uri = cache(smart_open.parse_uri)


# With each file that a job has written Snakemake keeps digests of all that the job read, and reads all anew for each:
# a thousand files for every one of a hundred folds.
async def digest_once(file, *asked, digests={}, anew=_IOFile.checksum, **more):
    try:
        seen = os.stat(file)
    except OSError:
        return await anew(file, *asked, **more)
    key = str(file), seen.st_ino, seen.st_mtime_ns, seen.st_size, asked, *more.items()
    if key not in digests:
        digests[key] = await anew(file, *asked, **more)
    return digests[key]


_IOFile.checksum = digest_once

# On a full disk Snakemake's log would print a traceback for every line that it cannot take.
logging.raiseExceptions = False

# Jobs are given the configuration without the files that it stood in.
read_config.place_plugins(config, [Path(file).parent for file in workflow.configfiles])

# What messages name: the files that the configuration came from.
settings = workflow.config_settings
named = (
    settings.configfiles if settings.replace_workflow_config else workflow.configfiles
)

try:
    check_places(sys.executable, str(workflow.basedir), os.getcwd())
    # Snakemake itself takes the last of two blocks with one key, and says nothing.
    read_config.read_files([Path(file) for file in named if Path(file).is_file()])
    CONFIG = read_config.parse(
        config, where=" + ".join(map(str, named)) or "the configuration"
    )
    CATALOG = Catalog(CONFIG)
    for name in CONFIG.datasets:
        CATALOG.subjects(name)
        # A weight file that is not there would else be met within a rule.
        for product in CONFIG.products_of(name):
            used(CONFIG.variants[product].params)
except MerError as error:
    sys.exit(f"mer: {error}")

# Jobs read the configuration again, perhaps on another machine: all must plan the same rules.
os.environ[TOLD] = str(int(CONFIG.gpu))

RESULTS = CONFIG.results.as_posix()
SIMULATED = [name for name, block in CONFIG.datasets.items() if block.simulate]


@cache
def hold_against_plan():
    """Have files made again that are not as planned, where Snakemake has no record of what made them.

    Called by the functions of inputs: before, Snakemake does not say what kind of run it is, and after, it has decided.
    """
    # Of a job that failed Snakemake would bring back what stood before (`update`, a copy of gigabytes), and take that for
    # what the job makes. Instead what is as it is to be stays, and it removes the rest.
    workflow.persistence.backup_output = lambda path: None
    workflow.persistence.restore_output = partial(held_against.product_stands, CATALOG)
    if workflow.is_main_process:
        try:
            again = held_against.made_again(CATALOG, PLANS, touching=workflow.touch)
        except MerError as error:
            sys.exit(f"mer: {error}")
        workflow.dag.forcefiles.update(again)


def as_it_is(text):
    # Braces in the text, of a path with {fold} in it, are no wildcards.
    return lambda wildcards: text


def shared(group):
    """Return the group of jobs where a profile asks for it, and in its submissions: Snakemake checks each in all runs."""
    asked = group in workflow.group_settings.group_components
    return group if asked or not workflow.is_main_process else None


wildcard_constraints:
    dataset="[^/]+",
    variant="[^/]+",
    subject="[^/]+",
    experiment="[^/]+",
    fold="[^/]+",
    seed=r"\d+",
