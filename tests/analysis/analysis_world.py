"""A face that moves when it is told to, as a video, and a small spotting model that notices."""

from fractions import Fraction

import av
import cv2
import numpy as np

from mer.core.container import ContainerWriter
from mer.models.state import State
from mer.motion.grey import grey
from mer.spotting.experiment import SpotRecipe, SpottingExperiment
from mer.spotting.fit import fit_fold
from mer.spotting.recording_tables import Event, Video, write_videos
from mer.stages.align import dlib68
from mer.stages.spot import clean
from mer.training.checkpoint import load_checkpoint, save_checkpoint
from mer.training.separation import FoldJob

FPS = 30
SIZE = 64
CLASSES = ("negative", "positive")
SPOT = {"method": "clean", **clean.Params(size=SIZE, distance=0.1).model_dump(mode="json")}
ALIGN = {"size": 64}


def face():
    """Return a photograph of a face (240, 300, 3) uint8."""
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[10:250, 80:380])


def moved(picture, level):
    """Return the face with both brows raised and the mouth drawn by `level` pixels."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    brows = np.exp(-(((x - 142) / 34) ** 2 + ((y - 72) / 13) ** 2))
    mouth = np.exp(-(((x - 145) / 22) ** 2 + ((y - 137) / 12) ** 2))
    map_y = y + level * (brows - mouth)
    return cv2.remap(picture, x, map_y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def film(count=45, onset=20, length=12, size=3.0, seed=0):
    """Return frames (count, 240, 300, 3) of a face with an expression at each onset; `size` 0 shows none."""
    rng = np.random.default_rng(seed)
    picture, frames = face(), []
    for k in range(count):
        shares = [(k - first) / length for first in np.atleast_1d(onset).tolist()]
        level = size * sum(np.sin(np.pi * share) ** 2 for share in shares if 0 < share < 1)
        noise = rng.normal(0, 1.0, picture.shape)
        frames.append(np.clip(np.rint(moved(picture, level) + noise), 0, 255).astype(np.uint8))
    return np.stack(frames)


def write_film(path, frames, stamps=None, fps=FPS, audio_only=False):
    """Write frames as a video; `stamps` are their times in units of 1/600 s, which may be uneven."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=fps, options={"qscale": "2"})
        stream.width, stream.height = frames[0].shape[1], frames[0].shape[0]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 6_000_000
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 600)
        for k, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if stamps is not None:
                picture.pts, picture.time_base = stamps[k], Fraction(1, 600)
            for packet in stream.encode(picture):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


def write_sound(path):
    """Write an audio file without a picture."""
    with av.open(str(path), "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        for packet in (*stream.encode(sound), *stream.encode()):
            out.mux(packet)
    return path


def write_model(root, named=True):
    """Train a small spotting model on films of the face; return its path."""
    videos, containers = [], {}
    for person, onsets in enumerate([(12, 44), (20, 50), (8, 36)]):
        source, path = f"db/s{person}", root / f"s{person}.h5"
        events = tuple(Event(a + 1, a + 7, a + 13, "micro", CLASSES[0]) for a in onsets)
        video = Video(f"s{person}/f-whole", "db", f"s{person}", f"db:s{person}", source, events)
        videos.append(video)
        containers[source] = path
        with ContainerWriter(path, "spot", "v", SPOT) as out, out.clip(video.sample_id) as clip:
            _features(clip, film(70, onsets, 12, 3.0 - 0.4 * person, seed=10 + person))
    table, model = root / "train.csv", root / "model.safetensors"
    write_videos(table, videos)
    recipe = SpotRecipe(epochs=25, learning_rate=3e-3, inner=2)
    job = FoldJob("f", ("db:x",), table, model)
    fit_fold(SpottingExperiment("mean", "fixed", recipe), job, {"micro": containers}, lambda line: None)
    return _described(model, named)


def _features(clip, frames, distance=3):
    params = dlib68.Params(**ALIGN)
    found = dlib68.METHOD.align(frames, params)
    crops = [grey(crop, SIZE) for crop in dlib68.cut(frames, found.transform, params)]
    picture = clean.picture(clean.Params(size=SIZE, distance=0.1), "film")
    count = len(frames) - distance
    images = [picture(crops[k], crops[k + distance], found.landmarks[k]) for k in range(count)]
    pairs = np.stack([np.arange(count), np.arange(count) + distance], axis=1)
    clip.write("features", np.stack(images).astype(np.float16))
    clip.write("pairs", pairs)
    clip.write("numbers", pairs + 1.0)
    clip.write("quality", np.ones(count, np.float32))
    clip.attributes({"fps": float(FPS), "distance": distance})


def _described(path, named):
    import torch

    from mer.models import loop
    from mer.models.mean_softnet_network import Recognition

    state, meta = load_checkpoint(path)
    arrays = dict(state.arrays)
    if named:
        torch.manual_seed(0)
        arrays |= {f"micro.recog.{name}": value for name, value in loop.arrays_of(Recognition(len(CLASSES))).items()}
        arrays["micro.recog.scale"] = np.ones(3, np.float32)
    meta |= {
        "classes": list(CLASSES) if named else [],
        "fps": float(FPS),
        "align": {"method": "dlib", "parameters": ALIGN},
        "trained_on": "films of one face, for a test",
    }
    meta.pop("format")
    save_checkpoint(path, State(arrays, state.meta), meta)
    return path
