"""A maker for every known release: invented rows with all its counts, in the columns and folders of the owner."""

from full_counts import invented, lengths
from full_release import Full, images, known, labels, named, units

from mer.datasets.casme_sq import FILMS, PEOPLE

WORDS = ("anger", "disgust", "fear", "happiness", "others", "sadness", "surprise")
THREE = ("negative", "positive", "surprise")
BOTH = ("micro", "macro")
ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII")
#: Images of one annotated expression where nobody knows how many there are.
FEW = 5


def casme2(year):
    """Return CASME II, with MEGC2019's clips by name, one without an apex, and four with the apex at the offset."""
    release = {2019: "CASME2-coding-20190701", 2014: "CASME2-coding-20140508"}[year]
    words = ("disgust", "fear", "happiness", "others", "repression", "sadness", "surprise")
    rows = invented(
        "casme2", known("casme2", release), named("casme2", "CASME2-coding-20190701"), labels(words), 1, year
    )
    left_out = {"sub04": ["EP12_01f"], "sub05": ["EP09_05f"], "sub24": ["EP07_01", "EP07_04f", "EP10_03"]}
    header = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units"]
    full = Full("casme2", release, f"{release}.xlsx", above=[[*header, "Estimated Emotion"]], column=8)
    classes = [["Subject", "Filename", "Objective Class"]]
    for at, (row, length) in enumerate(zip(rows, lengths(len(rows), 24, 141, 67.21), strict=True)):
        clip = left_out[row.subject].pop(0) if row.label.out else f"EP{50 + at // 20}_{at % 20:02d}f"
        first = 20 + at
        apex = {"EP12_01f": "/", "EP09_05f": first}.get(
            clip, first + length - 1 if 9 < at < 14 else first + length // 3
        )
        number = row.subject[3:] if at % 2 else int(row.subject[3:])
        full.rows.append([number, clip, None, first, apex, first + length - 1, None, units(row), row.label.emotion])
        folder = f"CASME2_RAW_selected/CASME2_RAW_selected/{row.subject}/{clip}"
        full.files.append(images(folder, first, length, "img{}.jpg"))
        classes.append([number, clip, ROMAN[int(row.objective)]])
    full.beside = {"CASME2-ObjectiveClasses.xlsx": classes}
    return full


def samm(release="SAMM_Micro_FACS_Codes_v2", preamble=13):
    """Return SAMM, below rows of preamble, with the two apexes that are none as a sheet in circulation has them."""
    rows = invented("samm", known("samm", release), named("samm", release), labels((*WORDS, "contempt")))
    header = [
        "Subject",
        "Filename",
        "Inducement Code",
        "Onset Frame",
        "Apex Frame",
        "Offset Frame",
        "Duration",
        "Micro",
    ]
    header += ["Action Units", "Estimated Emotion", "Objective Classes", "Notes"]
    above = [*([["SAMM"], *[[None]] * 11, ["key", '"?" unclear']][:preamble]), header]
    full = Full("samm", release, f"{release}.xlsx", "MICRO_ONLY", above, form=(960, 650, True), column=9)
    odd = {"028": ("028_4_1", 1071, 1143, 64), "032": ("032_3_1", 4896, 1930, 75)}
    spare = lengths(len(rows) - 2, 30, 101, (round(74.31 * 159) - 64 - 75) / 157)
    for at, row in enumerate(rows):
        clip, first, apex, length = odd.pop(row.subject, (f"{row.subject}_9_{at}", 100 + at, None, None))
        length = length or spare.pop()
        word = {"others": "Other"}.get(row.label.emotion, row.label.emotion.capitalize())
        last, cell = first + length - 1, apex or first + length // 2
        number = row.subject if at % 2 else int(row.subject)
        cells = [number, clip, 1, first, cell, last, length, "Micro - 1/2", units(row), word, int(row.objective), None]
        full.rows.append(cells)
        pattern = f"{row.subject}_{{:0{4 + at % 2}d}}.jpg"
        full.files.append(images(f"SAMM/{row.subject}/{clip}", first, length, pattern))
    return full


