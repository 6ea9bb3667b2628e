"""Seasonal profile: the mean of each phase."""

from jaxtyping import Float
from torch import Tensor

from tslm.models.baselines.classical.base import NormalRule, Predictive, error_spread
from tslm.models.layers.seasonal import profile, repeat_season


class Profile(NormalRule):
    """Mean of each phase of the season, over the complete seasons at the end of the context.

    It is the mean of the context for a phase that is never observed, and for a context shorter
    than a season.
    """

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return repeat_season(profile(rows, self.season_length), horizon)

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        season = profile(rows, self.season_length)
        errors = rows - repeat_season(season.flip(1), rows.shape[1]).flip(1)
        spread = error_spread(errors, season.shape[1])
        return Predictive(repeat_season(season, horizon), spread.expand(-1, horizon))
