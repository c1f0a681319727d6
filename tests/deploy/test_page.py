"""The pages in a real browser: every action, live updates, keyboard, phone, dark mode, and what axe-core finds."""

from contextlib import contextmanager

import pytest
from chromium import barriers, chromium
from page_scene import PROJECT, analyses, links, log_in, scene

pytestmark = pytest.mark.xdist_group("page")

PATIENCE = 180_000
"""Milliseconds until a test fails that waits for something on a page."""
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
HOSTILE = "<img src=x onerror=hacked=1>"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A daemon with jobs in many states; what runs, runs for minutes."""
    with scene(tmp_path_factory.mktemp("lab"), slow=True) as opened:
        opened.queue("links.yaml", links("link-run-0171", *(f"fil.{number:04}" for number in range(250))))
        opened.queue(
            "failing.yaml", links("link-run-0172", *(f"fil.{n:02}{'-fail' if n < 3 else ''}" for n in range(9)))
        )
        opened.until("link-run-0171", "succeeded", "partial", "failed")
        opened.until("link-run-0172", "partial")
        samples = [f"sample-{number:03}" for number in range(60)]
        opened.queue(
            "running.yaml", analyses("germline-run-0173", *samples), analyses("somatic-run-0174", "a", after=["x"])
        )
        opened.until("germline-run-0173", "running")
        opened.drop(
            "bad.yaml", f"version: 1\njobs:\n  - name: {HOSTILE}\n    kind: ica.data_linking\n    acount: ica\n"
        )
        yield opened


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(lab, browser):
    """Opens a page as an operator; what the browser complains of, and requests to elsewhere, fail the test."""
    complaints = []

    @contextmanager
    def opened(path="/", *, logged_in=True, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on(
            "request", lambda request: complaints.append(request.url) if not request.url.startswith(lab.url) else None
        )
        if logged_in:
            log_in(page, lab.url, path)
        else:
            page.goto(lab.url + path)
        yield page
        context.close()

    yield opened
    assert complaints == []


def is_complaint(message):
    """Whether the browser reports an error, and not only that the answer to a form was a refusal."""
    return message.type == "error" and "the server responded with a status of 4" not in message.text


# ---------------------------------------------------------------- reading


def test_a_job_is_found_opened_and_searched(visit):
    """By search and by filter, through all pages of its items, and back to the list."""
    with visit("/", logged_in=False) as page:
        page.get_by_label("Search").fill("RUN-0171")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="link-run-0171").click()
        rows = page.locator("table.items tbody tr")
        assert rows.count() == 100
        page.get_by_role("link", name="Next page").click()
        page.get_by_text("fil.0100", exact=True).wait_for()
        page.get_by_label("Key contains").fill("0249")
        page.keyboard.press("Enter")
        page.get_by_text("fil.0249", exact=True).wait_for()
        assert rows.count() == 1
        page.get_by_role("link", name="Clear").click()
        page.get_by_label("State").select_option("failed")
        page.get_by_text("No item matches.").wait_for()
        page.get_by_role("link", name="Batches").click()
        page.get_by_role("row").filter(has_text="settled").first.wait_for()
        page.get_by_role("link", name="History").click()
        page.get_by_role("row").filter(has_text="confirm").first.wait_for()


def test_accounts_and_files_are_shown(visit):
    """The chart has a table behind it; a rejected file has its mistakes with their lines."""
    with visit("/accounts", logged_in=False) as page:
        page.get_by_role("img", name="requests in the last hour").wait_for()
        page.get_by_text("As a table").click()
        assert page.locator("figure table tbody tr").count() == 12
        page.get_by_role("link", name="Files").click()
        page.get_by_text("jobs[0].name").wait_for()
        page.get_by_role("link", name="running.yaml").click()
        page.get_by_role("link", name="germline-run-0173").wait_for()


def test_no_text_runs_as_a_script(visit):
    """A mistake that quotes markup shows it as it is."""
    with visit("/files", logged_in=False) as page:
        page.get_by_text(HOSTILE).first.wait_for()
        assert page.evaluate("typeof hacked") == "undefined"


# ---------------------------------------------------------------- changing


def test_a_job_is_paused_resumed_retried_and_cancelled(lab, visit):
    """Each after a question that says what will happen."""
    with visit("/jobs/link-run-0172") as page:
        page.get_by_role("link", name="Retry fil.00-fail").click()
        page.get_by_text("The item fil.00-fail is submitted again").wait_for()
        page.get_by_role("button", name="Retry the items").click()
        page.get_by_text("Accepted: retried link-run-0172 (1 item): 1 item is submitted again.").wait_for()
        lab.until("link-run-0172", "partial")
        assert lab.job("link-run-0172")["round"] == 2
        page.goto(f"{lab.url}/jobs/somatic-run-0174")
        page.get_by_role("link", name="Pause…").click()
        page.get_by_role("button", name="Pause", exact=True).click()
        page.get_by_role("heading", name="On hold: paused").wait_for()
        page.get_by_text("by Ada (token, from 127.0.0.1)").first.wait_for()
        page.get_by_role("link", name="Resume…").click()
        page.get_by_role("button", name="Resume", exact=True).click()
        page.get_by_text("Accepted: resumed somatic-run-0174.").wait_for()
        page.get_by_role("link", name="Cancel…").click()
        page.get_by_text("1 item not yet submitted: never sent.").wait_for()
        page.get_by_role("button", name="Cancel the job").click()
        page.get_by_text("Accepted: cancelled somatic-run-0174: ").wait_for()
        lab.until("somatic-run-0174", "cancelled")


def test_an_account_is_paused_and_resumed(visit):
    """From its card."""
    with visit("/accounts") as page:
        page.get_by_role("link", name="Pause…").click()
        page.get_by_role("button", name="Pause", exact=True).click()
        page.get_by_text("account ica is paused").first.wait_for()
        page.get_by_role("link", name="Resume…").click()
        page.get_by_role("button", name="Resume", exact=True).click()
        page.locator(".account .state.succeeded").wait_for()


def test_a_file_is_pasted_checked_corrected_and_queued(visit):
    """The mistakes have their lines, and the text stays in its field."""
    text = "version: 1\njobs:\n  - name: pasted-run\n    kind: ica.data_linking\n    acount: ica\n"
    with visit("/files") as page:
        field = page.get_by_label("Or paste the text of a queue file")
        field.fill(text)
        page.get_by_role("button", name="Only check").click()
        page.get_by_role("alert").get_by_text("line 5, jobs[0].acount").wait_for()
        assert field.input_value().replace("\r\n", "\n").strip() == text.strip()
        whole = text.replace("acount", "account") + f"    project: {PROJECT}\n    items: [{{dataId: fil.pasted}}]\n"
        field.fill(whole)
        page.get_by_role("button", name="Queue", exact=True).click()
        page.get_by_role("heading", name="pasted-run").wait_for()


def test_a_file_is_uploaded_with_its_table(visit):
    """Chosen together."""
    document = (
        b"version: 1\njobs:\n  - name: table-run\n    kind: ica.data_linking\n    account: ica\n"
        b"    project: 11111111-1111-1111-1111-111111111111\n    template: {dataId: '${id}'}\n    table: samples.csv\n"
    )
    files = [
        {"name": "table-run.yaml", "mimeType": "application/yaml", "buffer": document},
        {"name": "samples.csv", "mimeType": "text/csv", "buffer": b"id\nfil.t1\nfil.t2\n"},
    ]
    with visit("/files") as page:
        page.get_by_label("Queue file, with its tables").set_input_files(files)
        page.get_by_role("button", name="Queue", exact=True).click()
        page.get_by_role("heading", name="table-run").wait_for()
        page.get_by_text("Accepted: 1 job with 2 items.").wait_for()


def test_everything_works_without_javascript(lab, visit):
    """Reading, logging in, and an action; times are in UTC."""
    with visit("/jobs/germline-run-0173", java_script_enabled=False) as page:
        assert " UTC" in page.locator(".facts time").first.inner_text()
        page.get_by_role("link", name="Pause…").click()
        page.get_by_role("button", name="Pause", exact=True).click()
        page.get_by_role("heading", name="On hold: paused").wait_for()
        page.get_by_role("link", name="Resume…").click()
        page.get_by_role("button", name="Resume", exact=True).click()
        page.get_by_text("Accepted: resumed germline-run-0173.").wait_for()


def test_a_wrong_token_is_refused(visit):
    """With a message; the name stays."""
    with visit("/login", logged_in=False) as page:
        page.get_by_label("Your name").fill("Ada")
        page.get_by_label("Token").fill("wrong")
        with page.expect_response("**/login") as answer:
            page.get_by_role("button", name="Log in").click()
        assert answer.value.status == 401
        page.get_by_role("alert").get_by_text("not the token of this server").wait_for()
        assert page.get_by_label("Your name").input_value() == "Ada"


# ---------------------------------------------------------------- live


def test_a_page_stays_current_without_losing_the_place(lab, visit):
    """Scroll, focus, what is being typed, and what was opened stay; only what changed is changed."""
    with visit("/jobs/germline-run-0173", logged_in=False) as page:
        field = page.get_by_label("Key contains")
        field.fill("half a wo")
        page.mouse.wheel(0, 900)
        page.wait_for_function("scrollY > 300")
        row = page.locator("table.items tbody tr").nth(30)
        row.evaluate("row => { row.mark = 'the same element' }")
        before = page.evaluate("scrollY")
        lab.drop("pause.yaml", "version: 1\ncontrols: [{pause: germline-run-0173}]\n")
        page.get_by_role("heading", name="On hold: paused").wait_for(state="attached")
        assert row.evaluate("row => row.mark") == "the same element"
        assert field.input_value() == "half a wo"
        assert field.evaluate("field => field === document.activeElement")
        assert abs(page.evaluate("scrollY") - before) < 200  # the browser keeps what is in view in its place
        lab.drop("resume.yaml", "version: 1\ncontrols: [{resume: germline-run-0173}]\n")
        page.get_by_role("heading", name="On hold: paused").wait_for(state="detached")


def test_updates_can_be_paused(lab, visit):
    """By a button, and the page then asks for nothing."""
    with visit("/", logged_in=False) as page:
        page.get_by_role("button", name="Pause updates").click()
        page.get_by_text("Updates paused").wait_for()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        lab.drop("pause2.yaml", "version: 1\ncontrols: [{pause: germline-run-0173}]\n")
        page.wait_for_timeout(100)
        assert asked == []
        page.get_by_role("button", name="Resume updates").click()
        page.locator(".needs").get_by_text("paused").first.wait_for()
        lab.drop("resume2.yaml", "version: 1\ncontrols: [{resume: germline-run-0173}]\n")
        page.locator(".needs").wait_for(state="detached")


# ---------------------------------------------------------------- for everyone

PAGES = [
    "/",
    "/?q=nobody",
    "/jobs/germline-run-0173",
    "/jobs/link-run-0172",
    "/jobs/link-run-0172/batches",
    "/jobs/link-run-0172/history",
    "/jobs/link-run-0172/retry",
    "/jobs/germline-run-0173/cancel",
    "/accounts",
    "/accounts/ica/pause",
    "/files",
    "/login",
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_barrier(scheme, size, lab, visit):
    """On no page, in light and in dark, on a large screen and on a phone, which shows no page wider than itself."""
    with visit("/", color_scheme=scheme, **size) as page:
        for path in PAGES:
            page.goto(lab.url + path)
            assert barriers(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], path


@pytest.mark.parametrize("options", [PHONE, {"viewport": {"width": 690, "height": 900}}], ids=["phone", "paper"])
def test_a_report_fits_a_phone_and_paper(lab, visit, options):
    """Nothing of it lies beyond the edge, and no column is so narrow that its words are cut into letters."""
    with visit("/", **options) as page:
        url = f"{lab.url}/jobs/link-run-0172/report"
        report = page.request.get(url).body()  # as a saved file, without the headers that forbid the driver's scripts
        page.route(url, lambda route: route.fulfill(body=report, content_type="text/html"))
        page.goto(url)
        page.emulate_media(media="screen" if options is PHONE else "print")
        cells = "[...document.querySelectorAll('.scroll :is(caption, td)')]"
        assert (
            page.evaluate(f"Math.max(...{cells}.map(e => e.getBoundingClientRect().right))")
            <= options["viewport"]["width"]
        )
        widths = page.evaluate(
            "[...document.querySelectorAll('.listed tbody :is(th, td.text)')].map(e => e.clientWidth)"
        )
        assert min(width for width in widths if width) > 100


def test_axe_would_find_a_barrier(visit):
    """The test above can fail."""
    with visit("/", logged_in=False) as page:
        page.evaluate("document.querySelector('.brand img').removeAttribute('alt')")
        assert barriers(page)


def test_a_job_is_cancelled_by_keyboard_alone(lab, visit):
    """The first stop leads past the navigation, every stop can be seen, and Enter acts."""
    lab.queue("keys.yaml", analyses("keyboard-run", "a", after=["nobody"]))
    lab.until("keyboard-run", "waiting")
    with visit("/jobs/keyboard-run") as page:
        page.goto(page.url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        for _ in range(20):
            page.keyboard.press("Tab")
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            if page.evaluate("document.activeElement.textContent") == "Cancel…":
                break
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Cancel keyboard-run?").wait_for()
        page.get_by_role("button", name="Cancel the job").focus()
        page.keyboard.press("Enter")
        page.get_by_text("Accepted: cancelled keyboard-run: ").wait_for()


def test_a_printed_page_has_the_content_alone(visit):
    """No navigation, no form, no button."""
    with visit("/jobs/link-run-0172") as page:
        page.emulate_media(media="print")
        assert page.locator("h1").is_visible()
        assert page.locator("table.items").is_visible()
        for hidden in (".top nav", ".filter", ".actions", ".tabs", ".who"):
            assert not page.locator(hidden).is_visible(), hidden
