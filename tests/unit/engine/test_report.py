"""The report of a job: what it says to someone who has not seen the run, and that nothing in it breaks out."""

import base64
import hashlib
import re
from functools import partial

import pytest
from documents import START, item, job
from report_pages import Read, failed, page_of

from orchestrator.clock import SECOND
from orchestrator.domain.model import ItemState, JobState, Needs
from orchestrator.domain.units import HOUR
from orchestrator.engine.report import chart, outcome
from orchestrator.engine.report.context import Context, web_link
from orchestrator.engine.report.outcome import BINS, MOST_LISTED, MOST_REASONS, Outcome, Timeline
from orchestrator.engine.report.page import MEANINGS, MOST_BYTES, SYMBOLS
from orchestrator.engine.report.sentences import duration, headline

WEB = "https://platform.example.org/{project}/runs/{remote_id}"


# ---------------------------------------------------------------- what it says


def test_it_says_what_happened_to_someone_who_has_not_seen_the_run():
    """How many of how many, why not the others, which, when, by whom, from which file, and where to look."""
    context = Context("The Platform", "Starts one analysis for each item.", partial(web_link, WEB, "p1"))
    items = [item(1), item(2), failed(3), failed(4), item(5, state=ItemState.ABORTED, status="ABORTED")]
    read = Read(page_of(items, context=context, started_at=START + 60 * SECOND))
    for text in (
        "2 of 5 items succeeded; 2 failed, 1 was aborted.",
        "ran for 1 h 59 min and ended on 15 November 2023, 00:13 UTC",
        "Starts one analysis for each item.",
        "ica on The Platform",
        "11111111-1111-1111-1111-111111111111",
        "run-0172.yaml",
        "user id 1000",
        "2 \N{MULTIPLICATION SIGN}failed out of memory run-0172/s3",
        "1 ▪aborted ABORTED run-0172/s5",
        "All 3, in the order of the queue file.",
        "analysis-4",
        "orchestrator retry germline-run-0172",
    ):
        assert text in read.text, text
    links = [value for tag, name, value in read.attributes if (tag, name) == ("a", "href")]
    assert links == [f"https://platform.example.org/p1/runs/analysis-{seq}" for seq in (3, 4, 5)]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"state": JobState.SUCCEEDED}, "All 2 items succeeded."),
        ({"state": JobState.SUCCEEDED, "counts": {}}, "The job succeeded with 0 items."),
        ({"state": JobState.FAILED}, "None of 2 items succeeded."),
        ({"state": JobState.CANCELLED, "cancelled_at": START}, "Cancelled; 2 of 2 items succeeded."),
        (
            {"state": JobState.SKIPPED, "detail": "link-run failed", "counts": {}},
            "did not end as required. link-run failed",
        ),
        ({"state": JobState.RUNNING, "settled_at": None}, "Still running: 2 of 2 items have ended, 2 succeeded."),
        ({"state": JobState.WAITING, "settled_at": None, "started_at": None}, "Nothing was submitted so far."),
        ({"needs": Needs.BLOCKED, "detail": "batch 3: refused"}, "On hold (blocked): batch 3: refused"),
        ({"round": 3}, "3: the job was retried 2 times after it had ended"),
    ],
)
def test_it_says_how_the_job_ended_or_how_far_it_is(fields, says):
    """Each state of a job has its sentence; a job on hold has the reason."""
    assert says in Read(page_of([item(1), item(2)], **fields)).text


def test_every_state_has_a_sign_and_a_meaning():
    """Colour alone distinguishes nothing."""
    assert SYMBOLS.keys() == MEANINGS.keys() == set(ItemState)
    assert len({*SYMBOLS.values()}) == len(ItemState)
    assert all(headline(job(state=state)) for state in JobState)


def test_found_items_count_in_the_place_of_their_parent():
    """The item under which others were found is in no reason and in no list; the others name it."""
    parent = failed(1, key="batch", found=2)
    read = Read(page_of([parent, failed(2, parent=1, parent_key="batch"), item(3, parent=1, parent_key="batch")]))
    assert ("1 of 2 items succeeded; 1 failed." in read.text, "run-0172/s2of batch" in read.text) == (True, True)
    assert "All 1, in the order of the queue file." in read.text


def test_items_that_were_removed_are_not_passed_off_as_none():
    """After the retention period the counts remain, and the page says where the items are."""
    text = Read(page_of([], counts={ItemState.SUCCEEDED: 5})).text
    assert "no longer in the database" in text


# ---------------------------------------------------------------- reasons


