"""The page in a headless Chromium: the film plays, the keys work, and a review survives on its way to the results."""

import json

import analysis_world as world
import pytest

from mer.analysis.command import Options, run_analyze
from mer.testing.browser import axe_path, browser_path, browsing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser_path() is None, reason="no Chromium or Chrome on the path"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return world.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def analysed(model, tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    world.write_film(root / "moves.mp4", world.film(90, onset=(20, 56)))
    (found,), complete = run_analyze([root / "moves.mp4"], Options(root / "out", model), print)
    assert complete and len(found["intervals"]) == 2
    return root, found


@pytest.fixture(scope="module")
def browser(analysed):
    root, _ = analysed
    with browsing(root) as opened:
        yield opened


@pytest.fixture
def page(browser, analysed):
    """A page as on a first visit."""
    browser.size(1280, 900)
    browser.events.clear()
    address = (analysed[0] / "out" / "moves.mp4" / "page.html").as_uri()
    browser.open(address)
    browser.run("localStorage.clear()")
    browser.open(address)
    browser.wait("typeof film !== 'undefined' && film.readyState >= 2")
    return browser


def frame(page):
    return page.run("place.frame")


def test_asks_for_nothing_and_complains_of_nothing(page, analysed):
    root, _ = analysed
    page.press("n")
    page.press("a")
    page.press(" ")
    page.wait("!film.paused")
    assert {address.partition(":")[0] for address in page.requests()} <= {"file", "data"}
    assert {a for a in page.requests() if a.startswith("file:")} == {
        (root / "out" / "moves.mp4" / "page.html").as_uri()
    }
    assert page.complaints() == []


def test_the_film_has_every_frame_at_its_own_time(page):
    assert page.run("film.duration") == pytest.approx(90 / world.FPS, abs=0.02)
    assert page.run("[film.videoWidth, film.videoHeight]") == [300, 240]
    page.run("seek(31)")
    page.wait("!film.seeking")
    assert page.run("film.currentTime") == pytest.approx(31.5 / world.FPS, abs=1e-3)


def test_film_and_playhead_move_together(page):
    page.press(" ")
    page.wait("place.frame > 10", 30)
    assert page.run("document.getElementById('play').textContent") == "Pause"
    page.press(" ")
    page.wait("film.paused")
    page.run("new Promise(done => setTimeout(done, 200))")
    assert frame(page) == int(page.run("film.currentTime") * world.FPS + 1e-3)
    assert page.run("canvas.getAttribute('aria-valuenow')") == str(frame(page))


def test_keys_step_frames_and_a_click_jumps(page):
    for key, expected in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.press(key)
        assert frame(page) == expected
    page.press("ArrowRight", shift=True)
    assert frame(page) == 31
    box = page.run("(({x, y, width}) => [x, y, width])(canvas.getBoundingClientRect())")
    page.click(box[0] + box[2] / 2, box[1] + 60)
    assert abs(frame(page) - 45) <= 1
    page.run("byId('keys').checked = false; document.activeElement.blur()")
    at = frame(page)
    page.press("ArrowRight")
    assert frame(page) == at


def test_a_loop_stays_around_its_interval_and_slow_is_slow(page, analysed):
    first = analysed[1]["intervals"][0]
    page.press("n")
    page.press("l")
    page.run("setSpeed(4); film.play()")
    page.run("window.seen = []; place.watchers.push(k => seen.push(k)); new Promise(done => setTimeout(done, 2500))")
    low, high = page.run("[Math.min(...seen), Math.max(...seen)]")
    room = round(0.3 * world.FPS)
    assert first["onset"] - room <= low and high <= first["offset"] + room + 3
    assert page.run("seen.some((k, i) => i && k < seen[i - 1])")
    page.run("setSpeed(1)")
    page.press("s")
    assert page.run("film.playbackRate") == 0.5


def test_a_review_reaches_the_results_and_comes_back(page, analysed, model):
    root, found = analysed
    page.press("n")
    page.press("a")
    page.press("n")
    page.press("r")
    page.run("items[1].note || setField(1, 'note', 'a blink <b>')")
    page.run("setField(0, 'emotion', 'contempt')")
    page.run("seek(3)")
    page.press("[")
    page.run("seek(9)")
    page.press("]")
    assert page.run("byId('progress').textContent") == "2 of 2 candidates judged, 1 of your own"
    # What was said is there again when the page is.
    page.open(page.run("location.href"))
    assert page.run("items.map(one => one.verdict)") == ["accepted", "rejected", "accepted"]
    page.run("save()")
    saved = root / "moves.mp4.review.json"
    for _ in range(100):
        if saved.exists() and saved.stat().st_size:
            break
        page.run("new Promise(done => setTimeout(done, 100))")
    assert json.loads(saved.read_text())["intervals"][0]["emotion"] == "contempt"
    (again,), complete = run_analyze([root / "moves.mp4"], Options(root / "again", model, reviewed=saved), print)
    assert complete
    assert [one["review"]["verdict"] for one in again["intervals"]] == ["accepted", "rejected"]
    assert again["own_intervals"][0]["onset"] == 3 and again["own_intervals"][0]["offset"] == 9
    table = (root / "again" / "moves.mp4" / "intervals.csv").read_text().splitlines()
    assert len(table) == 3 and "contempt" in table[2] and "accepted" in table[2]
    page.run("localStorage.clear()")
    page.open((root / "again" / "moves.mp4" / "page.html").as_uri())
    assert page.run("items.map(one => [one.verdict, one.note])") == [["accepted", ""], ["rejected", "a blink <b>"],
                                                                     ["accepted", ""]]  # fmt: skip
    assert "1 added" in page.run("document.body.textContent")
    assert found["intervals"][1]["review"] is None


def test_undo_takes_back_step_by_step(page):
    before = page.run("JSON.stringify(items)")
    page.press("n")
    page.press("r")
    page.run("setLimit(0, 'onset')")
    page.press("u")
    assert page.run("items[0].verdict") == "rejected"
    page.press("z", control=True)
    assert page.run("JSON.stringify(items)") == before
    assert page.run("byId('undo').disabled")
    assert page.run("byId('said').textContent") == "Undone."


def test_another_films_review_is_refused_by_the_page(page):
    page.run("load(new File([JSON.stringify({format: data.format, film: 'other', intervals: []})], 'x.json'))")
    assert page.run("byId('said').textContent") == "x.json reviews another film."
    page.run("load(new File(['{'], 'y.json'))")
    assert page.run("byId('said').textContent") == "y.json is no review of mer."


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_fits_its_window_and_its_scheme(page, width, dark):
    page.size(width, 844, dark)
    page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.run("document.documentElement.scrollWidth") <= width
    light = page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light is not dark
    # The timeline is drawn in the scheme's colours, too.
    middle = page.run(
        "(all => all.sort((a, b) => a - b)[all.length >> 1])([...new Uint32Array(canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height).data.buffer)].filter(one => one >>> 24 === 255)"
        ".map(one => one & 255))"
    )
    assert (middle < 128) is dark


def test_everything_that_can_be_used_has_a_name_and_can_be_reached(page):
    used = "button, select, input:not([type=file]), [role=slider], video, img"
    named = "one.getAttribute('aria-label') || one.alt || one.textContent.trim() || one.labels?.length"
    unnamed = page.run(f"[...document.querySelectorAll('{used}')].filter(one => !({named})).map(one => one.outerHTML)")
    assert unnamed == []
    assert page.run("new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size") == page.run(
        "document.querySelectorAll('[id]').length"
    )
    assert page.run("[...document.querySelectorAll('[tabindex]')].every(one => one.tabIndex <= 0)")
    assert page.run("document.querySelector('[role=status]').getAttribute('aria-live')") == "polite"
    page.run("document.activeElement.blur(); window.visited = []")
    for _ in range(40):
        page.press("Tab")
        page.run("visited.push(document.activeElement.id || document.activeElement.tagName)")
    order = page.run("visited")
    assert [order.index(name) for name in ("play", "loop", "save", "timeline")] == sorted(
        order.index(name) for name in ("play", "loop", "save", "timeline")
    )
    page.run("canvas.focus()")
    assert page.run("getComputedStyle(canvas).outlineStyle") == "solid"
    page.run("byId('keys').checked = false")
    page.press("ArrowRight")
    assert "frame 1" in page.run("canvas.getAttribute('aria-valuetext')")


@pytest.mark.skipif(axe_path() is None, reason="axe-core-python is not installed")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_serious_barrier(page, dark):
    page.unfold(dark)
    assert page.barriers() == []


def test_the_slider_shows_more_or_less_of_the_enlarged_motion(page):
    shown = "getComputedStyle(document.querySelector('.compare .after')).clipPath"
    slider = "document.querySelector('.compared input')"
    page.run(f"{slider}.value = 100; {slider}.dispatchEvent(new Event('input'))")
    whole = page.run(shown)
    page.run(f"{slider}.value = 0; {slider}.dispatchEvent(new Event('input'))")
    assert "100%" in page.run(shown) and "100%" not in whole
