"""What a job depends on, and what not."""

from mer.planning import keys
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse


def catalog_of(**simulate):
    block = {"reader": "casme2", "simulate": {"layout": "casme2", "clips": 3, **simulate}}
    return Catalog(parse({"datasets": {"faces": block}}))


def test_a_simulated_person_does_not_depend_on_how_many_others_there_are():
    few, many = catalog_of(subjects=2), catalog_of(subjects=3)
    assert keys.simulation(few, "faces", "casme2-sub01") == keys.simulation(many, "faces", "casme2-sub01")
    assert keys.simulation(few, "faces") != keys.simulation(many, "faces")
    assert keys.index_block(few, "faces") != keys.index_block(many, "faces")
    assert keys.simulation(catalog_of(subjects=2, width=600), "faces", "casme2-sub01") != keys.simulation(
        few, "faces", "casme2-sub01"
    )


def test_rows_name_the_files_of_a_database_that_the_workflow_did_not_write_alone():
    catalog = catalog_of(subjects=2)
    assert "files" not in keys.stage_rows(catalog, "faces", "casme2-sub01", catalog.config.variants["frames"])
