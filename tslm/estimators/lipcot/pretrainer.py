"""Self-supervised pretraining: a language model predicts masked or next codes of frames.

Anjum, "LiPCoT: Linear Predictive Coding based Tokenizer for Self-supervised Learning of Time Series
Data via Language Models", 2024. https://arxiv.org/abs/2408.07292, section 2.5 (masked codes). To
guess the next code with a causal body is our own. Departures: all three parts of a code are
guessed; perplexities stand beside those of codes counted without any model. Frames are coded after
the level, the spread and the profile of their whole sentence, so what the model reads tells a
little of the frame it guesses, and what is counted does not.
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

import tslm.estimators.saving as saving
from tslm.core.config.build import build, part_class
from tslm.core.config.estimator_settings import configure
from tslm.core.errors import ConfigError, NotFittedError
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

    All sets share one codebook of frames; ``adapter=Spec("lipcot", band=12)`` makes it one of
    cycles per season, for sets of several sampling rates. ``TSLMForecaster(adapter="lipcot",
    pretrained=FOLDER)`` begins with what was saved. Arguments are only stored; ``fit`` checks them.

    Args:
        objective: ``next_code``, on a body that reads from left to right, or ``mlm``, on one that
            reads both ways: 15 % of the frames are guessed, of which 80 % are masked, 10 % are
            those of others and 10 % stay.
        adapter: "lipcot", or a ``Spec`` with options.
        backbone: the body; ``bert-lipcot`` is the paper's size, from scratch with ``freeze=full``.
        n_layers: its first blocks; None is what its yaml recommends.
        freeze: what of the body is trained, as in ``TSLMForecaster``.
        context_length: steps of a sentence.
        freq: distance of rows; None infers it.
        season_length: steps of the main season; None takes the frequency's.
        id_col: column of series ids, or the list of columns that name a series together.
        time_col: column of times.
        target_col: column of values.
        time_format: the way times are written, as the next two of ``TSLMForecaster``.
        dayfirst: whether the day comes before the month; None finds out.
        tz: time zone in which times are read; None keeps that of a frame.
        resample: steps of a grid that rows of all sets are put on, as of ``TSLMForecaster``.
        max_steps: training batches.
        learning_rate: the highest rate; None is the adapter's.
        batch_size: sentences of a batch; each batch is of one set, all sets in turn.
        trainer: the training recipe.
        accelerator: as in Lightning.
        random_state: seed.
        verbose: 0 is silent, 1 shows a progress bar.

    Attributes:
        reader_: the body with the adapter and a head.

    Examples:
        >>> from tslm import LiPCoTPretrainer, Spec
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200, max_length=300)
        >>> adapter = Spec("lipcot", order=4, n_codes=8, frame_length=14)
        >>> teacher = LiPCoTPretrainer(adapter=adapter, backbone="tiny", max_steps=2, verbose=0)
        >>> teacher.fit([sales]).save("codes", overwrite=True)
        >>> from tslm import TSLMForecaster
        >>> model = TSLMForecaster(
        ...     h=7, adapter=adapter, backbone="tiny", pretrained="codes", max_steps=2, verbose=0
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
            X: a long frame, or several, each with a frequency of its own.
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
            X: a long frame, best of rows that ``fit`` has not seen.
            y: ignored.

        Returns:
            A row a predictor: ``model``; ``unigram``, how often a series (or, of a series not
            seen, any) has used a code; ``bigram``, how often a code followed the one before;
            ``uniform``. Columns ``perplexity`` of shapes, ``accuracy`` and ``codes``, how many.
        """
        self._check_fitted()
        reader = self.reader_
        part = self._set(self._configure(), X, reader.backbone)
        part.adapter.begin(portable(reader.adapters[0]))
        reader = CodeReader(self.objective, [part.adapter], reader.backbone, reader.head)
        return scored(reader.eval(), part, self.counts_)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write a folder of JSON and safetensors; it appears whole or not at all.

        A body that was trained is not in it; ``save_body`` writes that.

        Raises:
            ConfigError: if something is there and ``overwrite`` is not set.
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        weights = {f"adapter.{k}": v for k, v in portable(self.reader_.adapters[0]).items()}
        params = {name: saving.plain(value) for name, value in self.get_params(deep=False).items()}
        facts = {"kind": type(self).__name__, "params": params}
        saving.save(saving.Saved(facts, weights, {}), path, overwrite)

    def save_body(self, path: str | Path) -> None:
        """Write the body as a checkpoint folder, which ``backbone=PATH`` reads.

        Raises:
            ConfigError: if something is there, or the body is a control.
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
                f"adapter.embedding={cfg.adapter.embedding} and a frozen body leave nothing to "
                "teach. Use embedding=latent or table, or freeze=full."
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
        if not hasattr(self, "reader_"):
            raise NotFittedError("This LiPCoTPretrainer is not fitted yet. Call fit(df).")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "reader_")


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
