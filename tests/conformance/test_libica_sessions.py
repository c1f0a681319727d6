"""Workflow sessions, as the vendor's client sees them."""

import libica.openapi.v3 as libica
import pytest
from libica.openapi.v3 import exceptions, models


async def _search(ica, *, size="1000", token=None, **filters):
    api = libica.ProjectWorkflowSessionApi(ica.client)
    return await ica.call(
        api.search_workflow_sessions,
        ica.project,
        page_size=size,
        page_token=token,
        analysis_query_parameters=models.AnalysisQueryParameters(**filters),
    )


async def test_a_search_parses_and_filters(vendor):
    """By status, reference and tags; in the V4 form with its open vocabulary of statuses."""
    async with vendor(jitter=0.0, session_seconds=60.0) as ica:
        begin = ica.simulator.begin_session
        begin(ica.project, "run-1/a", ["s1", "s2"], technical_tags=["t"], user_tags=["u"])
        begin(ica.project, "run-1/b-fail")
        begin(ica.project, "run-1/c-await")
        await ica.clock.advance(35)
        open_now = await _search(ica, status=["IN_PROGRESS", "AWAITING_INPUT"])
        one = await _search(ica, user_reference="run-1/a")
        tagged = await _search(ica, technical_tags=["t"], user_tags=["u"])
        assert [row.status for row in open_now.items] == ["IN_PROGRESS", "IN_PROGRESS", "AWAITING_INPUT"]
        assert [row.user_reference for row in one.items] == ["run-1/a"] == [row.user_reference for row in tagged.items]
        await ica.clock.advance(60)
        ended = await _search(ica)
        assert [row.status for row in ended.items] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
        assert all(row.end_date > row.start_date >= row.time_created for row in ended.items)


async def test_a_search_is_paged_by_cursor(vendor):
    """Complete and unique, unsorted: also when sessions begin meanwhile, which the next search has."""
    async with vendor(page_order="shuffled") as ica:
        names = [f"s{number}" for number in range(7)]
        for name in names:
            ica.simulator.begin_session(ica.project, name)
        first = await _search(ica, size="3")
        ica.simulator.begin_session(ica.project, "later")
        second = await _search(ica, size="3", token=first.next_page_token)
        third = await _search(ica, size="3", token=second.next_page_token)
        seen = [row.user_reference for page in (first, second, third) for row in page.items]
        assert (sorted(seen), seen != names, third.next_page_token) == (names, True, "")
        assert len((await _search(ica)).items) == 8


async def test_sessions_begin_while_somebody_follows(vendor):
    """One that is still to come is not there yet; it begins by itself."""
    async with vendor() as ica:
        ica.simulator.begin_session(ica.project, "tonight", after=600.0)
        assert (await _search(ica)).items == []
        await ica.clock.advance(601)
        assert [row.user_reference for row in (await _search(ica)).items] == ["tonight"]


@pytest.mark.parametrize("named", [True, False])
async def test_analyses_of_a_session_parse(vendor, named):
    """By the session and in the project's own search; whether they name their session is a knob."""
    async with vendor(sessions_named=named, jitter=0.0) as ica:
        session = ica.simulator.begin_session(ica.project, "run-1", ["s1", "s2-fail"])
        await ica.clock.advance(100)
        page = await ica.call(
            libica.ProjectWorkflowSessionApi(ica.client).search_orchestrated_analyses,
            ica.project,
            session,
            page_size="1000",
            analysis_query_parameters=models.AnalysisQueryParameters(),
        )
        assert [(row.analysis.user_reference, row.analysis.status) for row in page.items] == [
            ("run-1/s1", "SUCCEEDED"),
            ("run-1/s2-fail", "FAILED"),
        ]
        assert {str(row.workflow_session_id) for row in page.items} == {session}
        search = libica.ProjectAnalysisApi(ica.client).search_analyses
        query = models.AnalysisQueryParametersPipeline()
        everything = await ica.call(search, ica.project, analysis_query_parameters_pipeline=query)
        of = {row.workflow_session and str(row.workflow_session.id) for row in everything.items}
        assert of == ({session} if named else {None})


async def test_inputs_and_configurations_parse(vendor):
    """Data, external data, single and multiple values."""
    async with vendor() as ica:
        session = ica.simulator.begin_session(ica.project, "run-1")
        api = libica.ProjectWorkflowSessionApi(ica.client)
        inputs = await ica.call(api.get_workflow_session_inputs, ica.project, session)
        configurations = await ica.call(api.get_workflow_session_configurations, ica.project, session)
        assert [row.code for row in inputs.items] == ["run_folder", "sample_sheet"]
        assert (inputs.items[0].analysis_data[0].name, inputs.items[1].external_data[0].type) == ("run-1", "http")
        assert [(row.name, row.multi_value) for row in configurations.items] == [("workflow", False), ("lanes", True)]


async def test_an_unknown_session_is_not_found(vendor):
    """As is one that somebody deleted."""
    async with vendor() as ica:
        session = ica.simulator.begin_session(ica.project, "run-1")
        ica.simulator.delete_session(session)
        api = libica.ProjectWorkflowSessionApi(ica.client)
        with pytest.raises(exceptions.NotFoundException):
            await ica.call(api.get_workflow_session_inputs, ica.project, session)


@pytest.mark.parametrize("there", [True, False])
async def test_the_deprecated_list_has_the_older_form_or_is_gone(vendor, there):
    """V3 statuses, or 404: a knob."""
    async with vendor(sessions_v3=there, jitter=0.0) as ica:
        ica.simulator.begin_session(ica.project, "run-1-failfinal")
        await ica.clock.advance(100)
        listing = libica.ProjectWorkflowSessionApi(ica.client).get_workflow_sessions
        with pytest.warns(DeprecationWarning, match="workflowSessions is deprecated"):
            seen = await _statuses_or_error(ica, listing)
        assert seen == (["FAILEDFINAL"] if there else 404)


async def _statuses_or_error(ica, listing):
    try:
        return [row.status for row in (await ica.call(listing, ica.project)).items]
    except exceptions.NotFoundException as error:
        return error.status
