"""The agreements of owners of several databases, as messages name them."""

from __future__ import annotations

CASME = "the licence agreement of the CASME databases"
SAMM = "the SAMM licence form of Manchester Metropolitan University"
SMIC = "the SMIC licence agreement of the University of Oulu"
