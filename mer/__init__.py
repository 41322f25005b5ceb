"""Micro-expression research from raw databases to scores that cannot leak."""

__version__ = "0.2.0"
