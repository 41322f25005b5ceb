"""The report in a headless Chromium: tables sort and filter, clips play, and everybody can use it."""

import json
import time

import pytest

from mer.testing.browser import axe_path, browser_path, browsing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser_path() is None, reason="no Chromium or Chrome on the path"),
]


@pytest.fixture(scope="module")
def browser():
    with browsing() as opened:
        yield opened


@pytest.fixture
def shown(browser, page):
    """The report as it opens."""
    browser.size(1280, 900)
    browser.events.clear()
    browser.open(page.as_uri())
    return browser


def column(browser, table, number):
    rows = f"[...document.querySelector('{table}').querySelectorAll('tbody tr')].filter(row => !row.hidden)"
    return browser.run(f"{rows}.map(row => row.cells[{number}].textContent)")


def head(table, number):
    return f"document.querySelectorAll('{table} thead th')[{number}].querySelector('button')"


def fill(browser, field, text):
    browser.run(f"{field}.value = {json.dumps(text)}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")


BOX = "document.querySelector('table.clips').parentElement.previousElementSibling.querySelector('input')"


def test_it_opens_without_a_request_and_without_a_complaint(shown, page):
    shown.run("document.querySelector('table.clips').scrollIntoView()")
    shown.wait("document.querySelector('img.thumb') !== null")
    asked = [address for address in shown.requests() if not address.startswith("data:")]
    assert asked == [page.as_uri()] and shown.complaints() == []
    assert shown.run("[...document.images].every(one => one.complete && one.naturalWidth > 0)")


def test_a_column_sorts_up_and_down_and_keeps_what_belongs_together(shown):
    shown.run(f"{head('table.scores', 3)}.click()")
    assert shown.run("document.querySelectorAll('table.scores th')[3].getAttribute('aria-sort')") == "ascending"
    names = column(shown, "table.scores", 0)
    scores = [float(text.split("[")[0]) for text in column(shown, "table.scores", 3)]
    assert scores[::3] == sorted(scores[::3]) and names[0].startswith("leak_test")
    assert [name.strip() for name in names[1::3]] == ["alpha"] * 3
    shown.run(f"{head('table.scores', 3)}.click()")
    assert column(shown, "table.scores", 0)[0].startswith("better")
    shown.run(f"{head('table.clips', 4)}.click()")
    wrong = [int(text.split()[0]) for text in column(shown, "table.clips", 4) if text != "–"]
    assert wrong == sorted(wrong) and wrong[0] < wrong[-1]


def test_rows_are_filtered_by_words_and_by_outcome(shown):
    everything = len(column(shown, "table.clips", 0))
    fill(shown, BOX, "beta S01")
    some = column(shown, "table.clips", 2)
    assert 0 < len(some) < everything and set(some) == {"s01"}
    assert set(column(shown, "table.clips", 1)) == {"beta"}
    fill(shown, BOX, "")
    shown.run("outcome.value = 'all'; outcome.dispatchEvent(new Event('change'))")
    lost = column(shown, "table.clips", 4)
    assert lost and all(text.split()[0] == text.split()[2] for text in lost)
    assert shown.run("document.querySelectorAll('#errors details table tbody tr').length") == len(lost)


def test_a_clip_is_looked_at_frame_by_frame_with_the_keyboard_alone(shown):
    shown.run(
        "document.querySelector('#every-clip').nextElementSibling.nextElementSibling.querySelector('select').focus()"
    )
    for _ in range(20):
        shown.press("Tab")
        if shown.run("document.activeElement.matches('table.clips [data-look]')"):
            break
    name = shown.run("document.activeElement.textContent")
    shown.press("Enter")
    assert shown.run("document.activeElement.id") == "look-name"
    assert shown.run("byId('look-name').textContent") == name
    products = shown.run("[...document.querySelectorAll('#look-pictures b')].map(one => one.textContent)")
    assert products[0] == "align/face" and {"magnify/three", "flow/apex", "rois/boxes"} <= set(products)
    for target in ("look-back", "look-on", "look-play", "look-frame"):
        shown.press("Tab")
        assert shown.run("document.activeElement.id") == target
    places = []
    for key in ("ArrowLeft", "ArrowRight", "ArrowRight"):
        shown.press(key)
        places.append(shown.run("[slider.value, document.querySelector('#look-pictures img').style.objectPosition]"))
    assert len({place for _, place in places}) == 3 or places[0] != places[1] != places[2]
    assert "frame" in shown.run("slider.getAttribute('aria-valuetext')")
    assert "frame" in shown.run("document.querySelector('#look-pictures img').alt")


def test_play_moves_the_frames_and_stops(shown):
    before = shown.run("slider.value")
    shown.run("byId('look-play').click()")
    shown.wait(f"slider.value !== '{before}'")
    assert shown.run("byId('look-play').getAttribute('aria-pressed')") == "true"
    shown.run("byId('look-play').click()")
    at = shown.run("slider.value")
    time.sleep(0.4)
    assert shown.run("slider.value") == at


def test_what_every_system_said_of_a_clip_is_beside_its_truth(shown):
    shown.run("document.querySelector('#errors details [data-look]').click()")
    rows = shown.run(
        "[...document.querySelectorAll('#look-verdicts tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    assert [row[0] for row in rows] == ["good", "better"]
    assert all("wrong" in row[3] and row[1] != row[2] for row in rows)
    first = shown.run("byId('look-name').textContent")
    shown.run("byId('look-on').click()")
    assert shown.run("byId('look-name').textContent") != first


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_fits_its_window_and_its_scheme(shown, width, dark):
    shown.size(width, 844, dark)
    shown.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert shown.run("document.documentElement.scrollWidth") <= width
    assert (shown.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)") is not dark


@pytest.mark.skipif(axe_path() is None, reason="axe-core-python is not installed")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_serious_barrier(shown, dark):
    shown.unfold(dark)
    assert shown.barriers() == []


def test_print_shows_what_was_folded_and_no_controls(shown):
    shown.ask("Emulation.setEmulatedMedia", media="print")
    try:
        seen = "getComputedStyle(document.querySelector('%s')).display"
        assert shown.run(seen % "#look") == "none" and shown.run(seen % ".tall") == "none"
        assert shown.run("document.querySelector('table.scores').offsetHeight") > 100
        folded = "document.querySelector('details:not([open]) table')"
        assert shown.run(f"{folded}.offsetHeight") > 20
    finally:
        shown.ask("Emulation.setEmulatedMedia", media="")
