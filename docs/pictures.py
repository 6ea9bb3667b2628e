"""Draw what the patch adapters tell the language model: docs/pictures/*.png.

python docs/pictures.py; about five minutes on two cores.
"""

from pathlib import Path

from tslm import TSLMForecaster
from tslm.data.benchmarks import load

PICTURES = Path(__file__).parent / "pictures"


def main() -> None:
    """Train each adapter shortly on ETTh1 and explain its last context."""
    PICTURES.mkdir(exist_ok=True)
    data = load("etth1")
    row = data.frame.groupby("unique_id").cumcount()
    known = data.frame[row < data.borders.val_end]
    for adapter in ("time_llm", "s2ip"):
        model = TSLMForecaster(
            h=96, adapter=adapter, prompt=data.description, max_steps=60, random_state=0
        )
        model.fit(known, val_df=None)
        said = model.explain(top=4)
        said.plot("OT").savefig(PICTURES / f"{adapter}.png", dpi=110)


if __name__ == "__main__":
    main()
