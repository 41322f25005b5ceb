"""Words that stand in the headers of tables, by what they mean; lower case, in a few languages."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping


def unaccented(text: str) -> str:
    """Return a text without accents: `Ápex` is written `Apex` as often."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def _set(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


#: Of Chinese headers a word is any part.
WORDS: Mapping[str, frozenset[str]] = {
    "clip": _set(
        "clip clips video videos file filename path folder datei ordner fichier archivo carpeta 视频 文件 文件名"
    ),
    "subject": _set(
        "subject subjects subj sub participant participants person people who speaker actor patient",
        "proband probandin versuchsperson vp sujet sujeto participante persona hablante 被试 受试者 参与者",
    ),
    "onset": _set("onset start begin beginning from first beginn anfang début debut inicio comienzo 起始 开始"),
    "apex": _set("apex peak maximum max höhepunkt hoehepunkt sommet pico maximo maksimum 顶点 峰值"),
    "offset": _set("offset end stop to last until ende fin final 结束 终止"),
    "emotion": _set(
        "emotion emotions label class expression feeling affect sentiment category mood laune stimmung",
        "gefühl gefuehl émotion emoción 情绪 表情 标签",
    ),
    "units": _set("au aus unit units action actionunit actionunits facs ae aes 动作单元"),
    "fps": _set("fps framerate rate hz frequency bildrate 帧率"),
    "database": _set("database dataset corpus db source datenbank 数据库 数据集"),
    "type": _set("type kind typ art"),
}
TIMES = _set("s sec secs second seconds time times zeit sekunde sekunden temps 秒 时间")
