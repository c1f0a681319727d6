"""Who may call what: by token, by where the call comes from, by what a browser could be made to send."""

import httpx
import pytest
from starlette.responses import PlainTextResponse

from orchestrator.clock import ManualClock
from orchestrator.telemetry.redaction import Redactor
from orchestrator.web.api.responses import Problems
from orchestrator.web.guard import Guard
from orchestrator.web.sessions import COOKIE, Sessions

TOKEN = "token-5d2f8e11"
JSON = {"content-type": "application/json"}
RIGHT = {"authorization": f"Bearer {TOKEN}"}
WRONG = {"authorization": "Bearer token-5d2f8e12"}


async def ask(
    method="GET", path="/api/v1/jobs", *, token=None, peer="127.0.0.1", host="localhost:8080", headers=(), sessions=None
):
    """One request through the guard to an app that tells whether it may speak freely."""

    async def app(scope, receive, send):
        await PlainTextResponse(str(scope["state"]["trusted"]))(scope, receive, send)

    guard = Guard(app, token=token, clock=ManualClock(), problems=Problems(Redactor()), sessions=sessions)
    transport = httpx.ASGITransport(guard, client=(peer, 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://orchestrator") as client:
        return await client.request(method, path, headers={"host": host, **dict(headers)})


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"])
async def test_this_machine_reads_and_changes_without_a_token(peer, host):
    """Where no token is configured, a local caller under a local name may do everything."""
    assert (await ask(peer=peer, host=host)).status_code == 200
    assert (await ask("POST", peer=peer, host=host, headers=JSON)).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example:8080",
        "127.0.0.1.rebound.example",
        "localhost.rebound.example",
        "localhost@rebound.example",
        "me@localhost",
        "localhost/",
        "10.0.0.7:8080",
        "[::1",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_name_that_was_rebound_to_this_machine_is_refused(method, host):
    """A page of somebody else's that calls 127.0.0.1 under its own name neither reads nor changes anything."""
    answer = await ask(method, host=host, headers=JSON)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", "unix"])
async def test_another_machine_is_refused_without_a_token(peer):
    """Where no token is configured there is none to show."""
    assert (await ask(peer=peer)).status_code == 403
    assert (await ask("POST", peer=peer, headers=JSON)).status_code == 403


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "X-Forwarded-Host"])
async def test_behind_a_proxy_nobody_is_local(name):
    """The proxy is on this machine, its callers are not."""
    assert (await ask(headers={name: "127.0.0.1"})).status_code == 403


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", None]
)
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_what_a_form_can_send_changes_nothing(content_type, token):
    """A change has a content type that a page may not send across origins unasked, with the token too."""
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await ask("POST", token=token, headers=headers | (RIGHT if token else {}))
    assert answer.status_code == 415


@pytest.mark.parametrize("content_type", ["application/json", "application/yaml", "Application/JSON; charset=utf-8"])
async def test_queue_files_may_be_sent(content_type):
    """JSON and YAML, whatever their parameters."""
    assert (await ask("POST", headers={"content-type": content_type})).status_code == 200


async def test_nobody_is_told_that_they_may_call_across_origins():
    """The question that a browser asks first gets no leave."""
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = await ask("OPTIONS", headers=headers)
    assert answer.status_code == 415
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_with_a_token_configured_changes_need_it_from_this_machine_too():
    """Reading is free on this machine, changing is not."""
    assert (await ask(token=TOKEN)).status_code == 200
    refused = await ask("POST", token=TOKEN, headers=JSON)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert (await ask("POST", token=TOKEN, headers=JSON | RIGHT)).status_code == 200


async def test_beyond_this_machine_reading_needs_the_token():
    """With it everything may be called, from anywhere, under any name."""
    far = {"token": TOKEN, "peer": "10.0.0.7", "host": "orchestrator.example"}
    assert (await ask(**far)).status_code == 401
    assert (await ask(**far, headers=RIGHT)).status_code == 200
    assert (await ask("POST", **far, headers=JSON | RIGHT)).status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        WRONG["authorization"],
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        "Bearer töken",
    ],
)
async def test_a_wrong_token_is_refused_everywhere(shown):
    """Also for reading on this machine, so that a mistyped token shows."""
    headers = {"authorization": shown.encode("latin-1")}
    answer = await ask(token=TOKEN, headers=headers)
    assert answer.status_code == 401
    assert TOKEN not in answer.text


async def test_a_token_that_nobody_configured_is_not_looked_at():
    """It opens nothing, and closes nothing."""
    assert (await ask(headers=WRONG)).status_code == 200
    assert (await ask(peer="10.0.0.7", headers=WRONG)).status_code == 403


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_probes_answer_everybody_and_trust_few(path):
    """What manages the daemon from outside holds no token; it gets the bare answer."""
    assert (await ask(path=path, token=TOKEN, peer="10.0.0.7")).text == "False"
    assert (await ask(path=path, token=TOKEN, peer="10.0.0.7", headers=RIGHT)).text == "True"
    assert (await ask(path=path)).text == "True"
    assert (await ask("POST", path=path, peer="10.0.0.7", headers=JSON)).status_code == 403


