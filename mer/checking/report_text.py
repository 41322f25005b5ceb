"""The report of `mer check` as text."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mer.checking.check_report import CheckReport
from mer.datasets.expected import Count
from mer.datasets.reading import Problem

#: Counts shown as one line when all of them are as expected.
FOLDED = {
    "subject": "rows of each subject",
    "micro subject": "micro rows of each subject",
    "cd6me au": "CD6ME units",
    **{f"{word} subject": f"{word} rows of each subject" for word in ("negative", "positive", "surprise")},
    **{f"{part} subject": f"{part} rows of each subject" for part in ("smic_hs", "casme2", "samm")},
}
#: Examples shown per rule, unless all are asked for.
SHOWN = 3


def render(report: CheckReport, width: int = 110, everything: bool = False) -> str:
    """Return a report as plain text.

    Args:
        report: what the check says.
        width: columns of the terminal; long lines are wrapped, none is cut.
        everything: list every problem, leftover folder and correction, not the first of each.
    """
    parts: list[Text | Table | Padding] = [_heading(report)]
    if not report.fatal:
        parts += [
            _counts(report, everything),
            *_rows(report),
            *_problems(report, everything),
            *_corrections(report, everything),
        ]
    parts.append(Text(f"\n{report.verdict}"))
    buffer = io.StringIO()
    console = Console(file=buffer, width=max(width, 60), color_system=None, highlight=False, emoji=False, markup=False)
    console.print(Group(*parts))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _heading(report: CheckReport) -> Text:
    file = report.release.split(" sha256:")[0]
    bits = [report.dataset, f"view {report.view}" * bool(report.view), file, "strict" * report.strict]
    return Text(" · ".join(bit for bit in bits if bit) + f"\n{report.root}")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="", expand=False)
    for name in columns:
        table.add_column(name, justify="right" if name in ("found", "expected", "number") else "left")
    return table


def _counts(report: CheckReport, everything: bool) -> Padding | Text:
    if not report.counts:
        return Text("\nno known release to compare with")
    table = _table("count", "found", "expected", "known from", "")
    for count in _folded(report.counts, everything):
        table.add_row(*count)
    return Padding(table, (1, 0, 0, 0))


def _folded(counts: Iterable[Count], everything: bool) -> Iterable[tuple[str, str, str, str, str]]:
    """Yield the cells of each line; a group of `FOLDED` makes one line where it agrees, a few where it does not."""
    groups: dict[str, list[Count]] = {}
    for count in counts:
        group = next((name for name in FOLDED if count.what.startswith(f"{name} ")), "")
        groups.setdefault(group if group else f"={count.what}", []).append(count)
    for group, members in groups.items():
        wrong = [count for count in members if not count.ok]
        if group in FOLDED and not wrong:
            total = sum(count.expected for count in members)
            yield f"{FOLDED[group]} ({len(members)})", str(total), str(total), members[0].status, "ok"
            continue
        shown = members if group not in FOLDED else wrong if everything else wrong[:SHOWN]
        for count in shown:
            mark = "ok" if count.ok else "DIFFERS"
            yield count.what, str(count.found), str(count.expected), count.status, mark
        if group in FOLDED and len(wrong) > len(shown):
            yield f"{group} …, {len(wrong) - len(shown)} more", "", "", members[0].status, "DIFFERS"


def _rows(report: CheckReport) -> Iterable[Text]:
    total = sum(report.rows.values())
    states = ", ".join(f"{number} {status}" for status, number in report.rows.items())
    left = f" ({report.left_out} by options)" * bool(report.left_out)
    yield Text(f"\n{total} rows of {report.subjects} subjects: {states}{left}")
    sizes = list(report.sizes.items())
    shown = ", ".join(f"{size} ({number})" for size, number in sizes[:4])
    shown += f" and {len(sizes) - 4} other sizes" if len(sizes) > 4 else ""
    yield Text(f"{report.images} files looked at, {report.decoded} of them decoded{': ' + shown if shown else ''}")


def _problems(report: CheckReport, everything: bool) -> Iterable[Text | Padding]:
    if not report.problems:
        yield Text("\nno problems")
        return
    table = _table("rule", "", "number", "first of them" if not everything else "all of them")
    for rule in report.rules:
        same = [p for p in report.problems if f"{p.rule} {p.severity}" == rule]
        name, severity = rule.split(" ", 1)
        lines = [_example(p, report) for p in (same if everything else same[:SHOWN])]
        table.add_row(name, severity, str(len(same)), "\n".join(lines))
    yield Padding(table, (1, 0, 0, 0))
    if report.leftovers:
        some = report.leftovers if everything else report.leftovers[:SHOWN]
        more = f", and {len(report.leftovers) - len(some)} more" * (len(report.leftovers) > len(some))
        yield Text(f"\nfolders that no row uses: {', '.join(some)}{more}")


def _example(problem: Problem, report: CheckReport) -> str:
    """Return a problem's line without its rule, which the column before it names."""
    if problem.rule == "V04" and any(not count.ok for count in report.counts):
        return f"{problem.file}: {sum(not count.ok for count in report.counts)} counts differ, see above"
    return problem.line().partition("] ")[2]


def _corrections(report: CheckReport, everything: bool) -> Iterable[Text]:
    states: dict[str, list[str]] = {}
    for correction in report.corrections:
        states.setdefault(correction.state, []).append(correction.name)
    if states:
        yield Text("\nknown faults of this release")
    for state, names in states.items():
        some = names if everything else names[:SHOWN]
        more = f", and {len(names) - len(some)} more" * (len(names) > len(some))
        yield Text(f"  {len(names)} {state}: {', '.join(some)}{more}")
