"""`mer check` of one's own clips: what only the videos can tell, with the row of the table."""

from fractions import Fraction

import av
import numpy as np
import pytest

from mer.checking.check import check, run_check
from mer.core.errors import ConfigError
from mer.core.filenames import number_in, split_pattern


@pytest.fixture
def own(tmp_path):
    """Return a function that writes a table beside a video of 20 frames and a folder of images."""
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for _ in range(20):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode())

    def write(*rows):
        (tmp_path / "clips.csv").write_text("Clip,Subject,Onset,Offset,Emotion\n" + "\n".join(rows), encoding="utf-8")
        return tmp_path

    return write


def told(root, **options):
    report = check(root, "table", options)
    return report.exit_code, [problem.line() for problem in report.problems]


def test_clips_inside_their_video_are_usable(own):
    assert told(own("a,S1,0,9,anger", "a,S1,10,19,fear")) == (0, [])
    text, status = run_check(own("a,S1,0,9,anger"), "table")
    assert status == 0 and "table · view recordings · clips.csv" in text and "usable: 1 of 1 rows" in text


def test_an_interval_behind_the_end_of_its_video_names_the_row(own):
    status, lines = told(own("a,S1,0,9,anger", "a,S1,15,24,fear"))
    assert status == 1 and lines == [
        "[V10 error] a.mp4 (S1/a_15): onset 15, offset 24, counted from 0: the video has 20 frames (row 3 of clips.csv)"
    ]
    status, lines = told(own("a,S1,1,20,anger"))
    assert status == 0 and lines[0].startswith(
        "[V10 warning] a.mp4 (S1/a): onset 1, offset 20, counted from 0: the video"
    )
    assert told(own("a,S1,1,20,anger"), counting="from_1") == (0, [])
    assert told(own("a,S1,0.4,0.76,anger"), counting="seconds", fps=25) == (0, [])


def test_columns_are_named_on_the_command_line(own):
    root = own("a,S1,0,9,anger")
    (root / "clips.csv").write_text("Datei;VP\na;S1\n", encoding="utf-8")
    text, status = run_check(root, "table", options=["columns={clip: Datei, subject: VP}"])
    assert status == 0 and "usable: 1 of 1 rows" in text
    with pytest.raises(ConfigError, match=r"option columns\.clp: unknown to this database; did you mean 'clip'\?"):
        run_check(root, "table", options=["columns={clp: Datei}"])
    with pytest.raises(
        ConfigError, match=r"option columns: bad value: clip and subject are both the column 'VP'; name"
    ):
        run_check(root, "table", options=["columns={clip: VP, subject: VP}"])
    with pytest.raises(ConfigError, match=r"option columns: bad value 'Datei'; expected a mapping, key: value"):
        run_check(root, "table", options=["columns=Datei"])
    with pytest.raises(ConfigError, match=r"option columns: not YAML"):
        run_check(root, "table", options=["columns={clip: [}"])


def test_a_video_that_is_none_and_a_name_that_is_none(own):
    root = own("a,S1,0,9,anger", "b,S2,0,9,fear", "c,S3,0,9,fear")
    (root / "b.mp4").write_bytes(b"no video")
    status, lines = told(root)
    assert status == 1 and [line.partition(":")[0] for line in lines] == [
        "[V09 error] clips.csv row 4 (S3/c_0)",
        "[V15 error] b.mp4 (S2/b)",
    ]


def test_the_number_in_a_name():
    assert [split_pattern(path) for path in ("a/b", "a/c_*.png", "*.png")] == [
        ("a/b", ""), ("a", "c_*.png"), (".", "*.png"),
    ]  # fmt: skip
    names = ("c1_007_l2.png", "C1_x7.1_L2.PNG", "c1__l2.png", "c2_7_l2.png")
    assert [number_in(name, "c1_*_l2.png") for name in names] == [7, 1, None, None]
    assert number_in("c1_007_l2.png") == 2
