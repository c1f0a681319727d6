"""The seven other families of batches, created and read by the vendor's client."""

from datetime import UTC, datetime

import libica.openapi.v3 as libica
import pytest
from libica.openapi.v3 import models

BUNDLE = "22222222-2222-2222-2222-222222222222"
FOLDER = "fol.81ad1cb41b92"
NAMES = ["fil.1", "fil.fail", "fol.partial", "fil.stuck", "fil.2"]
WHEN = datetime(2031, 1, 30, 8, 30, tzinfo=UTC)


def _items(model):
    return [model(data_id=name) for name in NAMES]


def _sample(name):
    tags = models.OptionalSampleTags(technical_tags=["t1"], user_tags=["cohort"])
    return models.CreateSampleCreationBatchSampleItem(
        sample_to_create=models.CreateSample(name=name, tags=tags),
        data_to_link=[models.CreateSampleCreationBatchDataItem(data_id="fil.1")],
        complete_sample=name != "fil.2",
    )


def _update():
    tags = models.TagUpdate(add_tags=["a"], remove_tags=["b"])
    return models.CreateProjectDataUpdateBatch(
        data_update_groups=[
            models.DataUpdateGroup(data_ids=NAMES[:2], user_tags=tags, will_be_archived_at=WHEN),
            models.DataUpdateGroup(data_ids=NAMES[2:], clear_will_be_deleted_at=True),
        ]
    )


FAMILIES = {
    "unlinking": (
        libica.ProjectDataUnlinkingBatchApi,
        "project_data_unlinking_batch",
        lambda: models.CreateProjectDataUnlinkingBatch(items=_items(models.CreateProjectDataUnlinkingBatchItem)),
        ("INITIALISED", "UNLINKED", "PARTIALLY_UNLINKED"),
    ),
    "copy": (
        libica.ProjectDataCopyBatchApi,
        "project_data_copy_batch",
        lambda: models.CreateProjectDataCopyBatch(
            items=_items(models.CreateProjectDataCopyBatchItem),
            destination_folder_id=FOLDER,
            copy_user_tags=True,
            copy_technical_tags=False,
            copy_instrument_info=True,
            action_on_exist="SKIP",
        ),
        ("QUEUED", "COPIED", "PARTIALLY_COPIED"),
    ),
    "move": (
        libica.ProjectDataMoveBatchApi,
        "project_data_move_batch",
        lambda: models.CreateProjectDataMoveBatch(
            items=_items(models.CreateProjectDataMoveBatchItem), destination_folder_id=FOLDER
        ),
        ("QUEUED", "MOVED", "PARTIALLY_MOVED"),
    ),
    "update": (
        libica.ProjectDataUpdateBatchApi,
        "project_data_update_batch",
        _update,
        ("INITIALISED", "UPDATED", "PARTIALLY_UPDATED"),
    ),
    "samples": (
        libica.ProjectSampleBatchApi,
        "sample_creation_batch",
        lambda: models.CreateSampleCreationBatch(items=[_sample(name) for name in NAMES]),
        ("INITIALIZED", "SUCCEEDED", "PARTIALLY_SUCCEEDED"),
    ),
    "bundle_linking": (
        libica.BundleDataLinkingBatchApi,
        "bundle_data_linking_batch",
        lambda: models.CreateBundleDataLinkingBatch(items=_items(models.CreateBundleDataLinkingBatchItem)),
        ("INITIALISED", "LINKED", "PARTIALLY_LINKED"),
    ),
    "bundle_unlinking": (
        libica.BundleDataUnlinkingBatchApi,
        "bundle_data_unlinking_batch",
        lambda: models.CreateBundleDataUnlinkingBatch(items=_items(models.CreateBundleDataUnlinkingBatchItem)),
        ("INITIALISED", "UNLINKED", "PARTIALLY_UNLINKED"),
    ),
}


class Family:
    """One family, as its own class of the client has it."""

    def __init__(self, ica, family):
        self.ica = ica
        api, self.name, self.body, self.words = FAMILIES[family]
        self.api = api(ica.client)
        self.owner = BUNDLE if family.startswith("bundle") else ica.project
        self.posted = family == "move"

    async def create(self, **more):
        return await self.ica.call(getattr(self.api, f"create_{self.name}"), self.owner, self.body(), **more)

    async def batch(self, batch):
        return await self.ica.call(getattr(self.api, f"get_{self.name}"), self.owner, str(batch.id))

    async def items(self, batch, *statuses, **page):
        method = getattr(self.api, f"get_{self.name}_items")
        if self.posted:
            wanted = models.ProjectDataMoveBatchItemQueryParameters(status=list(statuses) or None)
            more = {"project_data_move_batch_item_query_parameters": wanted}
            return await self.ica.call(method, self.owner, str(batch.id), **more, **page)
        return await self.ica.call(method, self.owner, str(batch.id), status=list(statuses) or None, **page)

    async def item(self, batch, item):
        method = getattr(self.api, f"get_{self.name}_item")
        return await self.ica.call(method, self.owner, str(batch.id), str(item.id))


