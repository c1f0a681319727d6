"""Logging in and out, and what a browser may change and what it may not."""

import itertools

from operator_browser import OperatorBrowser, text_of
from waiting import PATIENCE

from orchestrator.web import sessions


async def test_a_login_leads_to_the_page_that_it_was_for(house, operator):
    """With a cookie that no script reads, no other site's request carries, and that ends with the day."""
    async with operator(logged_in=False) as browser:
        await browser.get("/login?next=/accounts")
        answer = await browser.post("/login", follow=False, name="Ada", token=house.token, next="/accounts")
        cookie = answer.headers["set-cookie"]
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Faccounts&done=1")
        assert {"HttpOnly", "SameSite=strict", "Max-Age=43200", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie  # on this machine, where there is no HTTPS
        page = await browser.get(answer.headers["location"])
        assert page.url.path == "/accounts"
        assert "Ada Log out" in text_of(page.text)
        assert house.token not in page.text


async def test_behind_a_proxy_the_cookie_is_sent_by_https_only(house, operator):
    """Where the request did not come from this machine."""
    async with operator(logged_in=False) as browser:
        origin = str(browser.client.base_url).rstrip("/")
        headers = {"origin": origin, "x-forwarded-for": "10.0.0.7"}
        answer = await browser.client.post("/login", data={"name": "Ada", "token": house.token}, headers=headers)
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"].split("; ")


async def test_a_wrong_token_is_refused_and_then_the_address_has_to_wait(house, operator, monkeypatch):
    """With a message, and after five failures with the time to wait; the name that was typed stays."""
    assert sessions.FAILURE_WINDOW == 60
    monkeypatch.setattr(sessions, "FAILURE_WINDOW", PATIENCE)  # in which all five come on a busy machine too
    async with operator(logged_in=False) as browser:
        for _ in range(5):
            answer = await browser.log_in("token-of-another-server")
            assert answer.status_code == 401
            assert "This is not the token of this server." in text_of(answer.text)
            assert 'value="Ada"' in answer.text
            assert "set-cookie" not in answer.headers
        answer = await browser.log_in(house.token)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= PATIENCE
        assert "Too many failed logins" in text_of(answer.text)


async def test_a_login_never_leads_elsewhere(house, operator):
    """Whatever a link to the login page says."""
    elsewhere = ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/\n//evil"]
    async with operator(logged_in=False) as browser:
        for target in elsewhere:
            await browser.get("/login")
            answer = await browser.post("/login", follow=False, name="Ada", token=house.token, next=target)
            assert answer.headers["location"] == "/login?next=%2F&done=1", target


async def test_a_browser_that_drops_the_cookie_is_told_why(house, operator):
    """Over the network it is sent by HTTPS only; the page says what to do."""
    async with operator(logged_in=False) as browser:
        answer = await browser.get("/login?next=/&done=1")
        assert "the browser did not keep the session" in text_of(answer.text)


async def test_logging_out_ends_the_session(house, operator):
    """On the server too: the same cookie opens nothing any more."""
    async with operator() as browser:
        cookie = browser.client.cookies["orchestrator_session"]
        await browser.get("/")
        answer = await browser.post("/logout")
        assert "Log in" in text_of(answer.text)
        browser.client.cookies.set("orchestrator_session", cookie)
        assert "Log out" not in (await browser.get("/")).text


async def test_a_form_needs_the_token_of_its_session(house, operator):
    """Without it, with another session's, or with none of its own, nothing is changed."""
    async with operator() as browser:
        await house.daemon.store.memory.remember("ica", "probe", "x")
        page = "/accounts/ica/pause"
        await browser.get(page)
        right, other = browser.csrf, OperatorBrowser(browser.client)
        for wrong in ("", "x", right[:-1], f"{right}x"):
            browser.csrf = wrong
            answer = await browser.post(page)
            assert answer.status_code == 403
            assert "not from a page of your session" in text_of(answer.text)
        assert "paused" not in await house.daemon.store.memory.recall("ica")
        assert other.csrf == ""


async def test_a_form_of_another_site_changes_nothing(house, operator):
    """Also with the right CSRF token, and the login form too."""
    origins = ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil", "x"]
    paths = ["/accounts/ica/pause", "/files", "/logout", "/login"]
    async with operator() as browser:
        await browser.get("/accounts/ica/pause")
        for browser.origin, path in itertools.product(origins, paths):
            answer = await browser.post(path, name="Ada", token=house.token)
            assert answer.status_code == 403
            assert "a page of another server" in text_of(answer.text)
        assert "paused" not in await house.daemon.store.memory.recall("ica")


async def test_without_a_session_pages_can_be_read_and_not_changed(house, operator):
    """On this machine; the page offers the login, and no action."""
    async with operator(logged_in=False) as browser:
        assert "Log in" in text_of((await browser.get("/")).text)
        page = await browser.get("/accounts")
        assert "/accounts/ica/pause" not in page.text
        answer = await browser.post("/accounts/ica/pause")
        assert answer.status_code == 401


async def test_without_a_configured_token_the_pages_are_read_only(house):
    """They say so, and refuse every form, on this machine too."""
    async with house.open():
        browser = OperatorBrowser(house.client)
        assert "read-only" in text_of((await browser.get("/")).text)
        assert "No token is configured" in text_of((await browser.get("/login")).text)
        for path in ("/accounts/ica/pause", "/files", "/login", "/logout"):
            answer = await browser.post(path, token="")
            assert answer.status_code == 403
            assert "server.token_file" in text_of(answer.text)


async def test_reading_changes_nothing(house, operator):
    """A GET of an action is a question: only its form acts."""
    async with operator() as browser:
        await house.daemon.store.memory.remember("ica", "probe", "x")
        writes = house.daemon.store.writes
        for path in ("/accounts/ica/pause", "/logout", "/files?action=queue&text=x"):
            await browser.get(path)
        assert house.daemon.store.writes == writes
        assert "Log out" in (await browser.get("/")).text


async def test_the_bearer_token_may_send_forms_without_a_session(house, operator):
    """For programs: it is no cookie, so that no other site can make a browser send it."""
    async with operator(logged_in=False):
        answer = await house.client.post(
            "/accounts/ica/pause", data={"x": "y"}, headers={"authorization": f"Bearer {house.token}"}
        )
        assert answer.status_code == 303
        assert (await house.daemon.store.memory.recall("ica"))["paused"].startswith("account ica is paused by ")
