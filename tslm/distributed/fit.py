"""Fit over workers: this process, or workers of a Ray cluster that share each batch."""

import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.strategies import StrategyRegistry

from tslm.core.errors import ConfigError, TslmError, warn
from tslm.core.messages import check_choice
from tslm.core.plain_values import positive
from tslm.distributed.engines.ray import RayEngine
from tslm.estimators.factory import load_estimator
from tslm.estimators.saving.files import CHECKPOINTS
from tslm.estimators.saving.folder import check_free
from tslm.estimators.trained_forecaster import TrainedForecaster

ENGINES = ("local", "ray")
STRATEGY = "tslm_ray"  # name of Ray's strategy in the registry of Lightning
FAILURES = 3  # of workers, after each of which a run goes on from its last checkpoint


def fit(
    model: TrainedForecaster,
    data: Any,
    out: str | Path,
    *,
    engine: str = "local",
    workers: int = 1,
    overwrite: bool = False,
    history: bool = True,
    **arguments: Any,
) -> TrainedForecaster:
    """Fit an estimator in this process or over workers, and save it.

    Workers share each batch, so that the result is that of one process, but for rounding. Each
    reads the data. The first one writes the checkpoints, which hold the trained weights, the
    optimiser and the random generators, and the model. After a worker was killed, the others are
    started again, and go on from the last checkpoint. So does the same call after an interruption.

    Args:
        model: the estimator; it is fitted itself only with ``engine="local"``.
        data: a long frame, or the path of a Parquet data set that all workers can read.
        out: folder of the saved model, which all workers can write.
        engine: "local" fits in this process; "ray" in workers of a Ray cluster: of the one this
            process is connected to, of that of ``RAY_ADDRESS``, or of one on this machine.
        workers: number of workers of Ray; each takes a GPU if there are enough.
        overwrite: True to replace a saved model.
        history: True to save the last rows of each series.
        arguments: further arguments of ``fit``, such as ``static_df`` and ``warm_start``.

    Returns:
        The fitted estimator.

    Raises:
        DataError: if the data are invalid.
        ConfigError: if a setting is impossible, Ray is missing, or workers end again and again.
    """
    check_choice("engine", engine, ENGINES)
    out = Path(out).expanduser().absolute()
    check_free(out, overwrite)
    if engine == "local":
        model.fit(data, folder=out / CHECKPOINTS, **arguments)
        model.save(out, overwrite=True, history=history)
        return model
    _train_over_workers(_Task(model, _absolute(data), out, history, arguments), workers)
    return load_estimator(out)


@dataclass(frozen=True)
class _Task:
    """Fit, as it is sent to the workers.

    Attributes:
        model: the estimator.
        data: a frame, or an absolute path.
        out: folder of the saved model.
        history: True to save the last rows of each series.
        arguments: further arguments of ``fit``.
    """

    model: TrainedForecaster
    data: Any
    out: Path
    history: bool
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> tuple[list[str], TslmError | None]:
        """Fit in a worker of Ray Train; the first one saves the model.

        Returns:
            Warnings, and the error of a user's mistake, which no further try would mend; None
            without one.
        """
        from ray import train
        from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

        rank_zero_only.rank = train.get_context().get_world_rank()  # type: ignore[attr-defined]
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        StrategyRegistry.register(
            STRATEGY,
            RayDDPStrategy,
            override=True,
            find_unused_parameters=True,
            cluster_environment=RayLightningEnvironment(),
        )
        own = self.model.strategy, self.model.devices
        self.model.set_params(strategy=STRATEGY, devices=1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                self.model.fit(self.data, folder=self.out / CHECKPOINTS, **self.arguments)
            except TslmError as error:
                return [], error
        self.model.set_params(strategy=own[0], devices=own[1])
        self.model.config_.strategy, self.model.config_.devices = own
        self.model.save(self.out, overwrite=True, history=self.history)
        others = (f"{os.sep}torch{os.sep}", f"{os.sep}lightning{os.sep}")
        ours = [one for one in caught if not any(name in one.filename for name in others)]
        return [str(one.message) for one in ours if one.category is UserWarning], None


def _train_over_workers(task: _Task, workers: int) -> None:
    """Run a fit in the workers of a Ray cluster.

    Raises:
        TslmError: that of the first worker.
        ConfigError: if workers end again and again.
    """
    number = positive("workers", workers)
    if number > 1 and task.model.random_state is None:
        raise ConfigError(
            f"workers={number} needs a random_state, so that all workers have the same seed. Set "
            "random_state=0, for example."
        )
    with (
        RayEngine(number).cluster() as ray,
        tempfile.TemporaryDirectory(prefix="tslm-ray-") as folder,
    ):
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError

        gpus = ray.cluster_resources().get("GPU", 0) >= number and task.model.accelerator != "cpu"
        trainer = TorchTrainer(
            lambda: task(),
            scaling_config=ScalingConfig(num_workers=number, use_gpu=bool(gpus)),
            torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
            run_config=RunConfig(
                storage_path=folder, failure_config=FailureConfig(max_failures=FAILURES)
            ),
        )
        try:
            messages, error = trainer.fit().return_value
        except TrainingFailedError as failure:
            raise ConfigError(
                f"Workers of Ray ended {FAILURES + 1} times before the fit was done: {failure}"
            ) from failure
    if error is not None:
        raise error
    for message in messages:
        warn(message)


def _absolute(data: Any) -> Any:
    """Return a path as an absolute one, as workers have another current folder."""
    return str(Path(data).expanduser().absolute()) if isinstance(data, str | Path) else data
