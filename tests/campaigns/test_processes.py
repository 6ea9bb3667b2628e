"""Several processes that train together: what each takes, and that one of them writes."""

from pathlib import Path

import pytest
import torch

from tests.estimators.training.test_training import run, series
from tslm import ConfigError, Spec, TSLMForecaster
from tslm.core.hardware import Machine
from tslm.data.loaders import windows_of_process
from tslm.models.backbones.loading import load

pytestmark = pytest.mark.filterwarnings("ignore:On .* validation windows")


@pytest.mark.parametrize(("size", "processes"), [(1, 2), (1, 3), (5, 2), (6, 3), (7, 4)])
def test_every_process_takes_equally_many_windows_and_none_is_left_out(
    size: int, processes: int
) -> None:
    batch = torch.arange(size) + 10
    parts = [windows_of_process(batch, rank, processes) for rank in range(processes)]
    assert {len(part) for part in parts} == {-(-size // processes)}
    assert set(torch.cat(parts).tolist()) == set(batch.tolist())
    assert torch.equal(windows_of_process(batch, 0, 1), batch)


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        (Machine("gpu"), "cannot train with accelerator=gpu"),
        (Machine("foo"), "cannot train with accelerator=foo"),
        (Machine("cpu", "x"), "cannot train with accelerator=cpu, devices=x"),
        (Machine("cpu", 0), "devices=0"),
        (Machine("cpu", 1, "x"), "strategy=x"),
        (Machine("cpu", 10_000), "means 10000 processes"),
    ],
)
@pytest.mark.skipif(torch.accelerator.is_available(), reason="this computer has an accelerator")
def test_an_absent_accelerator_is_refused(machine: Machine, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _ = machine.device


@pytest.mark.skipif(torch.accelerator.is_available(), reason="this computer has an accelerator")
def test_what_was_fitted_on_another_machine_is_loaded_on_the_cpu(tmp_path: Path) -> None:
    options = {"h": 4, "backbone": "tiny", "context_length": 24, "max_steps": 1, "verbose": 0}
    adapter = Spec("autotimes", patch_len=4)
    model = TSLMForecaster(base=None, adapter=adapter, accelerator="cpu", **options).fit(series())
    model.config_.accelerator, model.config_.devices = "cuda", [3]
    model.save(tmp_path / "m")
    again = TSLMForecaster.load(tmp_path / "m")
    assert next(again.model_.parameters()).device == torch.device("cpu")
    with pytest.raises(ConfigError, match="accelerator=cuda, devices=\\[3\\]"):
        TSLMForecaster(base=None, adapter=adapter, accelerator="cuda", devices=[3], **options).fit(
            series()
        )


class TestUnfrozen:
    """Trained tensors of a backbone are fp32, whatever its precision is."""

    def fit(self, backbone: str, freeze: str, steps: int) -> TSLMForecaster:
        adapter = Spec("time_llm", n_prototypes=8, prompt="none")
        fast = {"h": 8, "context_length": 24, "max_steps": steps, "val_size": 8, "verbose": 0}
        fast |= {"accelerator": "cpu", "random_state": 0, "n_layers": 1}
        model = TSLMForecaster(
            base=None, adapter=adapter, backbone=backbone, freeze=freeze, precision="bf16", **fast
        )
        return model.fit(series())

    def test_norms_of_a_backbone_in_bf16_are_trained(self) -> None:
        body = self.fit("tiny", "norms", 8).model_.backbone
        before = dict(load("tiny", 1, torch.bfloat16).body.named_parameters())
        trained = {name: w for name, w in body.body.named_parameters() if w.requires_grad}
        assert trained
        for name, weight in trained.items():
            assert weight.dtype == torch.float32
            assert bool((weight != before[name].float()).all()), name
        frozen = {name: w for name, w in body.body.named_parameters() if name not in trained}
        assert all(w.dtype == torch.bfloat16 for w in frozen.values())
        assert all(torch.equal(w, before[name]) for name, w in frozen.items())

    @pytest.mark.parametrize(
        ("backbone", "freeze"),
        [("tiny", "full"), ("tiny", "lora"), ("block:tiny", "strict"), ("none:tiny", "strict")],
    )
    def test_what_is_trained_is_in_fp32(self, backbone: str, freeze: str) -> None:
        model = self.fit(backbone, freeze, 1).model_
        trained = [w for w in model.parameters() if w.requires_grad]
        assert {w.dtype for w in trained} == {torch.float32}


TOGETHER = """
from pathlib import Path
import os, warnings
rank = os.environ.get("LOCAL_RANK", "0")
few = dict(max_steps=None, max_epochs=1, batch_size=21, early_stopping_patience=2, val_size=8)
data = series()[:40]  # 25 windows to train on and one to validate on
spec = Spec("lipcot", order=2, n_codes=4, frame_length=6, codes="unigram")  # weights are unused
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    model = forecaster(devices=2, strategy="ddp", **few)
    model.set_params(adapter=spec).fit(data, folder="run")
model.save("saved", overwrite=False)
assert Path("saved").exists() == (rank == "0") or rank != "0"
print("rank", rank, flush=True)
"""


@pytest.mark.slow
def test_two_processes_train_on_few_windows_and_one_of_them_writes(tmp_path: Path) -> None:
    done = run(TOGETHER, tmp_path)
    if done.returncode and "gloo" in done.stderr.lower():
        pytest.skip(f"gloo cannot start here: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    assert "rank 1" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"script.py", "saved", "run"}
