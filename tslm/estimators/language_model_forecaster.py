"""Forecaster with a language model: its adapter and backbone, explanation and ablation."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig

from tslm.core.config.build import part_class
from tslm.core.config.schema import COVARIATE, OWN, tagged
from tslm.core.errors import BackboneError, ConfigError, warn
from tslm.core.fitted import check_unchanged
from tslm.core.forecaster import Forecaster
from tslm.core.messages import check_choice
from tslm.core.plain_values import positive
from tslm.core.types import Task
from tslm.data.interchange import same_kind
from tslm.data.series_text import PromptTemplate
from tslm.estimators.announcement import say
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.explanation import Explanation, explain
from tslm.estimators.input_importance import InputExplanation
from tslm.estimators.long_frame_forecaster import EXPLAINED
from tslm.estimators.pretrained import Pretrained
from tslm.estimators.statements.explanation import StatementExplanation
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.evaluation.ablation.ablate import ablate
from tslm.evaluation.ablation.arms import Budget
from tslm.evaluation.ablation.report import Ablation
from tslm.evaluation.ablation.run import Reporter
from tslm.evaluation.ablation.text_claim import TextTrial, ablate_text
from tslm.evaluation.ablation.trial import Trial, held_out
from tslm.models.assembly import ANY, forecaster_of
from tslm.models.depth_search import AUTO, DepthSearch
from tslm.models.forecast_model import ForecastModel


class LanguageModelForecaster(TrainedForecaster):
    """Forecaster of long frames with an adapter, a frozen language model and a decoder."""

    backbone: str
    prompt: str | None
    pretrained: str | Path | None

    @property
    def model_(self) -> ForecastModel:
        """Return the fitted model: adapter, frozen backbone and decoder.

        Raises:
            ConfigError: if the forecaster is a mix of local rules alone.
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        found = self.forecaster_.learner
        if not isinstance(found, ForecastModel):
            raise ConfigError(
                "This forecaster has no language model: its series are too short to train an "
                "adapter, or base.adapter is false, so forecasts come from local rules alone. Give "
                "longer series, or a smaller h."
            )
        return found

    @same_kind
    def explain(
        self,
        df: pd.DataFrame | None = None,
        *,
        kind: str | None = None,
        events: pd.DataFrame | None = None,
        h: int | None = None,
        futr_df: pd.DataFrame | None = None,
        patch_len: int | None = None,
        top: int = 5,
    ) -> Explanation | StatementExplanation | InputExplanation:
        """Show the words that the language model reads, statements, or the importance of inputs.

        Args:
            df: series to explain, also ones that ``fit`` did not see; None takes those of ``fit``.
            kind: "words" shows the text and words that the adapter gives to the language model, for
                the last context of each series. "statements" shows the effect of each statement in
                ``events``. "inputs" shows the importance of each patch of the context, covariate
                and statement: the change of the forecast if it is replaced by what is expected
                without it. None is "statements" with ``events``, and "words" without.
            events: statements, as in ``predict``.
            h: steps to forecast, the estimator's ``h`` by default; not for "words".
            futr_df: as in ``predict``; not for "words".
            patch_len: rows of a patch, for "inputs". None takes a season, or less if there are few
                in a context.
            top: number of words per prototype or anchor, and of these per patch.

        Raises:
            ConfigError: if the adapter uses no words.
        """
        check_choice("kind", kind or "words", ("words", *EXPLAINED))
        if kind in EXPLAINED or (kind is None and events is not None):
            options: dict[str, Any] = {"h": h, "futr_df": futr_df, "patch_len": patch_len}
            found: StatementExplanation | InputExplanation = super().explain(
                df, kind=kind, events=events, **options
            )
            return found
        self._check_as_fitted()
        panel = self.contexts_ if df is None else self.panel_reader.read(df)
        return explain(
            self.model_, panel, self.calendar_, self.context_length_, positive("top", top)
        )

    @same_kind
    def ablate(
        self,
        df: pd.DataFrame,
        *,
        h: int | None = None,
        n_windows: int = 1,
        static_df: pd.DataFrame | None = None,
        events: pd.DataFrame | None = None,
        val_df: pd.DataFrame | None = None,
        budget: str | Budget = "quick",
        say: Reporter | None = None,
    ) -> pd.DataFrame:
        """Train the language model and its substitutes, and test whether it helps.

        The last ``n_windows`` horizons of each series are held out; every window in them is
        forecast by every arm. ``ablation_`` has the verdicts and writes the report.

        Args:
            df: the long frame.
            h: steps forecast, the estimator's ``h`` by default.
            n_windows: horizons held out; more than three give an interval for few series.
            static_df: as in ``fit``.
            events: statements, as in ``predict``. They are then tested in place of the language
                model of the adapter: the arms have other texts, other readers or none, and errors
                are those of the steps that statements concern.
            val_df: rows after those of ``df``. The horizons held out are the last of them, and
                the rows before are used for validation, in place of ``val_size``.
            budget: a file of ``conf/budget`` ("quick", "full", "survey"), or a ``Budget``.
            say: called with a text when an arm is done.

        Returns:
            One row per arm: errors, the difference to the model in percent with its interval,
            verdict and cost.

        Raises:
            DataError: if the frame is invalid, or series are too short to hold out horizons.
            ConfigError: if a setting is impossible.
        """
        horizon = positive("h", self.h if h is None else h)
        settled = self.addressed(df)
        rows = horizon * positive("n_windows", n_windows)
        trial = held_out(settled, df, rows, static_df=static_df, val_df=val_df)
        asked = budget if isinstance(budget, Budget) else Budget.of(budget)
        if events is None:
            self.ablation_ = settled.compare(trial, [horizon], asked, say)
        else:
            self.ablation_ = settled.compare_texts(trial, horizon, events, asked, say)
        return self.ablation_.frame

    def compare(
        self, trial: Trial, horizons: Sequence[int], budget: Budget, say: Reporter | None = None
    ) -> Ablation:
        """Train the model and all arms of a budget on a trial, and compare them.

        An arm that fails is left out of the report with a warning; ``failed`` has the reason.
        """
        cfg = self._configure()
        if cfg.n_layers == AUTO:
            raise ConfigError(
                "n_layers=auto: all arms of an ablation have the same number of blocks. Set it, "
                "such as n_layers=2; after a fit with auto, model.config_.n_layers has the number."
            )
        language = self._part(cfg).language(dict(cfg.adapter))
        return ablate(self, trial, horizons, budget, language, say)

    def compare_texts(
        self,
        trial: Trial,
        horizon: int,
        events: pd.DataFrame,
        budget: Budget,
        say: Reporter | None = None,
    ) -> Ablation:
        """Compare forecasts with statements to those with other texts, other readers and none.

        Raises:
            DataError: if the table of events is wrong, or concerns none of the scored rows.
        """
        table = self.reader.events(events, trial.frame.calendar, trial.frame.ids)
        return ablate_text(self, TextTrial(trial, horizon, table), budget.seeds, say)

    def _configure(self) -> DictConfig:
        cfg = super()._configure()
        names = PromptTemplate.parse(self.prompt).names
        if names and not (part := self._part(cfg)).reads_text:
            raise ConfigError(
                f"prompt={self.prompt!r} describes each series, and the adapter {part.__name__} "
                "passes no text to the language model. Choose adapter=time_llm, or leave prompt "
                "out."
            )
        return cfg

    def _part(self, cfg: DictConfig) -> Any:
        return part_class(cfg.adapter)

    def _joint(self, cfg: DictConfig) -> bool:
        return bool(cfg.multivariate == "tokens")

    def _prompt(self) -> PromptTemplate:
        template = PromptTemplate.parse(self.prompt)
        if template.names and not self.__sklearn_is_fitted__():
            self._configure()  # refuses a prompt that the adapter would not read
        return template

    def _check_as_fitted(self) -> None:
        super()._check_as_fitted()
        check_unchanged("prompt", self.config_.prompt, self.prompt)

    def _warn_after_fit(self) -> None:
        part = self._part(self.config_)
        if self.prompt and not part.reads_text:
            warn(
                f"The adapter {part.__name__} passes no text to the language model: prompt has no "
                "effect. Choose adapter=time_llm, or leave prompt out."
            )
        self.verdict_.warn("the mix" if self.verdict_.members else "the language model")
        if self.verbose and self.verdict_.carried:
            say(f"{self.name}: {self.verdict_.carried}")

    def _trusts_distribution(self, model: Forecaster) -> bool:
        return model.distribution_horizon > 0

    def _assemble(
        self,
        cfg: DictConfig,
        task: Task,
        device: torch.device | None = None,
        download: bool = True,
        sizes: AbstractContextManager[None] = ANY,
    ) -> Forecaster:
        return forecaster_of(cfg, task, device=device, download=download, sizes=sizes)

    def _begin(self, model: Forecaster, cfg: DictConfig) -> None:
        if self.pretrained is not None and isinstance(model.learner, DepthSearch):
            raise ConfigError(
                "n_layers=auto chooses the depth of new weights, and those of pretrained="
                f"{self.pretrained} have one. Set n_layers to the number of blocks of that model."
            )
        if self.pretrained is not None and isinstance(model.learner, ForecastModel):
            Pretrained.read(self.pretrained).begin(model.learner, cfg)

    def baseline(self, name: str) -> TrainedForecaster:
        known = BaselineForecaster().get_params(deep=False)
        apart = set(tagged(OWN, COVARIATE))  # a baseline reads only the target
        shared = known.keys() & (self.get_params(deep=False).keys() - apart)
        return BaselineForecaster(name, **{key: getattr(self, key) for key in shared})

    def _identity(self) -> dict[str, Any]:
        learner = self.forecaster_.learner
        if not isinstance(learner, ForecastModel):
            return {"backbone": None}
        return {"backbone": asdict(learner.backbone.identity)}

    def _check_identity(self, facts: dict[str, Any], model: Forecaster) -> None:
        learner = model.learner
        if not isinstance(learner, ForecastModel):
            return
        trained, found = facts["backbone"], asdict(learner.backbone.identity)
        for key in ("fingerprint", "n_layers"):
            if trained[key] != found[key]:
                raise BackboneError(
                    f"The model was saved with {trained['name']} ({key} {trained[key]}, from "
                    f"{trained['source']}), and the one here has {key} {found[key]} (from "
                    f"{found['source']}). Get the weights it was trained with, and pass "
                    "load(path, backbone=...) where they are."
                )
