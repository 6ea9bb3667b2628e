"""S2IP on a random backbone the size of GPT-2: ``tslm speed`` in a folder made for it."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

LAYERS = 6


def gpt2(folder: Path) -> None:
    """Write a folder like a hub's: width 768, 12 heads, 50257 words, six blocks; a tokenizer."""
    import torch
    from transformers import GPT2Config, GPT2Model

    from tslm.models.backbones import build

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=50257, n_embd=768, n_head=12, n_layer=LAYERS)
    GPT2Model(config).save_pretrained(folder)
    build.byte_tokenizer().save_pretrained(folder)


def main(words: Sequence[str] | None = None) -> None:
    """Measure speed and memory beside the matrix product, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--out", type=Path, help="JSON")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as work:
        folder, out = Path(work) / "gpt2", Path(work) / "speed.json"
        maker = get_context("spawn").Process(target=gpt2, args=(folder,))  # its memory is not ours
        maker.start()
        maker.join()
        verb = ["speed", "adapter=s2ip", f"backbone={folder}", f"n_layers={LAYERS}", "h=96"]
        verb += ["context_length=512", f"batch_size={asked.batch_size}", f"rounds={asked.rounds}"]
        command = [
            sys.executable,
            "-m",
            "tslm",
            *verb,
            "sentences=0",
            f"out={out}",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text())
    found["config"]["backbone"] = "a random backbone the size of GPT-2"
    found["config"].pop("out")
    print(
        f"training {found['train_windows_per_second']} windows/s "
        f"({found['train_share_of_matrix_product']:.0%} of the matrix product's "
        f"{found['matrix_product_gflops']:.0f} GFLOP/s, "
        f"{found['gflop_per_training_window']:.2f} GFLOP a window), inference "
        f"{found['inference_windows_per_second']} windows/s; "
        f"{found['trainable_parameters']:,} trained weights, {found['peak_memory_gb']:.2f} GB"
    )
    if asked.out is not None:
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
