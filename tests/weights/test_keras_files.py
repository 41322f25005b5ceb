"""Published Keras files: read exactly as Keras computes with them, or refused in one line."""

import json
import pickle

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mer.cli import app
from mer.core.errors import ConfigError, ModelError
from mer.models.mean_softnet import from_keras
from mer.models.mean_softnet_network import Recognition, SoftNet, Spotting
from mer.testing.keras_files import layers_of, write_keras, write_layers
from mer.weights.fetch import fetch, listing
from mer.weights.keras import read_keras
from mer.weights.per_fold import WeightFiles, fold_file
from mer.weights.releases import RELEASES, class_order

SHIFTED = ("casme_sq:s24", "casme_sq:s25", "casme_sq:s31", "casme_sq:s32", "casme_sq:s35", "casme_sq:s37")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


# What Keras computes, image by image: height, width, channel.
def convolved(x, layer):
    kernel, (height, width, _) = layer["kernel"].astype(np.float64), x.shape
    padded = np.pad(x, ((2, 2), (2, 2), (0, 0)))
    out = np.zeros((height, width, kernel.shape[-1]))
    for row in range(5):
        for column in range(5):
            out += padded[row : row + height, column : column + width] @ kernel[row, column]
    return np.maximum(out + layer["bias"], 0)


def pooled(x, side):
    height, width, channels = x.shape
    return x.reshape(height // side, side, width // side, side, channels).max(axis=(1, 3))


def normed(x, layer):
    scale = layer["gamma"] / np.sqrt(layer["moving_variance"].astype(np.float64) + 1e-3)
    return (x - layer["moving_mean"]) * scale + layer["beta"]


def keras_softnet(x, layers):
    streams = [pooled(convolved(x[i][..., None], layers[f"conv2d{f'_{i}' if i else ''}"]), 3) for i in range(3)]
    flat = pooled(np.concatenate(streams, axis=-1), 2).reshape(-1)
    hidden = np.maximum(flat @ layers["dense"]["kernel"] + layers["dense"]["bias"], 0)
    return (hidden @ layers["dense_1"]["kernel"] + layers["dense_1"]["bias"])[0]


def keras_mean(x, layers, head):
    streams = []
    for i in range(3):
        number = f"_{i}" if i else ""
        maps = convolved(x[i][..., None], layers[f"conv2d{number}"])
        streams.append(pooled(normed(maps, layers[f"batch_normalization{number}"]), 3))
    last = layers["conv2d_3" if head == "spot" else "conv2d_4"]
    flat = pooled(convolved(np.concatenate(streams, axis=-1), last), 2).reshape(-1)
    return flat @ layers[head]["kernel"] + layers[head]["bias"]


def loaded(network, arrays):
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, strict=True)
    return network.eval()


@pytest.mark.parametrize("network", ["softnet", "spot", "recog"])
def test_networks_compute_what_keras_computes_with_the_file(tmp_path, network):
    layers = layers_of(network, 5, seed=4)
    write_layers(tmp_path / "w.hdf5", layers)
    arrays = read_keras(tmp_path / "w.hdf5", network, 5)
    build = {"softnet": SoftNet, "spot": Spotting, "recog": lambda: Recognition(5)}[network]
    x = np.random.default_rng(0).random((4, 3, 42, 42)).astype(np.float32)
    with torch.no_grad():
        ours = loaded(build(), arrays)(torch.from_numpy(x)).numpy()
    if network == "softnet":
        theirs = np.array([keras_softnet(image, layers) for image in x])
    else:
        theirs = np.array([keras_mean(image, layers, network) for image in x])
    assert ours == pytest.approx(theirs.reshape(ours.shape), abs=1e-4)
    assert np.ptp(theirs) > 0.01


def test_outputs_come_in_the_order_of_the_experiment(tmp_path):
    write_keras(tmp_path / "w.hdf5", "recog", 5)
    classes = ("disgust", "happiness", "others", "repression", "surprise")
    order = class_order((), classes)
    assert order == ("disgust", "happiness", "others", "surprise", "repression")
    plain = read_keras(tmp_path / "w.hdf5", "recog", 5)
    state = from_keras(str(tmp_path / "w.hdf5"), classes, order)
    assert np.array_equal(state.arrays["recog.out.weight"][3], plain["recog.out.weight"][4])
    assert class_order((), ("negative", "positive", "surprise")) == ("negative", "positive", "surprise")
    with pytest.raises(ModelError, match="classes a, b; expected"):
        class_order((), ("a", "b"))


