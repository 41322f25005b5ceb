from mer.notebook.picture import draw as draw
from mer.notebook.run import open_run
from mer.notebook.scoring import compare as compare
from mer.notebook.scoring import predictions as predictions
from mer.notebook.scoring import score as score
from mer.notebook.stages import align as align
from mer.notebook.stages import flow as flow
from mer.notebook.stages import interpolate as interpolate
from mer.notebook.stages import magnify as magnify
from mer.notebook.stages import rois as rois
from mer.notebook.stages import strain as strain

open = open_run
__version__: str
NOTEBOOK: dict[str, str]
