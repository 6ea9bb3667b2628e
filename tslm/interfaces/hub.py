"""Sharing of saved models on the Hugging Face hub: the folder of ``save`` and a model card.

``push`` and ``pull`` go through ``ModelHubMixin`` of huggingface_hub, so tokens, private
repositories, branches and caches work as there. The language model itself is never uploaded.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelHubMixin

from tslm import __version__
from tslm.core.atomic_write import place
from tslm.core.errors import ConfigError, TslmError
from tslm.core.fitted import fitted_attribute
from tslm.core.messages import counted
from tslm.estimators.factory import load_estimator
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.tslm_forecaster import TSLMForecaster
from tslm.evaluation.ablation.findings import Findings
from tslm.evaluation.ablation.report import Ablation
from tslm.models.backbones.weights.download import HUB_TIMEOUT, is_hub_offline
from tslm.models.forecast_model import ForecastModel

TAGS = ["time-series-forecasting", "tslm"]


class HubModel(ModelHubMixin):
    """Fitted forecaster in the form the hub expects, with its model card.

    Args:
        forecaster: a fitted forecaster.
        ablation: result of ``ablate`` for the card, or the file ``tslm ablate`` wrote; None takes
            the last ablation of the forecaster, if there is one.
        history: True to upload the last rows of each series, see ``TrainedForecaster.save``.

    Attributes:
        forecaster: the fitted forecaster.
        findings: summary of the ablation for the card, or None.

    Raises:
        DataError: if the file is not the result of an ablation.
        ConfigError: if the ablation is of another model.
    """

    def __init__(
        self,
        forecaster: TrainedForecaster,
        ablation: Ablation | str | Path | None = None,
        history: bool = True,
    ) -> None:
        self.forecaster, self.history = forecaster, history
        self.findings = _findings(
            fitted_attribute(forecaster, "ablation_") if ablation is None else ablation
        )
        if self.findings is not None and self.findings.model != forecaster.name:
            raise ConfigError(
                f"The ablation is of {self.findings.model}, but the model is {forecaster.name}. "
                "Give the ablation of this model, or leave ablation= out."
            )

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the saved model into an existing folder."""
        draft = save_directory / "model"
        self.forecaster.save(draft, history=self.history)
        for file in draft.iterdir():
            file.replace(save_directory / file.name)
        draft.rmdir()

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "HubModel":
        """Load a model from a folder, or download the folder first.

        Args:
            model_id: a folder, or ``user/name`` on the hub.
            options: ``download`` (True to download a missing language model), ``backbone`` (its
                new location), and options of ``snapshot_download``.
        """
        return cls(_loaded(model_id, **options))

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Make the model card: validation errors, ablation, and an example."""
        return ModelCard(card(self.forecaster, self.findings, self.history))


def push(
    model: TrainedForecaster,
    repo: str,
    *,
    ablation: Ablation | str | Path | None = None,
    private: bool = True,
    history: bool = True,
    **options: Any,
) -> str:
    """Upload a fitted model to the hub. ``shared_content`` describes what is uploaded.

    Args:
        model: a fitted forecaster.
        repo: ``user/name``.
        ablation: result of ``ablate`` for the card, see ``HubModel``.
        private: True if only the owner can see it.
        history: True to upload the last rows of each series, see ``TrainedForecaster.save``.
        options: options of ``ModelHubMixin.push_to_hub``: ``token``, ``branch`` ...

    Returns:
        The address of the commit.

    Raises:
        DataError: if the file is not the result of an ablation.
        ConfigError: if the ablation is of another model, or if ``private`` is True and the
            repository is already public.
        TslmError: if the hub cannot be reached, or refuses the upload.
    """
    model_of_hub = HubModel(model, ablation, history)
    _check_online(repo)
    with _hub_errors(repo):
        public = _is_public(repo, options.get("token"))
        if private and public:
            raise ConfigError(
                f"{repo} already exists and is public. Give another name, make it private on the "
                "hub, or set private=false."
            )
        return str(model_of_hub.push_to_hub(repo, private=private, **options))


def shared_content(model: TrainedForecaster, history: bool = True) -> str:
    """Describe the parts of a shared model, and the user's data among them, in one sentence."""
    series = len(model.contexts_)
    if not history or not series:
        return "settings and weights; no rows, ids or scales of series"
    rows = int(model.contexts_.lengths.max())
    return (
        f"settings, weights, and the id, the scale and the last {rows} rows of each of the "
        f"{series} series (history=false leaves them out)"
    )


def _check_online(repo: str) -> None:
    if is_hub_offline():
        raise TslmError(
            f"{repo!r} cannot be reached because TSLM_OFFLINE or HF_HUB_OFFLINE is set. Unset it "
            "to use the model hub."
        )