def test_a_whole_model_is_read_like_its_weights(tmp_path):
    write_keras(tmp_path / "w.hdf5", "spot")
    with h5py.File(tmp_path / "w.hdf5") as plain, h5py.File(tmp_path / "whole.hdf5", "w") as whole:
        plain.copy(plain, whole, name="model_weights")
        whole.create_group("optimizer_weights")
        whole.attrs["model_config"] = "{}"
    both = [read_keras(tmp_path / f"{name}.hdf5", "spot") for name in ("w", "whole")]
    assert all(np.array_equal(both[0][name], both[1][name]) for name in both[0])


def swapped(layers):
    names = list(layers)
    names[0], names[1] = names[1], names[0]
    return {name: layers[name] for name in names}


def nan(layers):
    layers["conv2d"]["bias"][1] = np.nan
    return layers


@pytest.mark.parametrize(
    ("network", "spoil", "message"),
    [
        ("spot", lambda w: {k: v for k, v in w.items() if k != "conv2d_1"}, "lacks layers: 3 of kind convolution"),
        ("spot", lambda w: {**w, "dense_9": w["spot"]}, "has too many layers: 2 of kind dense"),
        ("spot", lambda w: {**w, "recog": w["spot"]}, "holds both heads"),
        ("spot", lambda w: {k.replace("spot", "recog"): v for k, v in w.items()}, "ends in layer 'recog'"),
        ("recog", lambda w: {**w, "recog": layers_of("recog", 4)["recog"]}, r"recog/kernel has shape \(392, 4\)"),
        ("spot", lambda w: {**w, "conv2d": layers_of("softnet")["conv2d_1"]}, r"conv2d/kernel has shape \(5, 5, 1, 5"),
        ("spot", nan, "conv2d/bias has values that are not finite"),
        ("spot", swapped, "layers conv2d_1, conv2d, .*cannot be told apart"),
        ("spot", lambda w: {k.replace("conv2d", "stream"): v for k, v in w.items()}, "expected conv2d, counting"),
        ("spot", lambda w: {**w, "conv2d": {**w["conv2d"], "more": np.zeros(1)}}, "layer conv2d holds bias, kernel"),
        (
            "spot",
            lambda w: {**w, "conv2d": {n: v.astype(np.int32) for n, v in w["conv2d"].items()}},
            "holds int32; expected floating",
        ),
        ("softnet", lambda w: layers_of("spot"), "lacks layers|has too many layers"),
        (
            "spot",
            lambda w: w["batch_normalization"]["moving_variance"].__setitem__(0, -1.0) or w,
            "moving_variance has negative",
        ),
    ],
)
def test_what_is_not_exactly_the_network_is_refused_in_one_line(tmp_path, network, spoil, message):
    write_layers(tmp_path / "w.hdf5", spoil(layers_of(network)))
    with pytest.raises(ModelError, match=message) as error:
        read_keras(tmp_path / "w.hdf5", network, 3)
    assert "w.hdf5" in str(error.value) and "\n" not in str(error.value)


def external(file):
    values = file["conv2d/conv2d/bias:0"][()]
    del file["conv2d/conv2d/bias:0"]
    other = h5py.File(str(file.filename) + ".other", "w")
    other["bias"] = values
    other.close()
    file["conv2d/conv2d/bias:0"] = h5py.ExternalLink(str(file.filename) + ".other", "bias")


def soft(file):
    file.move("conv2d/conv2d/bias:0", "conv2d/kept")
    file["conv2d/conv2d/bias:0"] = h5py.SoftLink("/conv2d/kept")


def objects(file):
    del file["conv2d/conv2d/bias:0"]
    file.create_dataset("conv2d/conv2d/bias:0", data=["a", "b", "c"], dtype=h5py.string_dtype())


def raw_elsewhere(file):
    del file["conv2d/conv2d/bias:0"]
    path = str(file.filename) + ".raw"
    np.zeros(3, np.float32).tofile(path)
    file.create_dataset("conv2d/conv2d/bias:0", (3,), "f4", external=[(path, 0, 12)])


def extra(file):
    file.create_group("lambda")


def unlisted(file):
    del file.attrs["layer_names"]


def escaping(file):
    file["conv2d"].attrs["weight_names"] = np.array([b"../conv2d/conv2d/kernel:0", b"conv2d/bias:0"])


