import pytest
import torch
from einops import EinopsError
from hypothesis import given
from hypothesis import strategies as st

from tslm.models.layers.patching import patch, unpatch


@given(series=st.integers(1, 4), patches=st.integers(1, 6), patch_len=st.integers(1, 6))
def test_unpatch_is_the_inverse_of_patch(series: int, patches: int, patch_len: int) -> None:
    values = torch.arange(float(series * patches * patch_len)).reshape(series, -1)
    cut = patch(values, patch_len)
    assert cut.shape == (series, patches, patch_len)
    assert (unpatch(cut) == values).all()


def test_patches_are_consecutive() -> None:
    assert patch(torch.arange(6.0)[None], 2).tolist() == [[[0, 1], [2, 3], [4, 5]]]


def test_patches_must_tile_the_series() -> None:
    with pytest.raises(EinopsError):
        patch(torch.zeros(1, 7), 2)