def named(item):
    sample = getattr(item.request, "sample_to_create", None)
    return sample.name if sample is not None else item.request.data_id


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_batch_is_created_and_read_from_its_first_status_to_its_last(vendor, family):
    """Batch, job, items and single items parse at any time, with every outcome."""
    async with vendor(jitter=0.0) as ica:
        it = Family(ica, family)
        batch = await it.create()
        read = await it.batch(batch)
        assert (read.id, read.job.subject_id) == (batch.id, batch.id)
        assert str((read.job.bundle or read.job.project).id) == it.owner
        page = await it.items(batch, page_size="1000")
        assert [named(row) for row in page.items] == NAMES
        assert {row.processing.status for row in page.items} == {it.words[0]}
        await ica.clock.advance(60)
        page = await it.items(batch, page_size="1000")
        _, done, partial = it.words
        at_work = page.items[3].processing.status
        assert [row.processing.status for row in page.items] == [done, "FAILED", partial, at_work, done]
        assert at_work in {"RUNNING", "COPYING", "MOVING", "UPDATING"}
        assert page.items[1].processing.additional_status_information
        assert await it.item(batch, page.items[0]) == page.items[0]


@pytest.mark.parametrize("family", FAMILIES)
async def test_items_are_paged_and_filtered(vendor, family):
    """Cursors and several statuses work as the client sends them, also where items are listed by POST."""
    async with vendor(jitter=0.0) as ica:
        it = Family(ica, family)
        batch = await it.create()
        await ica.clock.advance(60)
        seen, token = [], None
        while token != "":
            page = await it.items(batch, it.words[1], "FAILED", page_size="2", page_token=token)
            seen += [named(row) for row in page.items]
            token = page.next_page_token
        assert seen == ["fil.1", "fil.fail", "fil.2"]


async def test_what_was_made_is_shown_by_its_item(vendor):
    """A copy has an id of its own, moved and linked data keep theirs, a sample has its name and tags."""
    async with vendor(jitter=0.0) as ica:
        made = {}
        for family in FAMILIES:
            it = Family(ica, family)
            batch = await it.create()
            await ica.clock.advance(60)
            made[family] = (await it.items(batch)).items[0]
        assert made["copy"].created_project_data.data.id not in {"fil.1", None}
        assert made["move"].created_project_data.data.id == "fil.1"
        assert str(made["bundle_linking"].bundle_data.bundle_id) == BUNDLE
        sample = made["samples"].created_sample
        assert (sample.name, sample.status, sample.tags.technical_tags) == ("fil.1", "AVAILABLE", ["t1"])


async def test_the_parameters_of_a_batch_are_shown(vendor):
    """Copies and moves say where to and how; each item of an update says what changes."""
    async with vendor() as ica:
        copy, move, update = (Family(ica, family) for family in ("copy", "move", "update"))
        read = await copy.batch(await copy.create())
        assert (read.destination_folder_id, read.action_on_exist, read.copy_technical_tags) == (FOLDER, "SKIP", False)
        assert (await move.batch(await move.create())).destination_folder_id == FOLDER
        rows = (await update.items(await update.create())).items
        assert rows[0].request.user_tags.add_tags == ["a"]
        assert (rows[0].request.will_be_archived_at, rows[2].request.will_be_archived_at) == (WHEN, None)


async def test_samples_are_created_once_under_a_key_and_found_by_their_tags(vendor):
    """The same key answers with the same batch; the search matches whole technical tags."""
    async with vendor(jitter=0.0) as ica:
        it = Family(ica, "samples")
        first, second = await it.create(idempotency_key="k"), await it.create(idempotency_key="k")
        assert first.id == second.id
        await ica.clock.advance(60)
        api = libica.ProjectSampleApi(ica.client)
        found = []
        for tag in ("t1", "t"):
            search = models.FindProjectSamples(
                conditions=[],
                date_conditions=[],
                number_conditions=[],
                boolean_conditions=[],
                tech_tags=[tag],
                tech_tag_match_mode="EXACT",
            )
            page = await ica.call(api.get_project_samples, ica.project, search, page_size="1000")
            found.append([(row.sample.name, row.sample.status) for row in page.items])
        assert found == [[("fil.1", "AVAILABLE"), ("fol.partial", "AVAILABLE"), ("fil.2", "PARTIAL")], []]


async def test_one_list_of_jobs_has_the_batches_of_every_family(vendor):
    """Of projects and of bundles, with a type for each."""
    async with vendor() as ica:
        for family in FAMILIES:
            await Family(ica, family).create()
        jobs = (await ica.call(libica.JobApi(ica.client).get_jobs, page_size="1000")).items
        assert len({job.subject_type for job in jobs}) == len(FAMILIES)