def endless(file):
    del file["conv2d/conv2d/bias:0"]
    file.create_dataset("conv2d/conv2d/bias:0", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (external, "bias:0 is a ExternalLink"),
        (soft, "bias:0 is a SoftLink"),
        (objects, "conv2d/bias holds object"),
        (raw_elsewhere, "lies in another file"),
        (extra, "has an extra layer 'lambda'"),
        (unlisted, "has no layer_names"),
        (escaping, "is missing; expected data in the file itself"),
        (endless, r"conv2d/bias has shape \(1099511627776,\)"),
    ],
)
def test_a_file_that_reaches_elsewhere_is_refused(tmp_path, spoil, message):
    write_keras(tmp_path / "w.hdf5", "spot")
    with h5py.File(tmp_path / "w.hdf5", "r+") as file:
        spoil(file)
    with pytest.raises(ModelError, match=message) as error:
        read_keras(tmp_path / "w.hdf5", "spot")
    assert "\n" not in str(error.value)


def test_damaged_and_disguised_files_are_refused(tmp_path):
    path = tmp_path / "w.hdf5"
    write_keras(path, "softnet")
    data = path.read_bytes()
    for cut in (0, 7, 1000, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:cut])
        with pytest.raises(ModelError, match="cannot be read"):
            read_keras(path, "softnet")
    path.write_bytes(data + bytes(17 << 20))
    with pytest.raises(ModelError, match="at most"):
        read_keras(path, "softnet")
    path.write_bytes(pickle.dumps({"conv2d": np.zeros(3)}))
    with pytest.raises(ModelError, match="cannot be read"):
        read_keras(path, "softnet")
    with pytest.raises(ModelError, match="not found"):
        read_keras(tmp_path / "none.hdf5", "softnet")


def told(tmp_path, **entries):
    return WeightFiles(**{key: value.replace("@", str(tmp_path)) if isinstance(value, str) else value
                          for key, value in entries.items()})  # fmt: skip


def given(weights, group, key="spot", network="spot", kind="micro"):
    fold = group.replace(":", "-")
    return fold_file(weights, key, network, kind, fold, (group,), "c.yaml: spotting.x.weights")


def test_every_database_of_the_release_is_known():
    counts = {name: len(one.numbers) for name, one in RELEASES.items()}
    spot = {"casme2": 26, "casme_sq": 14, "samm_lv": 29, "smic_e_hs": 16, "smic_e_vis": 8, "smic_e_nir": 8}
    assert {name: counts[f"mean_spot_{name}"] for name in spot} == spot
    assert {name: counts[f"mean_recog_{name}"] for name in spot} == spot | {"casme_sq": 9, "samm_lv": 28}
    soft = {name: n for name, n in counts.items() if name.startswith("softnet")}
    assert sorted(soft.values()) == [14, 20, 29, 29]
    assert RELEASES["mean_spot_samm_lv"].left_out[19] == ("samm:025",)


def test_a_fold_gets_the_file_that_left_its_person_out(tmp_path):
    for number in range(1, 15):
        write_keras(tmp_path / f"s{number}.hdf5", "spot", seed=number)
    weights = told(tmp_path, spot="@/s{number}.hdf5", release="casme_sq")
    found = given(weights, "casme_sq:s19")
    assert found.path.endswith("s3.hdf5") and len(found.sha256) == 64
    assert len(found.trained_on) == 13 and "casme_sq:s19" not in found.trained_on
    # Nobody of this release is s20: every file left such a person out, and the first one is taken.
    assert given(weights, "casme_sq:s20").path.endswith("s1.hdf5")
    one = told(tmp_path, spot="@/s3.hdf5", release="casme_sq")
    assert "trained on casme_sq:s19" in given(one, "casme_sq:s19").refused
    assert given(one, "casme_sq:s20").refused == "" and len(given(one, "casme_sq:s20").trained_on) == 14
    assert given(told(tmp_path, spot="@/s3.hdf5"), "casme_sq:s19").trained_on is None


def test_shifted_recognition_files_are_given_to_nobody_they_learned_from(tmp_path):
    for number in (2, 3, 5, 7, 8, 9, 10, 12, 14):
        write_keras(tmp_path / f"s{number}.hdf5", "recog", seed=number)
    weights = told(tmp_path, spot="x.hdf5", recog="@/s{number}.hdf5", release="casme_sq")
    for group in SHIFTED:
        assert "no file left" in given(weights, group, "recog", "recog").refused
    clean = {
        group: given(weights, group, "recog", "recog") for group in ("casme_sq:s16", "casme_sq:s27", "casme_sq:s38")
    }
    assert [one.path[-8:].lstrip("/") for one in clean.values()] == ["s2.hdf5", "s7.hdf5", "s14.hdf5"]
    assert all(group not in one.trained_on for group, one in clean.items())


