"""What `mer run` shows of a run, as a logger of Snakemake (`--logger mer`): a bar, and of failures the nearest words.

Snakemake finds loggers by the names of modules on Python's path, to which `mer run` adds this folder. All that
Snakemake says stays in its own log, whose path is told at the end.
"""

from __future__ import annotations

import os
import sys
import textwrap
from contextlib import ExitStack
from logging import WARNING, LogRecord
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from mer.core.job_log import SPOKEN_FOR
from mer.core.progress import bar

MOST = 10  # failures that are told one by one
LOG, NOTHING, STOPPED = "Complete log(s): ", "Nothing to be done", "Terminating processes on user request"
SILENT = "nothing in its log: it was ended from outside, or for want of memory"
AGAIN = "what is finished stays"
#: What Snakemake says of a failed job besides the event that names it.
KNOWN = (
    "CalledProcessError",
    "At least one job did not complete",
    "Exiting because a job execution failed",
    "(updating job failed)",
)


class LogHandler(LogHandlerBase):
    """Prints lines on standard error: jobs that are to run, failures in words, and at the end where to look."""

    writes_to_stream, writes_to_file, has_filter, has_formatter, needs_rulegraph = True, False, True, True, False

    def __post_init__(self) -> None:
        """Begin with nothing done."""
        self.jobs: dict[int, str] = {}
        self.failed: set[int] = set()
        self.done = self.total = self.tenths = 0
        self.nothing = self.stopped = self.closed = False
        self.log = ""
        self.drawn, self.update = ExitStack(), _undrawn

    def emit(self, record: LogRecord) -> None:
        """Take what Snakemake has to say; an event is told apart by its kind."""
        told, event = vars(record), getattr(record, "event", None)
        message = str(record.msg or "")
        if event == LogEvent.RUN_INFO:
            self._begin(told["stats"])
        elif event == LogEvent.JOB_INFO:
            named = ", ".join(f"{key} {value}" for key, value in (told["wildcards"] or {}).items())
            self.jobs[told["jobid"]] = f"{told['rule_name']} failed{f': {named}' if named else ''}"
        elif event == LogEvent.JOB_ERROR:
            self._fail(told)
        elif event == LogEvent.JOB_FINISHED:
            # Of a job that is tried again, earlier failures do not count.
            self.failed.discard(told["job_id"])
        elif event == LogEvent.PROGRESS:
            self._advance(told["done"], told["total"])
        elif message.startswith(LOG):
            self.log = os.path.relpath(message.removeprefix(LOG))
        elif message.startswith(NOTHING):
            self.nothing = True
        elif message.startswith(STOPPED):
            self.stopped = True
            _say("stopping: jobs are being ended")
        elif record.levelno >= WARNING and not any(known in message for known in KNOWN):
            _say(message.strip())

    def _begin(self, stats: dict[str, int]) -> None:
        self.total = stats.get("total", 0)
        kinds = ", ".join(f"{name} {count}" for name, count in stats.items() if name != "total")
        _say(f"{self.total} jobs: {textwrap.shorten(kinds, 300, placeholder=' …')}")
        self.update = self.drawn.enter_context(bar("jobs"))
        self.update(0, self.total)

    def _advance(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        self.update(done, total)
        if not sys.stderr.isatty() and 10 * done // max(1, total) > self.tenths:
            self.tenths = 10 * done // total
            _say(f"{done} of {total} jobs done")

    def _fail(self, told: dict[str, Any]) -> None:
        # What is being ended has not failed.
        if self.stopped or told["jobid"] in self.failed:
            return
        self.failed.add(told["jobid"])
        if len(self.failed) > MOST:
            return
        lines = [self.jobs.get(told["jobid"], f"{told['rule_name']} failed")]
        lines += [last_words(Path(path)) or SILENT for path in told["log"]]
        lines += [f"its log: {path}" for path in told["log"]]
        _say("\n  ".join(lines))

    def close(self) -> None:
        """Say how it ended, once, however often Python and Snakemake close their loggers."""
        super().close()
        if self.closed:
            return
        self.closed = True
        self.drawn.close()
        if len(self.failed) > MOST and not self.stopped:
            _say(f"and {len(self.failed) - MOST} more")
        if self.stopped:
            _say(f"stopped; {AGAIN}: the same command goes on from there")
        elif self.failed:
            told = f"{len(self.failed)} of {self.total} jobs failed; {AGAIN}: mend it, and run the same command again"
            _say(told + (f". All that Snakemake said: {self.log}" if self.log else ""))
        elif self.nothing or (self.total and self.done == self.total):
            report = Path(os.environ.get(SPOKEN_FOR, "")) / "report"
            page = report / "index.html"
            done = f"{NOTHING}, all is there" if self.nothing else f"all {self.total} jobs done"
            _say(f"{done}; the report: {page}; its tables: {report}/*.csv" if page.is_file() else done)


def last_words(path: Path) -> str:
    """Return the line of a job's log that says why it ended: the last that begins with `mer:`, or the last."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    spoken = [line for line in lines if line.startswith("mer: ")] or [line for line in lines if line]
    return spoken[-1].removeprefix("mer: ") if spoken else ""


def _undrawn(done: int, total: int | None) -> None:
    """Nothing is drawn before the run begins."""


def _say(line: str) -> None:
    print(f"mer: {line.removeprefix('mer: ')}", file=sys.stderr, flush=True)
