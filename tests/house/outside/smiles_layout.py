"""Simulated smiles and surprises, as their owner lays them out."""

from mer.simulate.content import FAMILY_SIZE, Repertoire, draw_content, subject_labels
from mer.simulate.contract import SLOW, Camera, Layout
from mer.simulate.plan import Session, clip_seed, draw_interval, events_of
from mer.simulate.sheets import Table
from mer.simulate.tree import Picture, Tree

REPERTOIRE = Repertoire((("disgust",), ("happiness",), ("surprise",)))
FIRST_FACE = 100 * FAMILY_SIZE


def people(params, index):
    face = FIRST_FACE + index
    return [recording(params, index, face, *turn) for turn in enumerate(subject_labels(params, REPERTOIRE, face))]


def recording(params, index, face, turn, label):
    session = Session(f"p{index}", face, params.fps, clip_seed(params, face, turn))
    when = draw_interval(params, session.interval_rng())
    units = draw_content(params, REPERTOIRE, label, session.seed)
    return session.recording(f"c{turn}", [session.event(f"c{turn}", label, units, when)])


def pictures(params, recording, number):
    path = f"clips/{recording.subject}/{recording.name}/{number}.png"
    return [Picture((recording.subject, recording.name), path, cropped=True)]


def tables(params, recordings):
    rows = [[p.subject, p.clip, p.onset, p.apex, p.offset, p.emotion] for p in events_of(recordings)]
    return [Table("codes.csv", ("Subject", "Filename", "Onset", "Apex", "Offset", "Emotion"), rows)]


CAMERA = Camera({"fps": 25.0, "width": 320, "height": 240, **SLOW})
LAYOUT = Layout("smiles", {"smiles": CAMERA}, people, Tree(pictures), tables)
