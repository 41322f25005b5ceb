"""The page and the tables."""

from pathlib import Path

from mer.core.job_log import job_log
from mer.planning.catalog import Catalog
from mer.planning.finished_run import write_digests
from mer.planning.read_config import parse
from mer.planning.report_inputs import report_inputs
from mer.report.build import build_report

with job_log(snakemake.log[0]) as say:
    catalog = Catalog(parse(snakemake.config))
    build_report(report_inputs(catalog, snakemake.config), Path(snakemake.output.page))
    write_digests(catalog)
    say(f"wrote {snakemake.output.page}")