async def test_every_answer_is_stamped():
    """With the time, and with what keeps caches and guessing browsers away; refusals too."""
    for answer in (await ask(), await ask(peer="10.0.0.7")):
        assert answer.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


# ---------------------------------------------------------------- pages

FORM = {"content-type": "application/x-www-form-urlencoded"}
FAR = {"token": TOKEN, "peer": "10.0.0.7", "host": "lab.example"}
OWN = {"origin": "https://lab.example"}


def logged_in():
    """Sessions with one session, and the header that shows it."""
    sessions = Sessions(TOKEN, ManualClock())
    return sessions, {"cookie": f"{COOKIE}={sessions.log_in(TOKEN, 'Ada', '10.0.0.7')}"}


@pytest.mark.parametrize("path", ["/", "/jobs/x", "/accounts", "/files"])
async def test_without_a_session_pages_beyond_this_machine_lead_to_the_login(path):
    """With the way back. A page that asks for its newer version is not led anywhere."""
    answer = await ask(path=f"{path}?q=a%26b", **FAR)
    there = httpx.URL(f"{path}?q=a%26b").raw_path.decode()
    assert answer.status_code == 303
    assert httpx.URL(answer.headers["location"]).params["next"] == there
    assert (await ask(path=path, **FAR, headers={"x-live": "1"})).status_code == 401
    assert (await ask(path=path, **FAR, headers=WRONG)).status_code == 401


async def test_the_login_page_is_for_everybody_where_there_is_a_token():
    """With what it needs to look like a page; nothing else is."""
    for path in ("/login", "/static/page.css"):
        answer = await ask(path=path, **FAR)
        assert (answer.status_code, answer.text) == (200, "False")
        assert (await ask(path=path, peer="10.0.0.7")).status_code == 403
        assert (await ask(path=path, host="rebound.example")).status_code == 403
    assert (await ask("POST", "/login", **FAR, headers=FORM | OWN)).status_code == 200
    for path in ("/loginx", "/staticx", "/metrics", "/api/v1/jobs", "/openapi.json"):
        assert (await ask(path=path, **FAR)).status_code == 401


async def test_a_session_reads_everything_and_sends_forms_to_pages_alone():
    """The API is changed with the bearer token only: its callers are programs."""
    sessions, cookie = logged_in()
    for path in ("/", "/api/v1/jobs", "/metrics"):
        answer = await ask(path=path, **FAR, headers=cookie, sessions=sessions)
        assert (answer.status_code, answer.text) == (200, "True")
    form = FORM | OWN | cookie
    assert (await ask("POST", "/jobs/x/cancel", **FAR, headers=form, sessions=sessions)).status_code == 200
    for headers in (form, JSON | OWN | cookie):
        assert (await ask("POST", "/api/v1/queue", **FAR, headers=headers, sessions=sessions)).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_form_of_a_page_needs_a_session_and_the_same_origin(method):
    """Also on this machine, where reading needs neither."""
    sessions, cookie = logged_in()
    for origin in ({}, {"origin": "null"}, {"origin": "https://evil.example"}, {"origin": "https://lab.example:1"}):
        answer = await ask(method, "/jobs/x/cancel", **FAR, headers=FORM | cookie | origin, sessions=sessions)
        assert answer.status_code == 403
    local = {"token": TOKEN, "headers": FORM | {"origin": "http://localhost:8080"}}
    assert (await ask(method, "/jobs/x/cancel", **local)).status_code == 401
    assert (await ask(method, "/jobs/x/cancel", headers=FORM | {"origin": "http://localhost:8080"})).status_code == 403
    assert (await ask(method, "/jobs/x/cancel", **FAR, headers=FORM | RIGHT)).status_code == 200


async def test_behind_a_proxy_the_name_that_the_browser_knows_counts():
    """It is in a header that no page of another server can set."""
    sessions, cookie = logged_in()
    far = FAR | {"host": "127.0.0.1:8080"}
    headers = FORM | OWN | cookie
    assert (await ask("POST", "/files", **far, headers=headers, sessions=sessions)).status_code == 403
    forwarded = headers | {"x-forwarded-host": "lab.example"}
    assert (await ask("POST", "/files", **far, headers=forwarded, sessions=sessions)).status_code == 200


async def test_every_answer_forbids_frames_and_scripts():
    """Where a page does not say otherwise; refusals too."""
    for answer in (await ask(), await ask(peer="10.0.0.7")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; frame-ancestors 'none'")
        assert answer.headers["referrer-policy"] == "same-origin"
