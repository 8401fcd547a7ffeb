"""create_app(settings): builds and wires; no logic."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.datastructures import State

from app.admission import Admission, AdmissionLimits
from app.arrival import Arrivals
from app.batching import BatchLimits
from app.bucket import Bucket
from app.catalog import Catalog
from app.changeover import Changeover
from app.deadline import Deadlines
from app.delivery.deliveries import Deliveries, open_channels
from app.drift import Drift
from app.drift_memory import DriftMemory
from app.errors import install_handlers
from app.folder import Folder
from app.followed import Followed, follow
from app.inflight import InFlight
from app.inspection import Inspection
from app.keep_policy import ErrorPolicy, parse_policy
from app.keeping import KEEP_ERROR_S, Keeping, Shelf
from app.keys import Keyring
from app.later import Later
from app.ledger.database import ledger_url
from app.ledger.journal import open_journal
from app.ledger.ledger import Ledger
from app.live_metrics import Sources
from app.metrics import Metrics, RequestCount
from app.observer import Observer
from app.openapi import install_openapi
from app.pictures import DAY_S, HEATMAPS, PICTURES, Kind, PictureStore, Place, Retention
from app.pool import Pool, PoolLimits, count_cores
from app.promises import Promises
from app.quarantine import Quarantine
from app.refusal import FailSafes, Refusals
from app.rehearsal import Rehearsal
from app.replay import Replays
from app.routes import (
    changeover,
    console,
    deliveries,
    dispositions,
    docs,
    health,
    inspect,
    keeping,
    parts,
    products,
    thresholds,
    verdicts,
)
from app.scoring import Scoring
from app.security import Guard, parse_open_routes
from app.settings import Settings, find_devices
from app.spans import open_spans
from app.status import Run
from app.thresholds import Thresholds
from app.upload import Uploads
from app.worker import Loader, load_detector
from app.worker_process import TimeLimits
from detector.decode import DecodeLimits
from model_store.registry import Registry

VERSION = "0.1.0"
ROUTES = (
    inspect,
    verdicts,
    keeping,
    dispositions,
    deliveries,
    parts,
    products,
    thresholds,
    changeover,
    health,
    docs,
    console,
)


def create_app(settings: Settings, loader: Loader = load_detector) -> FastAPI:
    """The service; its workers start with it and are drained when it stops.

    `BadTargets`; `BadKeyFile`, OSError: no keys to read.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        _wire_pool(app.state, settings, loader)
        _wire_inspection(app.state, settings)
        _wire_metrics(app.state, settings)
        background = await _start(app.state)
        yield
        await _stop(app.state, background, settings.drain_s)
        await asyncio.to_thread(spans.close)

    app = FastAPI(title="inspect-line", version=VERSION, docs_url=None, redoc_url=None, lifespan=lifespan)
    spans = open_spans(settings.otlp_endpoint, VERSION)
    metrics = Metrics(settings.deadlines_s, codes=inspect.CODES)
    app.state.settings, app.state.metrics, app.state.run = settings, metrics, Run(VERSION)
    app.state.channels = open_channels(settings.targets_file)
    for module in ROUTES:
        app.include_router(module.router)
    keyring = _read_keys(app.state, settings)
    install_handlers(app, metrics)
    app.add_middleware(Uploads, timeout_s=settings.upload_timeout_s)
    app.add_middleware(
        Guard, keyring=keyring, open_routes=parse_open_routes(settings.open_routes), metrics=metrics
    )  # outside of the body: strangers' bytes are not read
    app.add_middleware(RequestCount, metrics=metrics)
    app.add_middleware(Arrivals, spans=spans)  # outermost: the id is on every answer
    install_openapi(app, has_keys=keyring is not None)
    return app


async def _start(state: State) -> list[asyncio.Task[None]]:
    """Workers, deliveries, and what goes on beside the requests."""
    await state.thresholds.read()
    await state.ledger.warm_up()
    await state.later.recall()
    state.pool.start()
    state.deliveries.start()
    return [
        asyncio.create_task(state.catalog.stay_ready(state.run.stopping)),
        asyncio.create_task(state.keeping.stay_within_limits()),
        asyncio.create_task(state.later.resume()),
        asyncio.create_task(state.thresholds.follow()),
        asyncio.create_task(state.drift_memory.follow()),
        asyncio.create_task(follow(state.followed)),
        asyncio.create_task(state.ledger.feed.close_after(state.run.stopping)),
    ]


async def _stop(state: State, background: Sequence[asyncio.Task[None]], drain_s: float) -> None:
    """What is held is answered first, and the ledger closes last."""
    state.run.stopping.set()
    await state.pool.drain(drain_s)
    await state.later.drain()
    await state.deliveries.stop()
    for task in background:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    state.keeping.close()
    await state.ledger.close()


def _read_keys(state: State, settings: Settings) -> Keyring | None:
    """The keys, followed from now on; None where there are to be none."""
    state.followed = []
    if settings.keys_file is None:
        return None
    keyring = Keyring(settings.keys_file)
    state.followed.append(Followed("keys", (settings.keys_file,), keyring.read))
    return keyring


