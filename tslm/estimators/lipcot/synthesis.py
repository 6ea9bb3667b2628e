"""Frames and spectra of codes: white noise through the filter of each code, and its density."""

from math import pi

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.signal import lfilter

from tslm.models.layers.lpc.codebook import FLAT, SPECIAL, Codebook
from tslm.models.layers.lpc.linear_prediction import log_spectrum, unwarp

WARM_UP = 1024  # samples of noise that pass through a filter before a frame begins


def synthesise(
    codebook: Codebook,
    shape: Int[ndarray, " n"],
    gain: Int[ndarray, " n"],
    level: Int[ndarray, " n"],
    steps: int,
    warp: float,
    seed: int,
) -> Float[ndarray, "n T"]:
    """Draw a frame for each code: noise with its spectrum and power, at its level.

    Args:
        codebook: the filters, gains and levels that the codes number.
        shape: shape of each code.
        gain: gain of each code.
        level: level of each code.
        steps: length of a frame.
        warp: frequency warping of the filters.
        seed: seed of the noise.
    """
    levels = codebook.levels.values.numpy()[level]
    frames = np.repeat(np.where(shape >= FLAT, levels, np.nan)[:, None], steps, 1)
    frames[(shape > FLAT) & (shape < SPECIAL)] = np.nan
    dice = np.random.default_rng(seed)
    noise = dice.standard_normal((len(shape), WARM_UP + steps))
    deviation = np.exp(codebook.gains.values.numpy() / 2)[gain]
    numerator, denominators = unwarp(codebook.filters, warp)
    for code in np.unique(shape[shape >= SPECIAL]):
        rows = shape == code
        driven = deviation[rows, None] * noise[rows]
        moving = lfilter(numerator.numpy(), denominators[code - SPECIAL].numpy(), driven)
        frames[rows] += moving[:, WARM_UP:]
    return frames


def spectral_density(
    codebook: Codebook,
    shape: Int[ndarray, " n"],
    gain: Int[ndarray, " n"],
    frequencies: Float[ndarray, " F"],
    rate: float,
    warp: float,
) -> Float[ndarray, "n F"]:
    """Return the one-sided power spectral density of each code; NaN for reserved shapes.

    Args:
        codebook: the filters and gains that the codes number.
        shape: shape of each code.
        gain: gain of each code.
        frequencies: cycles per unit of time.
        rate: steps per unit of time.
        warp: frequency warping of the filters.
    """
    angles = torch.as_tensor(frequencies) * (2 * pi / rate)
    filters = codebook.filters[torch.from_numpy(np.maximum(shape - SPECIAL, 0))]
    log = log_spectrum(filters, angles, warp).numpy()
    density = np.exp(log + codebook.gains.values.numpy()[gain][:, None]) * 2 / rate
    return np.where(shape[:, None] >= SPECIAL, density, np.nan)
