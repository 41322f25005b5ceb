"""Who must sign what before a database may be used, and how to cite it (V20).

Every licensed database asks its users to sign an agreement; the configuration says that this was done
(`datasets.<name>.licence_accepted: true`). Nothing here grants a licence.
"""

from __future__ import annotations

from dataclasses import dataclass

from mer.core.errors import ConfigError


@dataclass(frozen=True)
class Licence:
    """The agreement of one database: what is signed, where it is asked for, and the paper to cite."""

    form: str
    url: str
    cite: str


_CASME = "the licence agreement of the CASME databases"
_SAMM = "the SAMM licence form of Manchester Metropolitan University"
_SMIC = "the SMIC licence agreement of the University of Oulu"
#: By reader. Readers of a user's own material (`videos`) need none.
LICENCES: dict[str, Licence] = {
    "casme": Licence(_CASME, "casme.psych.ac.cn/casme/e1", "Yan et al., FG 2013"),
    "casme2": Licence(_CASME, "casme.psych.ac.cn/casme/e2", "Yan et al., PLoS ONE 9(1):e86041, 2014"),
    "casme_sq": Licence(_CASME, "casme.psych.ac.cn/casme/e3", "Qu et al., IEEE TAFFC 9(4), 2018"),
    "casme3": Licence(_CASME, "casme.psych.ac.cn/casme/e4", "Li et al., IEEE TPAMI 45(3), 2023"),
    "casme3c": Licence(_CASME, "casme.psych.ac.cn/casme/e4", "Li et al., IEEE TPAMI 45(3), 2023"),
    "samm": Licence(_SAMM, "the paper's authors (M. H. Yap)", "Davison et al., IEEE TAFFC 9(1):116-129, 2018"),
    "samm_lv": Licence(_SAMM, "the paper's authors (M. H. Yap)", "Yap, Kendrick, Yap, FG 2020"),
    "smic": Licence(_SMIC, "oulu.fi/cmvs/node/41319", "Li et al., FG 2013"),
    "smic_e": Licence(_SMIC, "oulu.fi/cmvs/node/41319", "Li et al., IEEE TAFFC 9(4), 2018"),
    "mmew": Licence("the MMEW agreement", "dpailab.com", "Ben et al., IEEE TPAMI 2021 (10.1109/TPAMI.2021.3067464)"),
    "fourdme": Licence("the 4DME agreement of the University of Oulu", "the paper's authors", "Li et al., TAFFC 2022"),
    "meview": Licence("the terms of its authors (CTU Prague)", "the paper's authors", "Husak, Cech, Matas, CVWW 2017"),
    "rld": Licence(
        "the terms of the LIT group, University of Michigan", "the paper's authors", "Perez-Rosas et al., ICMI 2015"
    ),
    "flow_images": Licence(
        "the licences of SMIC, CASME II and SAMM, from which the images derive",
        "each database's own page",
        "See et al., MEGC 2019, FG 2019 (the composite)",
    ),
}


def licence_line(reader: str, name: str) -> str:
    """Return the V20 message for the dataset `name`, '' where the reader needs no licence."""
    licence = LICENCES.get(reader)
    if licence is None:
        return ""
    return f"{name}: set datasets.{name}.licence_accepted: true after signing {licence.form}; see {licence.url}."


def require_licence(reader: str, name: str, accepted: bool, where: str) -> None:
    """Stop unless the agreement is said to be signed, or none is needed.

    Raises:
        ConfigError: V20, naming the key to set in the file `where`.
    """
    line = "" if accepted else licence_line(reader, name)
    if line:
        raise ConfigError(f"{where}: datasets.{name}.licence_accepted", line.partition(": ")[2] + " (V20)")