def test_reasons_that_differ_only_in_ids_are_one():
    """Ids, names of the item, times and long numbers do not keep reasons apart; words, states and short codes do."""
    details = [
        "400 fil.0a1b2c3d is not there",
        "400 fil.99 is not there",
        "404 fil.99 is not there",
        "run-0172/s4 took 7200000 ms",
        "run-0172/s5 took 8100000 ms",
    ]
    items = [failed(seq, detail=detail) for seq, detail in enumerate(details, 1)]
    found = Outcome(job(), START)
    found.add([*items, item(6, state=ItemState.ABORTED, detail=details[0])])
    assert [(each.items, each.state.value, each.first) for each in found.reasons] == [
        (2, "failed", "run-0172/s1"),
        (2, "failed", "run-0172/s4"),
        (1, "failed", "run-0172/s3"),
        (1, "aborted", "run-0172/s6"),
    ]


def test_memory_is_bounded_whatever_the_platform_writes():
    """Every item with its own long reason: reasons and rows are cut, and nothing is lost from the counts."""
    found = Outcome(job(), START)
    words = ["".join(chr(97 + (seq // 26**place) % 26) for place in range(4)) for seq in range(5000)]
    found.add([failed(seq, detail=f"{word} {'x' * 5000}") for seq, word in enumerate(words)])
    assert (len(found.listed), len(found.reasons), found.unsuccessful) == (MOST_LISTED, MOST_REASONS + 1, 5000)
    assert sum(each.items for each in found.reasons) == 5000
    assert max(len(each.text) for each in found.reasons) == outcome.LONGEST_TEXT


# ---------------------------------------------------------------- its size


@pytest.mark.parametrize("character", ["x", "&", '"', "\u200b", "\U000e0001", "漢"])
def test_it_stays_within_two_megabytes(character):
    """However long the texts of a hundred thousand failed items, and however many bytes each character takes."""
    long = character * 2000
    told = [
        failed(seq, key=f"{seq}{long}", detail=long, remote_id=long, status=long, parent_key=long)
        for seq in range(1, 1201)
    ]
    page = page_of(told, context=Context(link=partial(web_link, WEB, "p")))
    assert 200_000 < len(page.encode()) <= MOST_BYTES
    assert re.search(r"The first [0-9,]+ of 1,200, in the order", Read(page).text)


# ---------------------------------------------------------------- nothing breaks out

HOSTILE = [
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><svg onload=alert(1)>",
    "<!--",
    "]]><script>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt;&#x3c;b>",
    "</table></main></body>",
    "\u202egnp.exe\u200b\x00\x1b[31m",
    "\ud800",
    "=HYPERLINK(1)",
    "a\nb\r\nc\td",
]


def of_hostile(text, *, reason):
    """The page of a job in which everything from outside is this text; `reason` is beside it."""
    context = Context(text, text, partial(web_link, WEB, text))
    told = failed(1, key=text, detail=f"{reason}{text}", status=text, remote_id=text, stage=text, parent_key=text)
    spec = job().spec
    changed = dict.fromkeys(("name", "kind", "account", "project", "engine", "file", "dropped_by"), text)
    fields = {name: changed.get(name, getattr(spec, name)) for name in spec.__slots__}
    return page_of([told, item(2)], context=context, spec=type(spec)(**fields), needs=Needs.BLOCKED, detail=text)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_outside_becomes_a_tag_or_an_attribute(text):
    """Names, details, ids and statuses are text: the page has the same tags and attributes as with harmless ones."""
    read, harmless = Read(of_hostile(text, reason="x")), Read(of_hostile("harmless", reason="x"))
    assert read.tags == harmless.tags
    assert [each[:2] for each in read.attributes] == [each[:2] for each in harmless.attributes]
    assert read.open == []
    assert {"script", "img", "iframe", "link", "form", "base", "object"}.isdisjoint(read.tags)
    (link,) = [value for tag, name, value in read.attributes if (tag, name) == ("a", "href")]
    assert re.fullmatch(r"https://platform\.example\.org/[!-~]+", link)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_does_not_show_is_written_as_an_escape(text):
    """No character that reverses or hides what follows is in the page."""
    page = of_hostile(text, reason="x")
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ud800-\udfff]", page) is None


def test_it_loads_nothing_and_runs_nothing():
    """No address but those of links, and a policy that allows its one style sheet alone."""
    page = page_of([failed(1), item(2)])
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    read = Read(page)
    (policy,) = [value for _, name, value in read.attributes if name == "content" and "default-src" in value]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert re.findall(r"url\(|@import|https?://", page) == []
    assert {name for _, name, _ in read.attributes}.isdisjoint({"style", "src", "action", "srcdoc"})


# ---------------------------------------------------------------- for everyone


def test_it_can_be_read_without_seeing_it():
    """A language, a title, headings in order, header cells with a scope, text for the drawing."""
    page = page_of([failed(1), item(2)])
    read = Read(page)
    assert ("html", "lang", "en") in read.attributes
    assert [tag for tag in read.tags if tag in ("h1", "h2", "h3")][:2] == ["h1", "h2"]
    assert read.tags.count("h1") == 1
    assert read.tags.count("th") == sum(name == "scope" for tag, name, _ in read.attributes if tag == "th")
    ids = {value for _, name, value in read.attributes if name == "id"}
    named = {part for _, name, value in read.attributes if name == "aria-labelledby" for part in value.split()}
    assert named <= ids
    assert "At the end 2 items were submitted, 1 succeeded, 1 failed." in read.text


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_its_colours_have_contrast(mode):
    """WCAG AA: 4.5 for text, 3 for the signs of states, in both colour schemes."""
    style = re.findall(r"<style>(.*?)</style>", page_of([item(1)]), re.DOTALL)[0]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style.split(":root")[1 if mode == "light" else 2]))
    for name in ("text", "quiet", "link"):
        for ground in ("card", "page"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in ("succeeded", "partial", "failed", "aborted", "cancelled", "open"):
        assert contrast(colours[name], colours["card"]) >= 3, name


def contrast(one, other):
    """The ratio of two colours as WCAG 2 defines it."""

    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


# ---------------------------------------------------------------- the time line


def test_the_time_line_counts_each_item_where_it_happened():
    """Submissions and ends in their periods; what lies outside, by a clock that was set, is at the nearest edge."""
    line = Timeline(START, START + BINS * SECOND)
    line.add(item(1, submitted_at=START, finished_at=START + 10 * SECOND))
    line.add(failed(2, submitted_at=START - HOUR, finished_at=START + HOUR))
    line.add(item(3, state=ItemState.RUNNING, submitted_at=START + SECOND, finished_at=None))
    assert (line.submitted[:2], sum(line.submitted)) == ([2, 1], 3)
    assert (line.ended[ItemState.SUCCEEDED][10], line.ended[ItemState.FAILED][-1]) == (1, 1)


def test_the_drawing_ends_at_the_counts():
    """The last row of numbers has everything, and every shape stays inside the drawing."""
    line = Timeline(START, START + HOUR)
    for seq in range(40):
        line.add(item(seq, submitted_at=START, finished_at=START + seq * 90 * SECOND))
    drawn = chart.draw(line, 50)
    assert (drawn.rows[-1].submitted, drawn.rows[-1].ended) == (40, [40])
    numbers = re.findall(r"([0-9.]+),([0-9.]+)", drawn.areas[0].path + drawn.submitted)
    assert all(0 <= float(x) <= chart.WIDTH and 0 <= float(y) <= chart.HEIGHT for x, y in numbers)
    assert [tick.label for tick in drawn.lines] == ["0", "25", "50"]


@pytest.mark.parametrize("seconds", [1, 59, 600, 5 * 3600, 40 * 3600, 20 * 86_400, 700 * 86_400])
def test_the_axis_has_a_few_marks_whatever_its_length(seconds):
    """Round times, as many as can be read."""
    line = Timeline(START, START + seconds * SECOND)
    line.add(item(1, submitted_at=START, finished_at=START))
    columns = chart.draw(line, 1).columns
    assert 0 < len(columns) <= 8
    assert len({tick.at for tick in columns}) == len(columns)


def test_a_job_of_which_nothing_was_submitted_has_no_drawing():
    """A skipped or cancelled job."""
    never = item(1, state=ItemState.CANCELLED, submitted_at=None, finished_at=None)
    assert "Timeline" not in Read(page_of([never], state=JobState.CANCELLED)).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (7200, "2 h"),
        (4500, "1 h 15 min"),
        (183_600, "2 d 3 h"),
    ],
)
def test_durations_have_their_two_largest_units(seconds, text):
    """As people say them."""
    assert duration(seconds * SECOND) == text


# ---------------------------------------------------------------- links


@pytest.mark.parametrize(
    ("project", "remote_id", "link"),
    [
        ("p", "id-1", "https://platform.example.org/p/runs/id-1"),
        ("owner/project", "id", "https://platform.example.org/owner/project/runs/id"),
        ("p", "a/../b?c#d", "https://platform.example.org/p/runs/a%2F..%2Fb%3Fc%23d"),
        ("{remote_id}", "x", "https://platform.example.org/%7Bremote_id%7D/runs/x"),
        ("p", None, None),
        ("p", "", None),
    ],
)
def test_a_link_is_the_template_filled_in(project, remote_id, link):
    """What the platform names cannot leave its place in the address."""
    assert web_link(WEB, project, remote_id) == link
