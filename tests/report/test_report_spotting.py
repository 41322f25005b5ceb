"""What the report says of spotted intervals is what the score counted."""

import numpy as np
import pytest

from mer.report.spotting import Spotting
from mer.spotting.curves import Curve
from mer.spotting.interval_files import Interval
from mer.spotting.score_intervals import MATCHING, score

TRUTH = [Interval("p", "film", *span, "others", "micro") for span in ((0, 9), (5, 14))]
# The second one overlaps the first true interval best, which the first one has: only one-to-one gives it the other.
SPOTTED = [Interval("p", "film", *span, "others", "micro", 0.9) for span in ((0, 9), (2, 11))]


@pytest.mark.parametrize(("protocol", "right"), [("fixed", 2), ("ref", 1)])
def test_intervals_are_right_on_the_page_as_they_are_in_the_table(protocol, right):
    curve = Curve("film", "micro", np.arange(16.0), np.linspace(0, 1, 16), 0.5)
    shown = Spotting("spot", {"protocol": protocol}, TRUTH, SPOTTED, [curve]).recordings[0][0]
    assert shown == f"film, micro: 2 true, 2 found, {right} of them right"
    assert score(TRUTH, SPOTTED, matching=MATCHING[protocol])["tp"] == right
