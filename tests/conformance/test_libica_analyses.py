"""Analyses, jobs, tokens and errors, as the vendor's client sees them."""

import libica.openapi.v3 as libica
import pytest
from libica.openapi.v3 import exceptions, models


async def _create(ica, *names):
    items = [
        models.CreateNextflowAnalysis(
            user_reference=name,
            pipeline_id=ica.pipeline,
            tags=models.CreateAnalysisTag(technical_tags=["run=1", f"item={name}"], user_tags=[], reference_tags=[]),
            analysis_input=models.NextflowAnalysisInput(inputs=[]),
        )
        for name in names
    ]
    api = libica.ProjectAnalysisCreationBatchApi(ica.client)
    body = models.CreateAnalysisCreationBatch(nextflow_items=items)
    return await ica.call(api.create_analysis_creation_batch, ica.project, body)


async def _search(ica, **filters):
    api = libica.ProjectAnalysisApi(ica.client)
    return await ica.call(
        api.search_analyses,
        ica.project,
        page_size="1000",
        analysis_query_parameters_pipeline=models.AnalysisQueryParametersPipeline(**filters),
    )


async def test_a_search_parses_and_filters(vendor):
    """By statuses and by tag; the rows are in the V4 form though the request is V3."""
    async with vendor() as ica:
        await _create(ica, "s1", "s2-fail", "s3-stuck")
        await ica.clock.advance(100)
        everything = await _search(ica, technical_tags=["run=1"])
        running = await _search(ica, status=["IN_PROGRESS", "QUEUED"])
        one = await _search(ica, technical_tags=["item=s1"])
        assert [row.user_reference for row in everything.items] == ["s1", "s2-fail", "s3-stuck"]
        assert [row.status for row in everything.items] == ["SUCCEEDED", "FAILED", "IN_PROGRESS"]
        assert [row.user_reference for row in running.items] == ["s3-stuck"]
        assert [row.tags.technical_tags for row in one.items] == [["run=1", "item=s1"]]
        assert (str(one.items[0].project_id), str(one.items[0].pipeline.id)) == (ica.project, ica.pipeline)


async def test_an_analysis_is_read_and_aborted(vendor):
    """GET in V4, abort without a body, ABORTING and ABORTED after it."""
    async with vendor() as ica:
        await _create(ica, "s1")
        await ica.clock.advance(15)
        analysis_id = str((await _search(ica)).items[0].id)
        api, seen = libica.ProjectAnalysisApi(ica.client), []

        async def read():
            seen.append((await ica.call(api.get_analysis, ica.project, analysis_id, accept=ica.v4)).status)

        await read()
        assert await ica.call(api.abort_analysis, ica.project, analysis_id) is None
        await read()
        await ica.clock.advance(5)
        await read()
        assert seen == ["IN_PROGRESS", "ABORTING", "ABORTED"]


async def test_the_deprecated_listing_parses(vendor):
    """GET analyses in the V3 form, with its own statuses."""
    async with vendor(jitter=0.0) as ica:
        await _create(ica, "s1", "s2-failfinal", "s3-await")
        await ica.clock.advance(2 + 16)
        listing = libica.ProjectAnalysisApi(ica.client).get_analyses
        with pytest.warns(DeprecationWarning, match="analyses is deprecated"):
            page = await ica.call(listing, ica.project)
        assert [row.status for row in page.items] == ["INPROGRESS", "INPROGRESS", "AWAITINGINPUT"]
        await ica.clock.advance(100)
        with pytest.warns(DeprecationWarning, match="analyses is deprecated"):
            ended = await ica.call(listing, ica.project, status="FAILEDFINAL", page_size="10")
        assert [row.user_reference for row in ended.items] == ["s2-failfinal"]


async def test_jobs_parse_and_lead_to_their_batches(vendor):
    """Listing by status and by date, and one job alone; a job names its batch and its project."""
    async with vendor() as ica:
        first, second = await _create(ica, "s1"), await _create(ica, "s2-slow")
        await ica.clock.advance(5)
        api = libica.JobApi(ica.client)
        newest = await ica.call(api.get_jobs, sort="timeCreated desc", page_size="1000")
        running = await ica.call(api.get_jobs, status=["RUNNING", "INITIALIZED"], page_size="1000")
        one = await ica.call(api.get_job, str(first.job.id))
        assert [job.subject_id for job in newest.items] == [second.id, first.id]
        assert newest.total_item_count == 2
        assert [job.subject_id for job in running.items] == [second.id]
        assert (one.status, str(one.project.id), one.time_finished >= one.time_started) == (
            "SUCCEEDED",
            ica.project,
            True,
        )


async def test_the_system_tells_its_version(vendor):
    """system/info, with a token."""
    async with vendor() as ica:
        assert (await ica.call(libica.SystemApi(ica.client).get_system_info)).version


async def test_an_expired_token_is_unauthorised(vendor):
    """401 as the client's own exception, carrying the problem; signing in again helps."""
    async with vendor(token_seconds=60.0) as ica:
        await ica.clock.advance(61)
        api = libica.JobApi(ica.client)
        with pytest.raises(exceptions.UnauthorizedException) as raised:
            await ica.call(api.get_jobs)
        problem = models.Problem.from_json(raised.value.body)
        assert (problem.status, problem.title) == (401, "ICA_SEC_002")
        ica.configuration.access_token = None
        await ica.sign_in()
        assert (await ica.call(api.get_jobs)).items == []


async def test_refusals_become_the_clients_exceptions(vendor):
    """400, 404, 422 and 429 are raised with a body that parses as Problem."""
    async with vendor(requests=7, per=1000.0) as ica:
        api = libica.ProjectAnalysisCreationBatchApi(ica.client)
        batch = models.CreateAnalysisCreationBatch(nextflow_items=[])
        other = models.CreateAnalysisCreationBatch(cwl_items=[])
        await ica.call(api.create_analysis_creation_batch, ica.project, batch, idempotency_key="k")
        nothing = "22222222-2222-2222-2222-222222222222"
        refused = [
            (400, exceptions.BadRequestException, libica.JobApi(ica.client).get_jobs, (), {"page_size": "1001"}),
            (404, exceptions.NotFoundException, libica.JobApi(ica.client).get_job, (nothing,), {}),
            (404, exceptions.NotFoundException, api.get_analysis_creation_batch, (ica.project, nothing), {}),
            (
                422,
                exceptions.UnprocessableEntityException,
                api.create_analysis_creation_batch,
                (ica.project, other),
                {"idempotency_key": "k"},
            ),
            (400, exceptions.BadRequestException, libica.JobApi(ica.client).get_jobs, (), {"page_token": "x"}),
            (429, exceptions.ApiException, libica.JobApi(ica.client).get_jobs, (), {}),
        ]
        for status, kind, method, args, options in refused:
            with pytest.raises(kind) as raised:
                await ica.call(method, *args, **options)
            assert (raised.value.status, models.Problem.from_json(raised.value.body).status) == (status, status)
