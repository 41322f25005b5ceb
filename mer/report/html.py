"""Pages from templates: one self-contained file, in which text of other people stays text.

Sample ids, reasons and labels come from other people's spreadsheets. The templates escape every value that they print,
and what a page must not hold is replaced in the whole of it, wherever it came from.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from mer.report.wording import counted, number, plain

PACKAGE = "mer.report"


@cache
def environment(*packages: str) -> Environment:
    """Return the templates of some packages, the first one's before those of the same name in later ones."""
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"number": number, "counted": counted}
    return templates


def render(template: str, *packages: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: its name.
        packages: whose folder `templates` is searched besides that of the report.
        values: what the template prints: plain data, escaped unless a template made it.
    """
    return plain(environment(*packages, PACKAGE).get_template(template).render(values))


def digest_of(script: str) -> str:
    """Return the digest by which a page's policy lets this script run, and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
