"""Numbers of the forecast server for Prometheus."""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

TEXT = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Numbers of one application, in a registry of their own.

    Attributes:
        answers: answers to requests for forecasts, by model and HTTP status.
        seconds: time from the first byte of a request to its answer.
        batches: number of requests of each batch.
        waiting: requests that wait for a model.
        versions: version of each model.
    """

    def __init__(self) -> None:
        own = CollectorRegistry()
        names = ("model", "status")
        self.registry = own
        self.answers = Counter("tslm_forecasts", "Answers to POST /forecast", names, registry=own)
        self.seconds = Histogram(
            "tslm_forecast_seconds", "Time of an answer", ("model",), buckets=SECONDS, registry=own
        )
        self.batches = Histogram(
            "tslm_batch_requests", "Requests of a batch", ("model",), buckets=REQUESTS, registry=own
        )
        self.waiting = Gauge(
            "tslm_waiting_requests", "Requests that wait", ("model",), registry=own
        )
        self.versions = Gauge("tslm_model_version", "Version of a model", ("model",), registry=own)
        ProcessCollector(registry=own)

    def text(self) -> bytes:
        """Return all numbers in the format of Prometheus."""
        return generate_latest(self.registry)
