"""A small world of spotting features: recordings whose features move during expressions, and only then."""

import numpy as np

from mer.core.container import ContainerWriter
from mer.spotting.recording_tables import Event, Video

DISTANCE = 3
FRAMES = 240
CLASSES = ("negative", "positive", "surprise")
PARAMETERS = {"method": "clean", "size": 64, "distance": 0.1}


def world(root, people=4, per_person=2, kind="micro", signal=1.0):
    """Write `features/<subject>.h5` for every person; return the recordings and `{source: container}`."""
    rng = np.random.default_rng(0)
    videos, containers = [], {}
    for person in range(people):
        source = f"db/db-s{person}"
        path = root / f"s{person}.h5"
        containers[source] = path
        with ContainerWriter(path, "spot", "v", PARAMETERS) as out:
            for film in range(per_person):
                # The last film of every second person shows nothing.
                quiet = film == per_person - 1 and person % 2
                events = () if quiet else tuple(_events(rng, kind))
                video = Video(f"s{person}/f{film}-whole", "db", f"s{person}", f"db:s{person}", source, events)
                videos.append(video)
                with out.clip(video.sample_id) as clip:
                    _write(clip, rng, events, signal)
    return videos, containers


def _events(rng, kind):
    for at, label in zip((40, 110, 180), rng.permutation(CLASSES), strict=True):
        onset = at + int(rng.integers(-10, 10))
        length = int(rng.integers(9, 15))
        yield Event(onset + 1, onset + 1 + length // 2, onset + 1 + length, kind, str(label))


def _write(clip, rng, events, signal):
    count = FRAMES - DISTANCE
    features = 0.05 * rng.standard_normal((count, 3, 42, 42)).astype(np.float32)
    for event in events:
        inside = np.arange(count) + DISTANCE // 2
        during = (inside >= event.onset - 1) & (inside <= event.offset - 1)
        features[during, :, 5:20, 5:20] += signal
    pairs = np.stack([np.arange(count), np.arange(count) + DISTANCE], axis=1)
    clip.write("features", features.astype(np.float16))
    clip.write("pairs", pairs)
    clip.write("numbers", pairs + 1.0)
    clip.write("quality", np.ones(count, np.float32))
    clip.attributes({"fps": 30.0, "distance": DISTANCE})
