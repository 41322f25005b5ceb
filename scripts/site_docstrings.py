"""An extension of Griffe: examples, which stand bare at the end of docstrings here, become blocks of code."""

import re

from griffe import Extension, Object

EXAMPLE = re.compile(r"\n\n(>>> .*?)(?=\n\n|\Z)", re.S)


class Examples(Extension):
    """Put examples before the sections of a docstring, as a block of code."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Rewrite the docstring of an object that has examples."""
        text = obj.docstring.value if obj.docstring else ""
        found = EXAMPLE.findall(text)
        if obj.docstring and found:
            summary, _, rest = EXAMPLE.sub("", text).partition("\n\n")
            shown = "\n\n".join(found)
            obj.docstring.value = f"{summary}\n\n```pycon\n{shown}\n```\n\n{rest}".rstrip()
