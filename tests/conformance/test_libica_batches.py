"""Both families of batches, created and read by the vendor's client."""

import libica.openapi.v3 as libica
import pytest
from libica.openapi.v3 import models


def _nextflow(ica, name):
    return models.CreateNextflowAnalysis(
        user_reference=name,
        pipeline_id=ica.pipeline,
        tags=models.CreateAnalysisTag(technical_tags=[f"item={name}"], user_tags=["cohort=demo"], reference_tags=[]),
        analysis_storage_id="6e1b6c8f-f913-48b2-9bd0-7fc13eda0fd0",
        analysis_input=models.NextflowAnalysisInput(
            inputs=[models.AnalysisDataInput(parameter_code="fastqs", data_ids=["fil.0a1b", "fil.1a1b"])],
            parameters=[models.AnalysisParameterInput(code="enable_sv", value="true")],
        ),
    )


def _cwl(ica, name):
    structured = models.CwlAnalysisStructuredInput(
        objectType="STRUCTURED",
        object_type="STRUCTURED",
        inputs=[models.AnalysisDataInput(parameter_code="vcf", data_ids=["fil.2a1b"])],
    )
    return models.CreateCwlAnalysis(
        user_reference=name, pipeline_id=ica.pipeline, analysis_input=models.CwlAnalysisInput(structured)
    )


def _nextflow_json(ica, name):
    field = models.InputFormFieldValues(id="reads", data_values=[models.InputFormData(data_id="fil.3a1b")])
    return models.CreateNextflowJsonAnalysis(
        user_reference=name,
        pipeline_id=ica.pipeline,
        input_form_values=models.NextflowJsonAnalysisInput(fields=[field]),
    )


async def _create(ica, body, key="k"):
    api = libica.ProjectAnalysisCreationBatchApi(ica.client)
    return await ica.call(api.create_analysis_creation_batch, ica.project, body, idempotency_key=key)


async def test_a_creation_batch_is_created_once_and_read(vendor):
    """All three kinds of items in one batch; the same key answers with the same batch; batch and job are parsed."""
    async with vendor() as ica:
        body = models.CreateAnalysisCreationBatch(
            nextflow_items=[_nextflow(ica, "run/s1")],
            cwl_items=[_cwl(ica, "run/s2")],
            nextflow_json_items=[_nextflow_json(ica, "run/s3")],
        )
        first, second = await _create(ica, body), await _create(ica, body)
        api = libica.ProjectAnalysisCreationBatchApi(ica.client)
        read = await ica.call(api.get_analysis_creation_batch, ica.project, str(first.id))
        assert (first.id, first.job.status) == (second.id, "INITIALIZED")
        assert (read.id, read.job.subject_id, str(read.job.project.id)) == (first.id, first.id, ica.project)
        assert sorted(ica.simulator.truth.by_reference()) == ["run/s1", "run/s2", "run/s3"]


@pytest.mark.parametrize("seconds", [0, 1, 5, 25, 100])
async def test_creation_items_parse_at_any_time(vendor, seconds):
    """Items of all outcomes, with and without their analysis, as pages and alone, in V4."""
    names = ["s1", "s2-fail", "s3-failfinal", "s4-abort", "s5-await", "s6-stuck", "s7-nocreate", "s8-slow"]
    async with vendor() as ica:
        batch = await _create(
            ica, models.CreateAnalysisCreationBatch(nextflow_items=[_nextflow(ica, name) for name in names])
        )
        await ica.clock.advance(seconds)
        api = libica.ProjectAnalysisCreationBatchApi(ica.client)
        page = await ica.call(
            api.get_analysis_creation_batch_items, ica.project, str(batch.id), page_size="1000", accept=ica.v4
        )
        item = await ica.call(
            api.get_analysis_creation_batch_item, ica.project, str(batch.id), str(page.items[0].id), accept=ica.v4
        )
        assert [row.request.user_reference for row in page.items] == names
        assert item == page.items[0]
        created = {row.request.user_reference for row in page.items if row.created_analysis is not None}
        expected = set() if seconds < 2 else set(names) - {"s7-nocreate"} - ({"s8-slow"} if seconds < 25 else set())
        assert created == expected


async def test_creation_items_are_paged_and_filtered(vendor):
    """Cursors and repeated statuses work as the client sends them."""
    async with vendor() as ica:
        names = [f"s{number}" for number in range(7)] + ["s-nocreate"]
        batch = await _create(
            ica, models.CreateAnalysisCreationBatch(nextflow_items=[_nextflow(ica, name) for name in names])
        )
        await ica.clock.advance(10)
        api = libica.ProjectAnalysisCreationBatchApi(ica.client)
        seen, token = [], None
        while token != "":
            page = await ica.call(
                api.get_analysis_creation_batch_items,
                ica.project,
                str(batch.id),
                status=["SUCCEEDED", "RUNNING"],
                page_size="3",
                page_token=token,
                accept=ica.v4,
            )
            seen += [row.request.user_reference for row in page.items]
            token = page.next_page_token
        assert seen == names[:-1]


@pytest.mark.parametrize("seconds", [0, 2, 60])
async def test_a_linking_batch_is_created_and_read(vendor, seconds):
    """Items of all outcomes in V4; the client's own headers need both versions to agree."""
    data = ["fil.1", "fil.fail", "fol.partial", "fil.already", "fil.stuck", "fil.odd"]
    async with vendor() as ica:
        api = libica.ProjectDataLinkingBatchApi(ica.client)
        body = models.CreateProjectDataLinkingBatch(
            items=[models.CreateProjectDataLinkingBatchItem(data_id=data_id) for data_id in data]
        )
        batch = await ica.call(api.create_project_data_linking_batch, ica.project, body, accept=ica.v4)
        await ica.clock.advance(seconds)
        read = await ica.call(api.get_project_data_linking_batch, ica.project, str(batch.id))
        page = await ica.call(
            api.get_project_data_linking_batch_items, ica.project, str(batch.id), page_size="1000", accept=ica.v4
        )
        item = await ica.call(
            api.get_project_data_linking_batch_item, ica.project, str(batch.id), str(page.items[0].id), accept=ica.v4
        )
        assert (read.job.subject_id, [row.request.data_id for row in page.items]) == (batch.id, data)
        assert item == page.items[0]
        linked = [row.request.data_id for row in page.items if row.created_project_data is not None]
        assert linked == ([] if seconds < 60 else ["fil.1", "fol.partial", "fil.already", "fil.odd"])


async def test_the_clients_own_headers_for_links_contradict_each_other(vendor):
    """Content-Type V4 with its default Accept V3 is refused, as by ICA: whoever uses it has to set Accept."""
    async with vendor() as ica:
        api = libica.ProjectDataLinkingBatchApi(ica.client)
        body = models.CreateProjectDataLinkingBatch(items=[models.CreateProjectDataLinkingBatchItem(data_id="fil.1")])
        with pytest.raises(libica.exceptions.BadRequestException) as raised:
            await ica.call(api.create_project_data_linking_batch, ica.project, body, accept=ica.v3)
        assert "ICA_API_004" in raised.value.body
