"""Self-supervised pretraining: a language model predicts masked or next codes of frames.

Anjum, "LiPCoT: Linear Predictive Coding based Tokenizer for Self-supervised Learning of Time Series
Data via Language Models", 2024. https://arxiv.org/abs/2408.07292, section 2.5 (masked codes). The
objective "next_code", for causal language models, is not in the paper. Departures: all three parts
of a code are predicted, and the scores are compared with those of code frequencies. Frames are
coded after normalisation by the level, the spread and the profile of their whole sentence. So the
input of the model contains a little information about the predicted frame, while code frequencies
do not.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import pandas as pd
from lightning import LightningModule
from omegaconf import DictConfig
from sklearn.base import BaseEstimator
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from tslm.core.config.build import build, part_class
from tslm.core.config.estimator_settings import configure
from tslm.core.errors import ConfigError
from tslm.core.fitted import check_fitted, is_fitted
from tslm.core.hardware import Machine, run
from tslm.core.messages import check_choice
from tslm.core.seeds import seeded
from tslm.core.spec import Spec, nested
from tslm.core.types import Batch, Facts
from tslm.data.frame import read_frame
from tslm.data.panel import Panel
from tslm.data.roles import columns_of, find_columns
from tslm.data.samplers import RandomWindows
from tslm.data.time_writing import Writing
from tslm.data.windows import Windows
from tslm.estimators.lipcot.counts import Counts, DataSet, scored
from tslm.estimators.lipcot.reader import CodeReader, portable
from tslm.estimators.saving.folder import Saved, write_saved
from tslm.estimators.saving.values import plain_parameter
from tslm.estimators.training.progress import Bar
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.weights import trained_weights
from tslm.models.adapters.lipcot import LiPCoT
from tslm.models.assembly import body_of, settle, task_of
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.huggingface import HuggingFaceBackbone

Objective = Literal["next_code", "mlm"]


class LiPCoTPretrainer(BaseEstimator):  # type: ignore[misc]  # untyped
    """Self-supervised pretraining of LiPCoT's codebook and embedding on several data sets.

    All data sets share one codebook. If they have different sampling rates, set
    ``adapter=Spec("lipcot", band=12)``: filters then count cycles per season, here up to 12.
    ``TSLMForecaster(adapter="lipcot", pretrained=FOLDER)`` starts training from a saved pretrainer.
    The backbone ``bert-lipcot`` has the size of the paper's; it begins with random weights, so it
    needs ``freeze="full"``.

    Arguments are only stored; ``fit`` checks them.

    Args:
        objective: ``next_code`` (predict each next code), for causal language models, or ``mlm``
            (predict masked codes), for bidirectional ones. ``mlm`` predicts 15% of the frames: 80%
            of these are masked, 10% are replaced by others and 10% stay as they are.
        adapter: "lipcot", or a ``Spec`` with options.
        backbone: the frozen language model: a name (tslm backbone list), a hub id, a folder or a
            .gguf file; or a control in its place, such as "none", "block" or "random:smollm2-135m".
        n_layers: number of first blocks of the backbone to use; "all" uses every block. None takes
            the recommendation of the backbone.
        freeze: weights of the backbone to train: "strict" (none), "norms", "norms+pos", "lora" or
            "full".
        context_length: steps of a sentence. None takes a length that suits the data.
        freq: time between rows: a pandas alias such as h, D or MS, or a whole number. None infers
            it.
        season_length: number of steps of the main season. None takes that of the frequency.
        id_col: column of series ids, or a list of columns that identify a series together, such as
            [store, item]; a frame without the column unique_id is one series.
        time_col: column of times; without a column ds, the only column of dates.
        target_col: column of values; without a column y, the only column of numbers.
        time_format: format of times in text or numbers: a strptime format such as %d/%m/%Y, "s",
            "ms", "us" or "ns" since 1970, or "excel". None infers it.
        dayfirst: read 01/02 as 1 February (true) or 2 January (false). None infers it, and raises
            an error if dates are ambiguous.
        tz: time zone in which times are read, such as Europe/Berlin; times without a zone are local
            there. None uses the zone of the data, and reads text with changing offsets in UTC.
        resample: step of a regular grid to put rows on, such as h, 15min or MS: numbers in one step
            are averaged, the last category is taken, and a step without rows is missing. None
            leaves rows as they are.
        max_steps: number of training batches.
        learning_rate: the highest learning rate. None takes that of the adapter or baseline.
        batch_size: sentences per batch. Each batch comes from one data set; the sets take turns.
        trainer: training recipe: optimizer, learning-rate schedule and loss: "one_cycle", "cosine"
            or "halving". A name, or a ``Spec`` with options.
        accelerator: device to train on, as in Lightning: auto, cpu, gpu and others.
        random_state: seed.
        verbose: 0 is silent, 1 shows a progress bar.

    Attributes:
        reader_: the language model with the adapters and a head that predicts codes.

    Examples:
        >>> from tslm import LiPCoTPretrainer, Spec
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200, max_length=300)
        >>> adapter = Spec("lipcot", order=4, n_codes=8, frame_length=14)
        >>> teacher = LiPCoTPretrainer(adapter=adapter, backbone="tiny", max_steps=2, verbose=0)
        >>> teacher.fit([sales]).save("codes", overwrite=True)
        >>> from tslm import TSLMForecaster
        >>> model = TSLMForecaster(
        ...     h=7, adapter=adapter, base=None, backbone="tiny", pretrained="codes", max_steps=2
        ... )
        >>> len(model.fit(sales).predict())
        14
    """

    parts = ("adapter", "freeze", "trainer")
    reader_: "CodeReader"

    def __init__(
        self,
        objective: str = "next_code",
        adapter: str | Spec = "lipcot",
        backbone: str = "smollm2-135m",
        n_layers: int | str | None = None,
        freeze: str | Spec = "strict",
        context_length: int | None = None,
        freq: str | int | None = None,
        season_length: int | None = None,
        id_col: str | list[str] | None = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        time_format: str | None = None,
        dayfirst: bool | None = None,
        tz: str | None = None,
        resample: str | None = None,
        max_steps: int = 1000,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        trainer: str | Spec = "one_cycle",
        accelerator: str = "auto",
        random_state: int = 0,
        verbose: int = 1,
    ) -> None:
        self.objective = objective
        self.adapter = adapter
        self.backbone = backbone
        self.n_layers = n_layers
        self.freeze = freeze
        self.context_length = context_length
        self.freq = freq
        self.season_length = season_length
        self.id_col = id_col
        self.time_col = time_col
        self.target_col = target_col
        self.time_format = time_format
        self.dayfirst = dayfirst
        self.tz = tz
        self.resample = resample
        self.max_steps = max_steps
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.trainer = trainer
        self.accelerator = accelerator
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: pd.DataFrame | Sequence[pd.DataFrame],  # noqa: N803
        y: None = None,
    ) -> "LiPCoTPretrainer":
        """Learn one codebook from all data sets, then train the prediction of its codes.

        Args:
            X: one long frame, or several; each may have its own frequency.
            y: ignored; scikit-learn passes it.

        Raises:
            DataError: if a frame breaks the contract.
            ConfigError: if a setting is impossible, or the sets cannot share codes.
        """
        cfg = self._configure()
        frames = [X] if isinstance(X, pd.DataFrame) else list(X)
        with seeded(self.random_state):
            body = body_of(cfg)
            sets = [self._set(cfg, df, body) for df in frames]
            reader = CodeReader(self.objective, [part.adapter for part in sets], body)
            reader.learn([part.windows for part in sets])
            self._train(cfg, reader, [part.windows for part in sets])
        self.reader_ = reader.eval().cpu()
        self.counts_ = Counts.of(reader, sets)
        return self

    def score(self, X: pd.DataFrame, y: None = None) -> pd.DataFrame:  # noqa: N803
        """Score predicted codes of a frame, and compare with predictions from code frequencies.

        Contexts are adjacent. ``mlm`` masks the same frames in every call.

        Args:
            X: a long frame, if possible with rows that ``fit`` has not seen.
            y: ignored.

        Returns:
            One row per predictor: ``model``; ``unigram``, the frequency of a code in its series,
            or in all series if ``fit`` did not see this one; ``bigram``, the frequency of a code
            after the previous one; ``uniform``. Columns: ``perplexity`` and ``accuracy`` of shapes,
            and ``codes``, the number of predicted codes.
        """
        self._check_fitted()
        reader = self.reader_
        part = self._set(self._configure(), X, reader.backbone)
        part.adapter.begin(portable(reader.adapters[0]))
        reader = CodeReader(self.objective, [part.adapter], reader.backbone, reader.head)
        return scored(reader.eval(), part, self.counts_)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write a folder of JSON and safetensors; it appears whole or not at all.

        The folder does not contain a trained language model; ``save_body`` writes that.

        Raises:
            ConfigError: if ``path`` exists and ``overwrite`` is False.
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        weights = {f"adapter.{k}": v for k, v in portable(self.reader_.adapters[0]).items()}
        params = {
            name: plain_parameter(value) for name, value in self.get_params(deep=False).items()
        }
        facts = {"kind": type(self).__name__, "params": params}
        write_saved(Saved(facts, weights, {}), path, overwrite)

    def save_body(self, path: str | Path) -> None:
        """Write the language model as a checkpoint folder, which ``backbone=PATH`` reads.

        Raises:
            ConfigError: if ``path`` exists, or the backbone is a control.
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        body = self.reader_.backbone
        if not isinstance(body, HuggingFaceBackbone):
            raise ConfigError(f"{body.identity.name} is a control and has no checkpoint to write.")
        if Path(path).exists():
            raise ConfigError(f"{path} exists already. Give another path.")
        body.body.save_pretrained(path)

    def set_params(self, **params: Any) -> "LiPCoTPretrainer":
        """Set parameters; ``adapter__order=16`` sets an option of a part."""
        super().set_params(**nested(self, self.parts, params))
        return self

    def _configure(self) -> DictConfig:
        check_choice("objective", self.objective, get_args(Objective))
        parts = {part: getattr(self, part) for part in self.parts}
        named = ["backbone", "n_layers", "context_length", "freq", "season_length", "max_steps"]
        named += ["resample", "learning_rate", "batch_size", "accelerator", "verbose"]
        values = {name: getattr(self, name) for name in named}
        cfg = configure(parts, {**values, "h": 1})
        if part_class(cfg.adapter) is not LiPCoT:
            raise ConfigError(
                f"adapter={Spec.of(self.adapter).name} has no codes. Set adapter=lipcot."
            )
        return cfg

    def _set(self, cfg: DictConfig, df: pd.DataFrame, body: Backbone) -> "DataSet":
        writing = Writing(self.time_format, self.dayfirst, self.tz)
        columns = find_columns(df, columns_of(self.id_col, self.time_col, self.target_col, writing))
        frame = read_frame(df, columns, freq=self.freq, resample=self.resample)
        panel = Panel.from_frame(frame)
        season = self.season_length or frame.calendar.season_length
        cfg = settle(cfg, Facts(1, season, int(panel.lengths.max())))
        adapter = build(
            cfg.adapter, lexicon=body.lexicon, task=task_of(cfg, season, frame.calendar)
        )
        return DataSet(adapter, Windows(panel, context_length=cfg.context_length, future_length=0))

    def _train(self, cfg: DictConfig, reader: "CodeReader", windows: list[Windows]) -> None:
        if not (trained_weights(reader.adapters) or trained_weights(reader.backbone)):
            raise ConfigError(
                f"adapter.embedding={cfg.adapter.embedding} and a frozen language model leave "
                "nothing to train. Use embedding=latent or table, or freeze=full."
            )
        recipe: Recipe = build(cfg.trainer, learning_rate=cfg.learning_rate, steps=cfg.max_steps)
        feed = _InTurn(windows, cfg.batch_size, self.random_state)
        trainer = Machine(cfg.accelerator).trainer(
            max_steps=recipe.steps,
            max_epochs=-1,
            gradient_clip_val=recipe.clip,
            enable_checkpointing=False,
            enable_progress_bar=self.verbose > 0,
            callbacks=[Bar()] if self.verbose > 0 else [],
        )
        lessons: DataLoader[Lesson] = DataLoader(feed, batch_size=None)
        run(trainer, PretrainingModule(reader, recipe), train_dataloaders=lessons)

    def _check_fitted(self) -> None:
        check_fitted(self, "Call fit(df).")

    def __sklearn_is_fitted__(self) -> bool:
        return is_fitted(self, "reader_")


class Lesson(NamedTuple):
    """Batch of contexts of one data set, with the number of the set."""

    number: int
    batch: Batch


class PretrainingModule(LightningModule):
    """Lightning module that trains a ``CodeReader``."""

    def __init__(self, reader: CodeReader, recipe: Recipe) -> None:
        super().__init__()
        self.reader, self.recipe = reader, recipe

    def training_step(self, lesson: Lesson) -> Tensor:
        loss = self.reader.loss(*lesson)
        self.log("loss", loss.detach(), prog_bar=True, batch_size=1)
        return loss

    def configure_optimizers(self) -> Any:
        optimizer, schedule = self.recipe.optimizer(trained_weights(self.reader))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class _InTurn(IterableDataset[Lesson]):
    """Batches of all data sets in turn, drawn by seed and step."""

    def __init__(self, sets: Sequence[Windows], batch_size: int, seed: int) -> None:
        self.sets = [(part, RandomWindows(part, batch_size, seed)) for part in sets]

    def __iter__(self) -> Iterator[Lesson]:
        step = 0
        while True:
            turn, number = divmod(step, len(self.sets))
            windows, sampler = self.sets[number]
            yield Lesson(number, windows.cut(sampler.batch(turn)))
            step += 1