def _wire_pool(state: State, settings: Settings, loader: Loader) -> None:
    """Devices, products and versions."""
    limits = PoolLimits(
        batch=BatchLimits(settings.batch_limit, settings.batch_delay_ms / 1000),
        join=settings.join_products,
        timeout_s=settings.request_timeout_s,
        resident_bytes=settings.resident_bytes,
        time=TimeLimits(batch_s=settings.batch_timeout_s, load_s=settings.load_timeout_s),
        cpu_threads=settings.cpu_threads,
    )
    state.pool = Pool(find_devices(settings.devices, count_cores()), loader, limits)
    state.registry = Registry(settings.model_store)
    state.catalog = Catalog(state.registry, state.pool)
    state.changeover = Changeover(state.registry, state.catalog)


def _wire_inspection(state: State, settings: Settings) -> None:
    """What a picture passes on its way to a verdict."""
    held = AdmissionLimits(pictures=settings.queue_limit, bytes=settings.queue_bytes, share=settings.product_share)
    decode_limits = DecodeLimits(max_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels)
    state.admission, state.quarantine = Admission(held), Quarantine()
    state.deadlines = Deadlines(settings.deadline_ms, settings.product_deadlines_ms)
    url = ledger_url(settings.data, settings.ledger_url)
    state.ledger = Ledger(url, open_journal(settings.data, settings.journal_bytes))
    state.deliveries = Deliveries(state.channels, state.ledger, url)
    state.inflight = InFlight(state.admission, state.catalog.decoded_bytes)
    state.thresholds, state.keeping = Thresholds(state.ledger), _keeping(state, settings)
    state.scoring = Scoring(
        catalog=state.catalog,
        pool=state.pool,
        quarantine=state.quarantine,
        limits=decode_limits,
        thresholds=state.thresholds,
    )
    state.catalog.rehearse = Rehearsal(state.scoring, VERSION)
    state.drift = Drift(state.metrics.stations, settings.reject_rates)
    state.drift_memory = DriftMemory(
        drift=state.drift, ledger=state.ledger, catalog=state.catalog, thresholds=state.thresholds
    )
    state.inspection = Inspection(
        inflight=state.inflight,
        scoring=state.scoring,
        ledger=state.ledger,
        keeping=state.keeping,
        observer=Observer(state.metrics, state.drift),
        software=VERSION,
    )
    _wire_around_inspection(state, settings)


def _wire_around_inspection(state: State, settings: Settings) -> None:
    """What becomes of errors, of parts that are answered later, and of those that are looked at again."""
    state.refusals = Refusals(
        ledger=state.ledger,
        keeping=state.keeping,
        catalog=state.catalog,
        metrics=state.metrics,
        fail_safes=FailSafes(settings.product_fail_safe),
        software=VERSION,
    )
    state.later = Later(
        inflight=state.inflight,
        inspection=state.inspection,
        refusals=state.refusals,
        promises=Promises(Folder(settings.data / "promised")),
        ledger=state.ledger,
    )
    state.replays = Replays(
        keeping=state.keeping,
        registry=state.registry,
        catalog=state.catalog,
        scoring=state.scoring,
        software=VERSION,
    )


def _keeping(state: State, settings: Settings) -> Keeping:
    """Where pictures and heatmaps lie, of which parts, for how long."""

    def store(name: str, kind: Kind, max_bytes: int, days: int) -> PictureStore:
        place: Place = Folder(settings.data / name)
        if settings.keep_in is not None:
            place = Bucket(f"{settings.keep_in.rstrip('/')}/{name}")
        return PictureStore(place, kind, Retention(max_bytes=max_bytes, max_age_s=days * DAY_S))

    pictures = store("pictures", PICTURES, settings.picture_bytes, settings.picture_days)
    heatmaps = store("heatmaps", HEATMAPS, settings.heatmap_bytes, settings.heatmap_days)
    errors = store("errors", PICTURES, settings.error_bytes, settings.picture_days)
    policy, metrics = parse_policy(settings.keep_pictures), state.metrics
    of_errors = ErrorPolicy(
        is_on=policy.ok_share is not None and settings.error_bytes > 0, max_picture=settings.error_picture_bytes
    )
    return Keeping(
        pictures=Shelf(pictures, policy, metrics.pictures_lost),
        heatmaps=Shelf(heatmaps, parse_policy(settings.keep_heatmaps), metrics.heatmaps_lost),
        errors=Shelf(errors, of_errors, metrics.pictures_lost, KEEP_ERROR_S),
        ledger=state.ledger,
    )


def _wire_metrics(state: State, settings: Settings) -> None:
    """What is looked up at each scrape."""
    state.sources = Sources(
        run=state.run,
        pool=state.pool,
        admission=state.admission,
        catalog=state.catalog,
        quarantine=state.quarantine,
        keeping=state.keeping,
        drift=state.drift,
        ledger=state.ledger,
        deliveries=state.deliveries,
        followed=state.followed,
        metrics=state.metrics,
        places={"data": settings.data, "models": settings.model_store},
    )
