"""Share saved models on the Hugging Face hub: the folder of ``save``, with a card that says all.

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
from tslm.core.errors import ConfigError, TslmError, counted
from tslm.estimators.fitting import TrainedForecaster
from tslm.estimators.tslm_forecaster import TSLMForecaster, load_estimator
from tslm.evaluation.ablation.findings import Findings
from tslm.evaluation.ablation.report import Ablation
from tslm.models.backbones.weights.download import is_hub_offline

TAGS = ["time-series-forecasting", "tslm"]


class HubModel(ModelHubMixin):
    """A fitted forecaster as the hub has models.

    Args:
        forecaster: fitted.
        ablation: what ``ablate`` found, for the card, or the file ``tslm ablate`` wrote; None takes
            that of the forecaster.
        history: whether the last rows of each series travel, see ``TrainedForecaster.save``.

    Raises:
        DataError: if the file is no result of an ablation.
        ConfigError: if the ablation is of another model.
    """

    def __init__(
        self,
        forecaster: TrainedForecaster,
        ablation: Ablation | str | Path | None = None,
        history: bool = True,
    ) -> None:
        self.forecaster, self.history = forecaster, history
        self.findings = _found(vars(forecaster).get("ablation_") if ablation is None else ablation)
        if self.findings is not None and self.findings.model != forecaster.name:
            raise ConfigError(
                f"The ablation is of {self.findings.model}, and the model is {forecaster.name}. "
                "Give the ablation of this model, or none."
            )

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write the folder into the one that is there already."""
        draft = save_directory / "model"
        self.forecaster.save(draft, history=self.history)
        for file in draft.iterdir():
            file.replace(save_directory / file.name)
        draft.rmdir()

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "HubModel":
        """Read a folder, or fetch one and read it; weights of the body as ``download`` says."""
        download, backbone = bool(options.pop("download", False)), options.pop("backbone", None)
        folder = place(model_id)
        if not folder.is_dir():
            _check_online(model_id)
            folder = _fetched(model_id, options)
        return cls(load_estimator(folder, backbone=backbone, download=download))

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Results beside what needs no training, the ablation, and how to use it."""
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
    """Upload a fitted model; gives the address of the commit. ``travelling`` says what goes.

    Args:
        model: fitted.
        repo: ``user/name``.
        ablation: for the card, see ``HubModel``.
        private: whether only its owner may see it.
        history: whether the last rows of each series go too, see ``TrainedForecaster.save``.
        options: of ``ModelHubMixin.push_to_hub``: ``token``, ``branch`` ...

    Raises:
        DataError: if the file is no result of an ablation.
        ConfigError: if the ablation is of another model, or the repository is public already.
        TslmError: if the hub is out of reach, or refuses.
    """
    model_of_hub = HubModel(model, ablation, history)
    _check_online(repo)
    with _asked(repo):
        if private and _is_public(repo, options.get("token")):
            raise ConfigError(
                f"{repo} is there already, and everybody may see it. Give another name, make it "
                "private on the hub, or pass private=False."
            )
        return str(model_of_hub.push_to_hub(repo, private=private, **options))


def travelling(model: TrainedForecaster, history: bool = True) -> str:
    """Tell in a sentence what of the user's data a shared model holds."""
    series = len(model.contexts_)
    if not history or not series:
        return "settings and weights; no rows, ids or levels of series"
    rows = int(model.contexts_.lengths.max())
    return (
        f"settings, weights, and of each of {series} series its id, level and last {rows} rows "
        "(history=false leaves these out)"
    )


def _check_online(repo: str) -> None:
    if is_hub_offline():
        raise TslmError(
            f"The model hub is not asked for {repo!r}: TSLM_OFFLINE or HF_HUB_OFFLINE is set. "
            "Unset it."
        )


def _is_public(repo: str, token: Any) -> bool:
    """Whether everybody may see a repository; not if there is none."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return HfApi().model_info(repo, token=token).private is False
    except RepositoryNotFoundError:
        return False


def pull(
    repo: str, *, backbone: str | Path | None = None, download: bool = False, **options: Any
) -> TrainedForecaster:
    """A shared model, from the hub or a folder.

    Args:
        repo: ``user/name``, or a folder.
        backbone: where the language model is, if not where it was at ``fit``.
        download: whether the language model may be fetched if it is not here.
        options: of ``ModelHubMixin.from_pretrained``: ``revision``, ``token``, ``cache_dir`` ...

    Raises:
        DataError: if what is there is no saved model, or was altered.
        BackboneError: if the language model is not here or another one.
        TslmError: if the hub is out of reach, or has no such model.
    """
    with _asked(repo):
        hub: HubModel = HubModel.from_pretrained(
            str(repo), backbone=backbone, download=download, **options
        )
    return hub.forecaster


@contextmanager
def _asked(repo: str) -> Iterator[None]:
    """Say in a line what the hub, or the way to it, does not let us do."""
    try:
        yield
    except TslmError:
        raise
    except Exception as error:  # not there, refused, or whatever the network does
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TslmError(
            f"The model hub and {repo!r}: {reason.rstrip('.')}. Check the name (user/name, or a "
            "folder that is here), the connection, and that you are logged in (hf auth login)."
        ) from error


def _fetched(repo: str, options: Mapping[str, Any]) -> Path:
    from huggingface_hub import snapshot_download

    known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
    given = {name: options[name] for name in known if options.get(name) is not None}
    files = ["model.json", "*.safetensors"]
    return Path(snapshot_download(repo, allow_patterns=files, **given))


def _found(ablation: Ablation | str | Path | None) -> Findings | None:
    if isinstance(ablation, Ablation):
        return Findings.of(ablation.to_dict())
    return None if ablation is None else Findings.read(ablation)


def card(model: TrainedForecaster, findings: Findings | None = None, history: bool = True) -> str:
    """The page of a shared model, in Markdown."""
    own = isinstance(model, TSLMForecaster)
    body = model.model_.backbone.identity.name if own else None
    lines = [
        "---",
        "library_name: tslm",
        "tags:",
        *[f"- {tag}" for tag in TAGS],
        "---",
        "",
        f"# {model.name}" + (f" on {body}" if body else ""),
        "",
        f"Forecasts {counted(model.h, 'step')} from the {model.context_length_} before them, every "
        f"`{model.calendar_.freq}`; trained on {len(model.contexts_)} series, by tslm "
        f"{__version__}.",
        "",
        f"It holds {travelling(model, history)}.",
    ]
    if own:
        lines += [
            "",
            f"The language model ({body}) is frozen and not part of this repository; its "
            "fingerprint is, and loading refuses another one.",
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
    """Its errors beside those of forecasts that need no training."""
    verdict = model.verdict_
    if not verdict.entries:
        return ["No rows were kept for validation, so there are no results."]
    rows = [f"| {entry.model} | {entry.mse:.4f} | {entry.mae:.4f} |" for entry in verdict.entries]
    return [
        f"Validation, {counted(verdict.windows, 'window')} of the last rows of each series, "
        "standardised; all but the first need no training:",
        "",
        "| | MSE | MAE |",
        "|---|---|---|",
        *rows,
    ]


def _ablation(findings: Findings | None, own: bool) -> list[str]:
    if findings is not None:
        return findings.to_markdown()
    said = "Does the language model help? Not asked: `model.ablate(df)` would tell."
    return [said] if own else []
