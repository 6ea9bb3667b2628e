"""Draw what adapters tell the language model: docs/pictures/*.png.

python docs/pictures.py; about five minutes on two cores.
"""

from pathlib import Path

import numpy as np

from tslm import LiPCoTTokenizer, TSLMForecaster
from tslm.data.datasets.benchmarks import load

PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Codes of ETTh1, and the words of the last context after a short training."""
    PICTURES.mkdir(exist_ok=True)
    data = load("etth1")
    row = data.frame.groupby("unique_id").cumcount()
    known = data.frame[row < data.borders.val_end]
    draw_codes(known[known.unique_id == "OT"].y.to_numpy())
    for adapter in ("time_llm", "s2ip"):
        model = TSLMForecaster(
            h=96, adapter=adapter, prompt=data.description, max_steps=60, random_state=0
        )
        model.fit(known, val_df=None)
        said = model.explain(top=4)
        said.plot("OT").savefig(PICTURES / f"{adapter}.png", dpi=110)


def draw_codes(series: np.ndarray) -> None:
    """The codebook of a series, its codes, and what follows what."""
    tokenizer = LiPCoTTokenizer(order=12, n_codes=32)
    tokenizer.fit(tokenizer.cut(series, 48, hop=12))
    figures = {
        "spectra": tokenizer.plot_spectra(),
        "series": tokenizer.plot_series(series[-30 * 48 :]),
        "transitions": tokenizer.plot_transitions(series),
    }
    for name, figure in figures.items():
        figure.savefig(PICTURES / f"codes-{name}.png", dpi=110)


if __name__ == "__main__":
    main()
