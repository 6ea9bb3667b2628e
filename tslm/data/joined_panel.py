"""Series of several panels in one panel, to forecast them together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from tslm.data.covariates.panel_effects import PanelEffects
from tslm.data.panel import Panel


def joined(panels: Sequence[Panel]) -> Panel:
    """Return the series of several panels of one model, one panel after the other.

    Two of the series may have the same id, so the result is for forecasts only.
    """
    starts = np.cumsum([0, *(panel.offsets[-1] for panel in panels)])
    offsets = [panel.offsets[:-1] + start for panel, start in zip(panels, starts, strict=False)]
    text = [one for panel in panels for one in panel.text or ()]
    titles = [one for panel in panels for one in panel.titles or ()]
    return Panel(
        values=torch.cat([panel.values for panel in panels]),
        time=torch.cat([panel.time for panel in panels]),
        offsets=np.concatenate([*offsets, starts[-1:]]),
        ids=pd.Index([name for panel in panels for name in panel.ids.tolist()], dtype="object"),
        loc=np.concatenate([panel.loc for panel in panels]),
        spread=np.concatenate([panel.spread for panel in panels]),
        step=np.concatenate([panel.step for panel in panels]),
        effects=PanelEffects.joined([panel.effects for panel in panels]),
        text=None if panels[0].text is None else text,
        titles=None if panels[0].titles is None else titles,
    )
