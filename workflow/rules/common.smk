# The checked configuration and the catalogue of everything it leads to.
from mer import keys
from mer.catalog import Catalog
import mer.config as mer_config
from mer.core.errors import MerError
from mer.provenance import code_digest
from mer.reporting import prediction_files

try:
    CONFIG = mer_config.parse(config)
    CATALOG = Catalog(CONFIG)
    for name in CONFIG.datasets:
        CATALOG.subjects(name)
    for name in CONFIG.experiments:
        CATALOG.folds(name)
except MerError as error:
    sys.exit(f"mer: {error}")

RESULTS = CONFIG.results.as_posix()
SCRIPTS = "../scripts"
SIMULATED = [name for name, block in CONFIG.datasets.items() if block.simulate]


wildcard_constraints:
    dataset="[^/]+",
    variant="[^/]+",
    subject="[^/]+",
    experiment="[^/]+",
    fold="[^/]+",
    seed=r"\d+",