def smic(camera):
    """Return the clips of one camera of SMIC, which has no table."""
    dataset, top = f"smic_{camera}", f"SMIC_all_raw/{camera.upper()}"
    people = named(dataset, "") or [f"s{number}" for number in range(11, 19)]
    rows = invented(dataset, known(dataset, ""), people, labels(THREE))
    rows.sort(key=lambda row: row.label.emotion)
    some = lengths(len(rows), 11, 58, 33.7) if camera == "hs" else [FEW] * len(rows)
    full, turns = Full(dataset, ""), {}
    for at, (row, length) in enumerate(zip(rows, some, strict=True)):
        code = {"negative": "ne", "positive": "po", "surprise": "sur"}[row.label.emotion]
        turn = turns[row.subject, code] = turns.get((row.subject, code), 0) + 1
        who = f"s{int(row.subject[1:])}"
        folder = f"{top}/{who}/micro/{row.label.emotion}/{who}_{code}_{turn:02d}"
        full.files.append(images(folder, 400 + at, length, "image{:06d}.bmp" if camera == "hs" else "{:05d}.bmp"))
    return full


def smic_e(camera):
    """Return the long clips of one camera of SMIC-E, one expression in each."""
    dataset, upper = f"smic_e_{camera}", camera.upper()
    counts = known(dataset, "").counts
    header = ["Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F"]
    header += [*([] if camera == "vis" else ["Onset3F", "Offset3F"]), None, "FirstF", "LastF", "Emotion"]
    top = f"SMIC-E_raw image/{upper}_long/SMIC-{upper}-E"
    full = Full(dataset, "", f"{top}/SMIC-{upper}-E_annotation.xlsx", above=[header])
    for at in range(counts["videos"]):
        who = at % counts["subjects"] + 1
        clip = f"s{who}_{('ne', 'po', 'sur')[at % 3]}_{at:02d}"
        blank = [None] * (len(header) - 8)
        full.rows.append([f"s{who:02d}", clip, None, 1003, 1009, *blank, 1000, 1011, THREE[at % 3]])
        full.files.append(images(f"{top}/s{who:02d}/{clip}", 1000, 12, "image{:06d}.jpg"))
    return full


