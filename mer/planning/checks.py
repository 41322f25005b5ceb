"""What one block of a configuration says of another, checked before any job starts: no name may lead nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.core.registry import nearest
from mer.datasets.registry import reader
from mer.models.registry import model
from mer.planning.blocks import DatasetBlock, ExperimentBlock
from mer.planning.config import Config, Variant
from mer.planning.validation import validate
from mer.spotting.experiment import SpottingBlock
from mer.stages.registry import STAGES, load_method, load_stage
from mer.weights.locate import locate

#: What an experiment may name instead of a region of the table (`mer.models.dual_branch_msmh`).
NO_REGION = ("all_four", "none")


def check(config: Config) -> None:
    """Refuse a configuration that cannot run.

    Raises:
        ConfigError: a reference to what does not exist or is of the wrong kind, a missing dataset root or licence.
    """
    _check_sources(config)
    for name, dataset in config.datasets.items():
        _check_dataset(name, dataset, config)
    for name, experiment in config.experiments.items():
        _check_experiment(name, experiment, config)
    for name, spotting in config.spotting.items():
        _check_spotting(name, spotting, config)


def _check_sources(config: Config) -> None:
    order = list(STAGES)
    for variant in config.variants.values():
        key = f"{config.where}: {variant.stage}.{variant.name}.from"
        if variant.source == "index":
            continue
        _require(key, "product", variant.source, config.variants)
        if order.index(config.variants[variant.source].stage) >= order.index(variant.stage):
            raise ConfigError(
                key, f"{variant.source!r} does not come before {variant.stage}", "an earlier stage's product"
            )


def _check_dataset(name: str, block: DatasetBlock, config: Config) -> None:
    path = f"{config.where}: datasets.{name}"
    chosen = reader(block.reader, f"{path}.reader")
    validate(chosen.options, block.options, config.where, f"datasets.{name}.options")
    if (block.root is None) == (block.simulate is None):
        raise ConfigError(path, "needs either `root` or `simulate`", "exactly one of them")
    if block.root is not None and not block.root.is_dir():
        raise ConfigError(
            f"{path}.root", f"no folder {str(block.root)!r}", "the folder that the licence gave you", "mend the path"
        )
    if block.root is not None:
        chosen.require_licence(name, block.licence_accepted, config.where)
    for product in block.products:
        _require(f"{path}.products", "product", product, config.variants, "a product, as stage/variant")


def _check_experiment(name: str, block: ExperimentBlock, config: Config) -> None:
    path, card = f"{config.where}: experiments.{name}", model(block.model, name)
    if card.start and block.train.trunk is not None and block.train.weights is None:
        _check_trunk(f"{path}.train.trunk", block, config)
    elif block.train.trunk is not None and not card.start:
        locate(block.train.trunk)
    if block.train.weights is not None:
        _check_weights(f"{path}.train.weights", name, block, config)
    _require(f"{path}.view", "view", block.view, config.views, "a label view")
    if block.diagnose.oracle_epoch and not card.in_epochs:
        raise ConfigError(f"{path}.diagnose.oracle_epoch", f"model {block.model} has no epochs", "a network")
    for dataset in block.data:
        _require(f"{path}.data", "dataset", dataset, config.datasets)
    if len({config.datasets[dataset].simulate is None for dataset in block.data}) > 1:
        # A simulated person has the name of a real one, and would be held out, or resampled, as if it were that one.
        raise ConfigError(f"{path}.data", "mixes simulated and licensed databases", "one kind", "make two experiments")
    needed = card.inputs_of(config.settled[name].settings)
    if set(block.inputs) != set(needed):
        expected = f"{', '.join(needed)} for model {block.model}"
        raise ConfigError(f"{path}.inputs", f"has {', '.join(block.inputs) or 'none'}", expected)
    for key, product in block.inputs.items():
        _check_input(f"{path}.inputs.{key}", product, needed[key], config)
    for product in block.inputs.values():
        if config.variants[product].stage == "rois":
            _check_regions(f"{path}.train", config.settled[name].settings, config.variants[product])


def spotting_named(trunk: str | None) -> str:
    """Return the spotting experiment that a key `trunk` names as `spotting/<name>`, or ''."""
    return trunk.removeprefix("spotting/") if trunk is not None and trunk.startswith("spotting/") else ""


def _check_trunk(path: str, block: ExperimentBlock, config: Config) -> None:
    name = spotting_named(block.train.trunk)
    if name not in config.spotting:
        names = [f"spotting/{one}" for one in config.spotting]
        expected = f"a spotting experiment of this configuration ({', '.join(names) or 'it has none'})"
        raise ConfigError(path, f"{block.train.trunk!r} is no spotting experiment", expected)
    spotting = config.spotting[name]
    if (spotting.model, spotting.protocol) != ("mean", "ref"):
        found = f"{name} has model {spotting.model} and protocol {spotting.protocol}"
        raise ConfigError(path, found, "model: mean, protocol: ref", "the published trunk is that of MEAN as published")
    _require_published(path, spotting, config)
    if block.protocol != "loso":
        found = f"the experiment has the protocol {block.protocol}"
        raise ConfigError(path, found, "loso", "a fold of a spotting experiment leaves one person out")


def _check_weights(path: str, name: str, block: ExperimentBlock, config: Config) -> None:
    card, told, preset = model(block.model, name), block.train.weights, config.settled[name].preset
    assert told is not None
    if block.diagnose.oracle_epoch:
        raise ConfigError(path, "nothing is trained", "no diagnose.oracle_epoch", "remove one of the two")
    if told.checkpoint:
        return
    if card.from_keras is None:
        raise ConfigError(path, f"no Keras files are published for {block.model}", "checkpoint: of an earlier run")
    if told.spot or not told.recog:
        raise ConfigError(path, "a recognition experiment has no use for spot", "recog", "name the recognition files")
    if preset not in card.start:
        raise ConfigError(path, f"preset {preset}", f"preset {', '.join(card.start)}, whose features they were made on")


def _require_published(path: str, block: SpottingBlock, config: Config) -> None:
    """Refuse features on which no published network was trained: that of MEAN and SOFTNet see their own."""
    for kind, product in block.features.items():
        variant = config.variants[product]
        system = getattr(variant.params, "system", "")
        if variant.method != "published" or system != block.model:
            found = f"{kind} features {product} are {' '.join(filter(None, (variant.method, system)))}"
            raise ConfigError(path, found, f"method: published, system: {block.model}", "change the spot variant")


def _check_spotting_weights(path: str, block: SpottingBlock, config: Config) -> None:
    told = block.weights
    if told is None or told.checkpoint:
        return
    if block.protocol != "ref":
        found = "Keras files under protocol fixed, whose thresholds must be learned"
        raise ConfigError(path, found, "protocol: ref", "or name a checkpoint of an earlier run")
    if not told.spot:
        raise ConfigError(f"{path}.spot", "missing", "the Keras files of the spotting network", "add it")
    if (block.recognise == "own") != bool(told.recog):
        found = f"recognise: {block.recognise} {'without' if not told.recog else 'beside'} recog"
        raise ConfigError(f"{path}.recog", found, "recog with recognise: own, and only then", "change one of the two")
    _require_published(path, block, config)


def _check_input(path: str, product: str, arrays: Iterable[str], config: Config) -> None:
    _require(path, "product", product, config.variants, "a product, as stage/variant")
    variant = config.variants[product]
    lacking = set(arrays) - load_stage(variant.stage).arrays_of(variant.params)
    if lacking:
        found = f"{product} has no {', '.join(sorted(lacking))}"
        raise ConfigError(path, found, f"a product with {', '.join(arrays)}", "name a flow product")
    if config.unit(product) == "recordings":
        raise ConfigError(path, f"{product} holds whole recordings", "single expressions", "see align.clips")


def _check_regions(path: str, settings: Params, variant: Variant) -> None:
    """Refuse regions and action units that the table of a product of regions does not have."""
    wanted, method = settings.model_dump(), load_method("rois", variant.method, variant.key)
    names, shown = method.names(variant.params), method.units(variant.params)
    chosen = wanted.get("regions", "none") != "none"
    if "region" in wanted and not chosen:
        _require(f"{path}.region", "region", wanted["region"], (*names, *NO_REGION), f"a region of {variant.key}")
    known = {unit for units in shown for unit in units}
    if chosen and (not known or shown[-1]):
        found = f"the last region of {variant.key} lists action units" if known else f"{variant.key} lists none"
        expected = "action units, and a last region without, for clips that show none of them"
        raise ConfigError(f"{path}.regions", found, expected, "use table: dual_branch, or one of your own")
    for unit in wanted.get("units") or ():
        if unit not in known:
            expected = f"of {', '.join(map(str, sorted(known))) or 'none'}"
            raise ConfigError(f"{path}.units", f"no region of {variant.key} shows action unit {unit}", expected)


def _check_spotting(name: str, block: SpottingBlock, config: Config) -> None:
    path = f"{config.where}: spotting.{name}"
    for dataset in block.data:
        _require(f"{path}.data", "dataset", dataset, config.datasets)
    for kind, product in block.features.items():
        key = f"{path}.features.{kind}"
        _require(key, "product", product, config.variants, "spot/<variant>")
        if config.variants[product].stage != "spot":
            raise ConfigError(key, f"{product} holds no spotting features", "spot/<variant>")
        if config.unit(product) != "recordings":
            found = f"{product} is made from single expressions"
            raise ConfigError(key, found, "whole recordings", "set clips: recordings in its align")
    _require(f"{path}.view", "view", block.view, config.views, "a label view")
    if block.recognise == "own" and block.model == "softnet":
        raise ConfigError(f"{path}.recognise", "SOFTNet has no second head", "none or an experiment", "set it")
    _check_spotting_weights(f"{path}.weights", block, config)
    if block.recognise not in ("own", "none"):
        _check_naming(f"{path}.recognise", block, config)


def _check_naming(path: str, block: SpottingBlock, config: Config) -> None:
    name = block.recognise
    if name not in config.experiments:
        remedy = nearest(name, ["own", "none", *config.experiments])
        raise ConfigError(path, f"no experiment {name!r}", "own, none or an experiment", remedy)
    naming = config.experiments[name]
    if naming.protocol != "loso":
        found = f"{name} has the protocol {naming.protocol}"
        raise ConfigError(path, found, "loso", "so that its models did not see the person")
    lacking = sorted(set(block.data) - set(naming.data))
    if lacking:
        raise ConfigError(path, f"{name} is not trained on {lacking[0]}", "an experiment on the same data")


def _require(where: str, kind: str, name: str, known: Iterable[str], expected: str = "") -> None:
    if name not in known:
        unknown = f"unknown {kind} {name!r}" if kind == "view" else f"no {kind} {name!r}"
        raise ConfigError(where, unknown, expected or f"a {kind}", nearest(name, known))