def _is_public(repo: str, token: Any) -> bool:
    """Return True if a repository exists and is public; wait ``HUB_TIMEOUT`` seconds at most."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return HfApi().model_info(repo, token=token, timeout=HUB_TIMEOUT).private is False
    except RepositoryNotFoundError:
        return False


def pull(
    repo: str, *, backbone: str | Path | None = None, download: bool = False, **options: Any
) -> TrainedForecaster:
    """Load a shared model from the hub or from a folder.

    Args:
        repo: ``user/name``, or a folder.
        backbone: name or folder of the language model, if it has moved since ``fit``.
        download: True to download the language model if it is missing.
        options: options of ``ModelHubMixin.from_pretrained``: ``revision``, ``token`` ...

    Raises:
        DataError: if the folder is not a saved model, or was changed after saving.
        BackboneError: if the language model is missing or is not the one of ``fit``.
        TslmError: if the hub cannot be reached, or has no such model.
    """
    with _hub_errors(repo):  # from_pretrained would ask several times for a file we do not have
        return _loaded(str(repo), backbone=backbone, download=download, **options)


@contextmanager
def _hub_errors(repo: str) -> Iterator[None]:
    """Raise any error of the hub or the network as a TslmError of one line."""
    try:
        yield
    except TslmError:
        raise
    except Exception as error:  # missing, refused, or any network error
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TslmError(
            f"The model hub reports for {repo!r}: {reason.rstrip('.')}. Check the name (user/name, "
            "or an existing folder), the connection, and that you are logged in (hf auth login)."
        ) from error


def _loaded(
    repo: str, *, backbone: str | Path | None = None, download: bool = False, **options: Any
) -> TrainedForecaster:
    """Load a model from a folder, or download the folder first; arguments as in ``pull``."""
    folder = place(repo)
    if not folder.is_dir():
        _check_online(repo)
        folder = _downloaded(repo, options)
    return load_estimator(folder, backbone=backbone, download=bool(download))


def _downloaded(repo: str, options: Mapping[str, Any]) -> Path:
    from huggingface_hub import snapshot_download

    known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
    given = {name: options[name] for name in known if options.get(name) is not None}
    files = ["model.json", "*.safetensors"]
    return Path(snapshot_download(repo, allow_patterns=files, **given))


def _findings(ablation: Ablation | str | Path | None) -> Findings | None:
    if isinstance(ablation, Ablation):
        return Findings.of(ablation.to_dict())
    return None if ablation is None else Findings.read(ablation)


def card(model: TrainedForecaster, findings: Findings | None = None, history: bool = True) -> str:
    """Return the card of a shared model, in Markdown."""
    own = isinstance(model, TSLMForecaster)
    learner = model.forecaster_.learner
    body = learner.backbone.identity.name if isinstance(learner, ForecastModel) else None
    lines = [
        "---",
        "library_name: tslm",
        "tags:",
        *[f"- {tag}" for tag in TAGS],
        "---",
        "",
        f"# {model.name}" + (f" on {body}" if body else ""),
        "",
        f"Forecasts the next {counted(model.h, 'step')} from the last {model.context_length_}, at "
        f"the frequency `{model.calendar_.freq}`. Trained on {len(model.contexts_)} series with "
        f"tslm {__version__}.",
        "",
        f"It contains {shared_content(model, history)}.",
    ]
    if body:
        lines += [
            "",
            f"The language model ({body}) is frozen and not part of this repository. Its "
            "fingerprint is, and loading refuses any other language model.",
        ]
    return "\n".join([*lines, "", *_use(), "", *_results(model), "", *_ablation(findings, own), ""])


def _use() -> list[str]:
    return [
        "```python",
        "from tslm.interfaces.hub import pull",
        "",
        'forecast = pull("THIS/REPOSITORY", download=True).predict(df)  # unique_id, ds, y',
        "```",
    ]


def _results(model: TrainedForecaster) -> list[str]:
    """Return the validation errors of the model and of baselines without training."""
    verdict = model.verdict_
    if not verdict.entries:
        return ["No rows were held out for validation, so there are no results."]
    rows = [f"| {entry.model} | {entry.mse:.4f} | {entry.mae:.4f} |" for entry in verdict.entries]
    return [
        f"Standardised errors over {counted(verdict.windows, 'window')} of validation rows, the "
        "last rows of each series. The models below the first need no training:",
        "",
        "| | MSE | MAE |",
        "|---|---|---|",
        *rows,
    ]


def _ablation(findings: Findings | None, own: bool) -> list[str]:
    if findings is not None:
        return findings.to_markdown()
    hint = "Does the language model help? Not tested yet: run `model.ablate(df)`."
    return [hint] if own else []