def mmew():
    """Return MMEW, whose folder for `others` is called repression."""
    release = "MMEW_Micro_Exp"
    codes = dict(
        zip(("happiness", "surprise", "disgust", "others", "fear", "sadness", "anger"), range(1, 8), strict=True)
    )
    rows = invented("mmew", known("mmew", release), named("mmew", release), labels(WORDS))
    header = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"]
    full = Full("mmew", release, f"{release}.xlsx", above=[[*header, "remarks"]], form=(231, 231, False))
    full.column = 6
    for at, (row, last) in enumerate(zip(rows, lengths(len(rows), 14, 77, 37.96), strict=True)):
        clip = f"{row.subject}-{codes[row.label.emotion]:02d}-{100 + at}"
        full.rows.append([int(row.subject[1:]), clip, 1, 2 + last // 3, last, units(row), row.label.emotion, None])
        folder = {"others": "repression"}.get(row.label.emotion, row.label.emotion)
        full.files.append(images(f"MMEW_Final/Micro_Expression/{folder}/{clip}", 1, last))
    return full


def casme_sq():
    """Return CAS(ME)^2, whose table has no header; offsets of 44 macro-expressions are 0."""
    people = [f"s{number}" for number in PEOPLE.values()]
    rows = invented("casme_sq", known("casme_sq", ""), people, labels((*THREE, "others"), BOTH), len(FILMS))
    numbers = {f"s{folder}": participant for participant, folder in PEOPLE.items()}
    full = Full("casme_sq", "", "CAS(ME)^2code_final.xlsx", "CASFEcode_final", column=6)
    short, macro = lengths(57, 9, 17, 13.58), 0
    for at, row in enumerate(rows):
        length = short.pop() if row.label.kind == "micro" else 20
        macro += row.label.kind == "macro"
        video, first = f"{list(FILMS)[row.film]}_{at}", 30 + at
        last = 0 if row.label.kind == "macro" and macro <= 44 else first + length - 1
        cells = [numbers[row.subject], video, first, first + length // 2, last, units(row) or "NULL", row.label.emotion]
        full.rows.append([*cells, f"{row.label.kind}-expression", "happyiness"])
        full.files.append(images(f"selectedpic/{row.subject}/{video}", first, length, "img{:03d}.jpg"))
    return full


def samm_lv(release):
    """Return SAMM Long Videos: 12 movements began before the video, 6 have no apex, one name stands for two rows."""
    people = [f"{number:03d}" for number in range(1, 31)]
    rows = invented("samm_lv", known("samm_lv", release), people, labels(("",), BOTH), 20)
    header = ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type", "Action Units"]
    above = [["SAMM Long Videos"], *[[None]] * 8, [*header, "Notes"]]
    table = f"{release if release[-1] == 'e' else 'SAMM_LongVideos_V1_Release'}.xlsx"
    full = Full("samm_lv", release, table, "FACS_Movement_Only", above, form=(204, 108, True), column=7)
    turns, ends, macros = {}, {}, 0
    for at, row in enumerate(rows):
        video = f"{row.subject}_{row.film + 1}"
        turn = turns[video, row.label.kind] = turns.get((video, row.label.kind), 0) + 1
        first = ends.get(video, 0) + 3
        last = ends[video] = first + FEW - 1
        macros += row.label.kind == "macro"
        early, none = row.label.kind == "macro" and macros <= 12, 100 <= at < 106
        apex = -1 if none else first + 2 - (0.5 if at % 4 == 3 else 0)
        # The names of two kinds differ, but for those of one video.
        name = f"{video}_{turn + 50 * (row.label.kind == 'macro' and video != rows[0].subject + '_1')}"
        kind = {"micro": "Micro - 1/2", "macro": "Macro"}[row.label.kind]
        cells = [row.subject, name, 1, at % 2 if early else first, apex, last, last - first + 1, kind, "AU4+7", None]
        full.rows.append(cells)
        full.files.append(images(f"SAMM_longvideos/{video}", first - 2, FEW + 2, f"{video}_{{:04d}}.jpg"))
    return full


def casme3a(release, kinds=("micro",), words=WORDS):
    """Return part A of CAS(ME)^3 in one of its tables: every cell is text."""
    counts = known("casme3a", release).counts
    people = [f"spNO.{number}" for number in range(1, counts.get("subjects", 98) + 1)]
    rows = invented("casme3a", known("casme3a", release), people, labels(words, kinds), 13)
    both = len(kinds) == 2
    header = ["Subject", "Filename", "Expression type"] if both else ["Subject", "Filename"]
    header += ["Onset", "Apex", "Offset", "AU", *([] if both else ["Objective class", "emotion"])]
    table = f"{release}.{'xlsx' if '_v2' in release and not both else 'xls'}"
    full = Full("casme3a", release, table, "AU+Emotion" if both else "label", [header], form=(1280, 720, False))
    full.column = 2 if both else 7
    ends = {}
    for at, row in enumerate(rows):
        letter = "abcdefghijklm"[row.film]
        first = ends.get((row.subject, letter), 0) + 9
        last = ends[row.subject, letter] = first + FEW - 1
        emotion = {"happiness": "happy", "sadness": "sad"}.get(row.label.emotion, row.label.emotion)
        emotion = "Others" if emotion == "others" and at % 50 == 0 else emotion
        when = [str(first), str(first + 2), str(last)]
        shown = [] if both else [ROMAN[int(row.objective or 0)], emotion]
        kind = [f"{row.label.kind.capitalize()}-expression"] * both
        cell = str(units(row) or "4")
        cell = "43" if cell == "4" and not row.units else cell
        full.rows.append([row.subject, letter.upper() if at == 7 else letter, *kind, *when, cell, *shown])
        folder = f"part_A/data/part_A_split/part_A/{row.subject}/{letter}/color"
        full.files.append(images(folder, first, FEW))
    if both:
        full.options = {"table": table}
    return full


def casme3c():
    """Return part C of CAS(ME)^3: onset and offset count the images of a person's folder."""
    release = "CAS(ME)3_part_C_ME"
    rows = invented("casme3c", known("casme3c", release), [f"s{n}" for n in range(1, 31)], labels((*THREE, "others")))
    header = ["sub", "count", "onset", "offset", "au", "emotion"]
    full = Full("casme3c", release, f"{release}.xlsx", "mockCrimeME", [header], form=(1280, 720, False), column=5)
    ends = {}
    for row in rows:
        first = ends.get(row.subject, 0) + 1
        last = ends[row.subject] = first + FEW - 1
        number = int(row.subject[1:])
        full.rows.append([number, 1, first, last, "4，7,", row.label.emotion])
        full.files.append(images(f"part_C/spNO.{number}/color", first, FEW))
    return full


def fourdme():
    """Return the micro-expressions of 4DME."""
    rows = invented("fourdme", known("fourdme", ""), [f"S{n:02d}" for n in range(1, 42)], labels(THREE))
    header = ["fold", "sub_ID'", "fold_name'", "Onset", "Apex", "Offset", "AUs", "Emotion"]
    full = Full("fourdme", "", "4DME_Labelling_Micro_release v1.xlsx", above=[header], form=(200, 220, True))
    for at, row in enumerate(rows):
        clip = f"{row.subject}_1st_{at:03d}"
        cells = [1, f"{row.subject}'", clip, 10, 12, 14, units(row), row.label.emotion.capitalize()]
        full.rows.append(cells)
        full.files.append(images(f"gray_micro/{row.subject}/{clip}", 10, FEW))
    return full


def casme():
    """Return CASME, of which no more than the rows and units are known."""
    rows = invented("casme", known("casme", ""), [f"sub{n:02d}" for n in range(1, 20)], labels(("tense", "disgust")))
    header = ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AUs", "Emotion"]
    full = Full("casme", "", "Coding Final.xls", above=[header], form=(150, 190, False))
    for at, row in enumerate(rows):
        clip = f"EP{50 + at // 20}_{at % 20}"
        number = int(row.subject[3:])
        full.rows.append([number, clip, None, 10, 12, 12, 14, None, units(row), row.label.emotion])
        full.files.append(images(f"Cropped/{row.subject}/{clip}", 10, FEW, f"reg_{clip}-{{}}.jpg"))
    return full


def meview():
    """Return MEVIEW with its doubtful and its blank words, and decimals for lists."""
    people = [f"sub{number:02d}" for number in (*range(1, 12), *range(13, 17))]
    words = ("surprise", "happiness", "contempt", "anger", "fear", "fear?", "contempt/disgust", "")
    rows = invented("meview", known("meview", "MEVIEW"), people, labels(words))
    header = ["Subject", "Filename", "OnsetFrame", "OffsetFrame", "VideoFile", "StartFrameVideo", "EndFrameVideo"]
    header += ["Length", "Action Units", "Emotion", "Note"]
    full = Full("meview", "MEVIEW", "MEVIEW.xls", "List 1", [header], form=(1280, 720, False), column=9)
    contempt = 0
    for at, row in enumerate(rows):
        emotion = {"happiness": "happy", "": None}.get(row.label.emotion, row.label.emotion)
        if emotion == "contempt":
            contempt += 1
            emotion = "comtempt" if contempt == 1 else emotion
        clip, event = f"{row.subject}-{at}", not 20 < at < 24
        when = [5, 12] if event else [0, 0]
        number = int(row.subject[3:])
        cells = [number, clip, *when, "show.mp4", 105, 112, 8, 1.2 if at % 2 else "12+L14", emotion, None]
        full.rows.append(cells)
        full.files.append([f"MEVIEW/{clip}.mp4"])
    return full


def rld():
    """Return the trial clips, with a table of speakers."""
    header = ["id", *(f"gesture{k}" for k in range(39)), "class"]
    top = "Real-life_Deception_Detection_2016"
    table = f"{top}/Annotation/All_Gestures_Deceptive and Truthful.csv"
    full = Full("rld", "", table, above=[header], form=(320, 240, False), column=40)
    speakers = [["video", "subject"]]
    for word, code, number in (("deceptive", "lie", 61), ("truthful", "truth", 60)):
        for at in range(1, number + 1):
            clip = f"trial_{code}_{at:03d}.mp4"
            full.rows.append([clip, *[at % 2] * 39, word])
            full.files.append([f"{top}/Clips/{word.capitalize()}/{clip}"])
            speakers.append([clip, f"p{at % 28}{code[0]}"])
    full.beside = {"subjects.csv": speakers}
    return full


def flow_images():
    """Return the flow images of the MEGC2019 composite."""
    people = {part: named("flow_images", "", f"{part} subject ") for part in ("smic_hs", "casme2", "samm")}
    rows = invented("flow_images", known("flow_images", ""), people, labels(THREE, tuple(people)))
    table = "combined_3_class2_for_optical_flow.csv"
    full = Full("flow_images", "", table, above=[["", "dataset", "sub", "filename_o", "label"]], form=(28, 28, False))
    full.column = 4
    for at, row in enumerate(sorted(rows, key=lambda row: row.label.emotion)):
        sub = str(int(row.subject)) if row.label.kind == "samm" else row.subject
        name = {"smic_hs": "smic"}.get(row.label.kind, row.label.kind)
        full.rows.append([at, name, sub, f"clip{at}", THREE.index(row.label.emotion)])
        full.files.append([f"STSNet_whole_norm_u_v_os/{sub}_clip{at} .png"])
    return full


INDEX = "cas(me)3_part_A_ME_label_JpgIndex"
CAMERAS = ("hs", "vis", "nir")
#: Database and release -> its maker.
RELEASES = {
    ("casme2", "CASME2-coding-20190701"): lambda: casme2(2019),
    ("casme2", "CASME2-coding-20140508"): lambda: casme2(2014),
    ("samm", "SAMM_Micro_FACS_Codes_v2"): samm,
    ("samm", "SAMM_20181215_Micro_FACS_Codes_v2"): lambda: samm("SAMM_20181215_Micro_FACS_Codes_v2", 0),
    **{(f"smic_{camera}", ""): lambda camera=camera: smic(camera) for camera in CAMERAS},
    **{(f"smic_e_{camera}", ""): lambda camera=camera: smic_e(camera) for camera in CAMERAS},
    ("mmew", "MMEW_Micro_Exp"): mmew,
    ("casme_sq", ""): casme_sq,
    **{
        ("samm_lv", name): lambda name=name: samm_lv(name) for name in ("SAMM_LongVideos_V2_Release", "SAMM_LongVideos")
    },
    **{("casme3a", f"{INDEX}_{v}"): lambda v=v: casme3a(f"{INDEX}_{v}") for v in ("v1", "v2", "v2_20250903")},
    ("casme3a", "CAS(ME)3_part_A_v2"): lambda: casme3a("CAS(ME)3_part_A_v2", BOTH, ("",)),
    ("casme3a", "CAS(ME)3_part_A_v1"): lambda: casme3a("CAS(ME)3_part_A_v1", BOTH, ("",)),
    ("casme3c", "CAS(ME)3_part_C_ME"): casme3c,
    ("fourdme", ""): fourdme,
    ("casme", ""): casme,
    ("meview", "MEVIEW"): meview,
    ("rld", ""): rld,
    ("flow_images", ""): flow_images,
}