def test_files_of_ones_own_say_whom_they_left_out(tmp_path):
    for number in (1, 2):
        write_keras(tmp_path / f"s{number}.hdf5", "spot")
    weights = told(tmp_path, spot="@/s{number}.hdf5", left_out=("a:x", "a:y"))
    assert given(weights, "a:y").path.endswith("s2.hdf5") and given(weights, "a:y").trained_on == ("a:x",)
    by_fold = told(tmp_path, spot="@/{fold}.hdf5")
    write_keras(tmp_path / "a-x.hdf5", "spot")
    assert given(by_fold, "a:x").trained_on is None
    with pytest.raises(ConfigError, match=r"weights.spot: no file '.*a-z.hdf5'"):
        given(by_fold, "a:z")
    with pytest.raises(ConfigError, match="without a word on whom each file left out"):
        given(told(tmp_path, spot="@/s{number}.hdf5"), "a:x")
    with pytest.raises(ConfigError, match=r"unknown weights 'mean_spot_casme3'.*did you mean"):
        given(told(tmp_path, spot="mean_spot_casme3"), "a:x")
    with pytest.raises(ConfigError, match="mean_recog_casme2 holds recog"):
        given(told(tmp_path, spot="mean_recog_casme2"), "a:x")
    with pytest.raises(ConfigError, match="0 persons with a macro-expression in casme_sq; expected 20, a file for"):
        weights = told(tmp_path, spot="@/s{number}.hdf5", release="casme_sq")
        given(weights, "casme_sq:s15", network="softnet", kind="macro")


def test_whom_macro_files_left_out_follows_from_the_annotations_of_the_whole_database(tmp_path):
    write_keras(tmp_path / "s7.hdf5", "softnet")
    people = [f"casme_sq:s{n}" for n in range(15, 35)]
    weights = told(tmp_path, spot="@/s{number}.hdf5", release="casme_sq")
    where = "spot", "softnet", "macro", "casme_sq-s21", ("casme_sq:s21",), "c"
    found = fold_file(weights, *where, {"casme_sq": people[::-1]})
    assert found.path.endswith("s7.hdf5") and len(found.trained_on) == 19
    with pytest.raises(ConfigError, match="19 persons with a macro-expression"):
        fold_file(weights, *where, {"casme_sq": people[1:]})


def test_a_set_is_fetched_checked_and_listed(tmp_path, cache):
    folder = tmp_path / "SMIC_VIS" / "recog"
    rows = {row["name"]: row for row in listing()}
    assert rows["mean_recog_smic_e_vis"]["files"] == 8 and rows["mean_recog_smic_e_vis"]["state"] == "not fetched"
    with pytest.raises(ModelError, match=r"licence.*--accept-licence"):
        fetch("mean_recog_smic_e_vis", folder)
    with pytest.raises(ModelError, match=r"cannot be downloaded.*MEAN_Weights/SMIC_VIS/recog.*--file FOLDER"):
        fetch("mean_recog_smic_e_vis", None, True)
    for number in range(1, 9):
        write_keras(folder / f"s{number}.hdf5", "recog", seed=number)
    write_keras(folder / "s5.hdf5", "spot")
    with pytest.raises(ModelError, match=r"s5\.hdf5: ends in layer 'spot'"):
        fetch("mean_recog_smic_e_vis", folder, True)
    assert not (cache / "mean_recog_smic_e_vis").exists()
    write_keras(folder / "s5.hdf5", "recog", seed=5)
    arguments = ["weights", "fetch", "mean_recog_smic_e_vis", "--file", str(folder), "--accept-licence"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    rows = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["weights", "list", "--json"]).stdout)}
    assert rows["mean_recog_smic_e_vis"]["state"] == "fetched"
    weights = WeightFiles(spot="mean_spot_smic_e_vis", recog="mean_recog_smic_e_vis")
    found = given(weights, "smic:s13", "recog", "recog")
    assert found.path.endswith("s3.hdf5") and found.classes == ("negative", "positive", "surprise")
    with pytest.raises(ConfigError, match="mer weights fetch mean_spot_smic_e_vis --file FOLDER"):
        given(weights, "smic:s13")
    write_keras(cache / "mean_recog_smic_e_vis" / "s3.hdf5", "recog", seed=99)
    with pytest.raises(ModelError, match="changed or damaged"):
        given(weights, "smic:s13", "recog", "recog")


@pytest.mark.parametrize(
    "entries",
    [{}, {"spot": "a.h5", "checkpoint": "b"}, {"checkpoint": "b", "release": "casme2"},
     {"spot": "a.h5", "release": "casme2", "left_out": ("a:b",)}],
)  # fmt: skip
def test_a_block_says_one_thing(entries):
    with pytest.raises(ValueError, match=r"either|leave release"):
        WeightFiles(**entries)
