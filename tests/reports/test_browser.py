"""A report in a real browser: headless Chromium, with no network but the file."""

import os
import shutil

import pytest

from tlprobe.reports.report import report

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("TLPROBE_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
_SWITCHES = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
    *("disable-background-networking", "disable-component-update", "disable-sync"),
)
ARGUMENTS = [f"--{switch}" for switch in _SWITCHES]
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "device_scale_factor": 2}


@pytest.fixture(scope="module")
def file(fake, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    fake.study_cells().save(folder / "study")
    runs = [fake.save_run(folder / name, fake.fit(run=name, seed=k)) for k, name in enumerate(("r0", "r" * 60))]
    heard = fake.save_attribute(folder / "heard")
    return report([folder / "study", *runs, heard], out=folder / "report.html")


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install 'tlprobe[browser]'")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, file):
    """Open the report, and see afterwards that it complained of nothing and asked for nothing."""
    contexts, complaints, requests = [], [], []

    def call(**options):
        contexts.append(browser.new_context(**(options or DESKTOP)))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        return page

    yield call
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} == {file.as_uri()}


def cells_table(page):
    return page.locator("table.sortable").filter(has_text="difference to full")


def test_it_opens_without_a_complaint_and_draws_all_pictures(open_page):
    page = open_page()
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 50)")
    assert page.title() == "What transferred to birds"


@pytest.mark.parametrize("how", ["click", "Enter", "Space"])
def test_a_table_sorts_by_numbers(open_page, how):
    page = open_page()
    head = cells_table(page).locator("th", has_text="last epoch")
    number = 1 + head.evaluate("h => h.cellIndex")

    def shares():
        cells = cells_table(page).locator(f"tbody td:nth-child({number})")
        return [float(text.split()[0]) for text in cells.all_text_contents()]

    before = shares()
    for way, ordered in (("ascending", sorted(before)), ("descending", sorted(before, reverse=True))):
        button = head.locator("button")
        if how == "click":
            button.click()
        else:
            button.focus()
            page.keyboard.press(how)
        assert head.get_attribute("aria-sort") == way
        assert shares() == ordered
    assert cells_table(page).locator("th[aria-sort]").count() == 1


def test_what_is_missing_comes_last_both_ways(open_page):
    page = open_page()
    head = cells_table(page).locator("th", has_text="difference")
    number = 1 + head.evaluate("h => h.cellIndex")
    for _ in range(2):
        head.locator("button").click()
        cells = cells_table(page).locator(f"tbody td:nth-child({number})").all_text_contents()
        assert cells[-1] == "\N{EM DASH}"


def test_without_a_script_all_is_there(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("th", has_text="last epoch").first.is_visible()
    assert page.locator("th button").count() == 0
    context.close()


def test_a_sound_plays(open_page):
    page = open_page()
    sound = page.locator("audio").first
    page.wait_for_function("document.querySelector('audio').readyState >= 1")
    assert sound.evaluate("a => a.duration") == pytest.approx(0.5, abs=0.01)
    assert sound.evaluate("a => { a.muted = true; return a.play().then(() => true) }")
    assert sound.evaluate("a => a.error") is None


def test_the_first_tab_stop_skips_to_the_summary(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(open_page, scheme):
    page = open_page(**PHONE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")


def test_on_paper_all_figures_and_tables_are_whole(open_page, tmp_path):
    page = open_page(viewport={"width": 720, "height": 1000})  # about A4 less its margins
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    shown = page.eval_on_selector_all("img", "all => all.map(i => i.getBoundingClientRect().height > 40)")
    assert shown
    assert all(shown)
    assert page.eval_on_selector_all("details", "all => all.every(d => d.open)")
    assert page.evaluate(
        "[...document.querySelectorAll('table, img')].every(e => e.getBoundingClientRect().right <= 721)"
    )
    assert len(page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)) > 50_000
