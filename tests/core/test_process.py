"""What a short-lived process does about the garbage collector."""

import subprocess
import sys

CODE = """
import atexit, gc
from mer.core.process import short_lived
atexit.register(lambda: print(gc.get_freeze_count() > 1000))
print(gc.get_freeze_count())
short_lived()
print(gc.get_threshold()[0] > 10_000)
"""


def test_the_collector_looks_less_often_and_not_at_the_end():
    made = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert made.stdout.split() == ["0", "True", "True"]
