"""Compare a decoder that forecasts means of blocks first with the linear segment decoder.

python docs/benchmarks/ideas/coarse_to_fine.py --work runs/coarse --out coarse_to_fine.json
"""

from pairs import Maker, Study, autotimes, study

from tslm.core.spec import Spec
from tslm.data.datasets.benchmarks import Benchmark
from tslm.estimators.trained_forecaster import TrainedForecaster


def segments(decoder: Spec) -> Maker:
    """Return the maker of AutoTimes with seven segments of 96 steps, and a decoder."""

    def make(data: Benchmark, h: int) -> TrainedForecaster:
        sizes = {"context_length": 672, "max_steps": 150, "batch_size": 32}
        adapter = Spec("autotimes", patch_len=96)
        return autotimes(data, 96, adapter=adapter, decoder=decoder, **sizes)

    return make


if __name__ == "__main__":
    study(
        Study(
            arms={
                "segment": segments(Spec("segment")),
                "two layers": segments(Spec("segment", layers=2, hidden=64)),
                "coarse to fine": segments(Spec("coarse_to_fine", blocks=[24, 6])),
            },
            reference="segment",
            sets={"etth1": 48, "etth2": 48, "weather": 288},
            horizons=(336, 720),
        )
    )
