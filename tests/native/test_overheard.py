# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway takes nothing for a fax that is none: speech, music, DTMF, ring-back and busy tones. What is one it hears, loud and faint."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.engine_testing import overhear

Samples = npt.NDArray[np.float64]

RATE = 8000
#: Of each kind; `LISTEN_S=3600` for an hour.
SECONDS = int(os.environ.get("LISTEN_S") or 120)


def tone(seconds: float, *hertz: float, level: float = 0.3) -> Samples:
    t = np.arange(int(seconds * RATE)) / RATE
    return sum((np.sin(2 * np.pi * f * t) for f in hertz), np.zeros(len(t))) * level / max(1, len(hertz))


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE))


def cadence(seconds: float, on_s: float, off_s: float, *hertz: float) -> Samples:
    one = np.concatenate([tone(on_s, *hertz), silence(off_s)])
    return np.tile(one, int(seconds / (on_s + off_s)) + 1)


def speech(seconds: float) -> Samples:
    """Syllables: a buzz of varying pitch through three formants, with hisses and pauses between."""
    rng = np.random.default_rng(11)

    def syllables() -> Iterator[Samples]:
        while True:
            length = rng.uniform(0.08, 0.35)
            t = np.arange(int(length * RATE)) / RATE
            pitch = rng.uniform(85, 260) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(2, 6) * t))
            phase = 2 * np.pi * np.cumsum(pitch) / RATE
            formants = (rng.uniform(250, 850), rng.uniform(850, 2300), rng.uniform(2200, 3200))
            voice = np.zeros(len(t))
            for n in range(1, int(3400 / 85)):
                near = sum(np.exp(-(((n * pitch.mean() - f) / 150) ** 2)) for f in formants)
                if n * pitch.max() < 3800:
                    voice += (0.05 + near) * np.sin(n * phase)
            yield voice / (np.abs(voice).max() or 1) * rng.uniform(0.05, 0.6) * np.hanning(len(t))
            if rng.random() < 0.4:
                yield rng.normal(0, rng.uniform(0.01, 0.1), int(rng.uniform(0.03, 0.15) * RATE))
            yield silence(rng.choice([0.02, 0.05, 0.3, 0.8]))

    parts: list[Samples] = []
    total = 0
    for part in syllables():
        parts.append(part)
        total += len(part)
        if total >= seconds * RATE:
            return np.concatenate(parts)
    raise AssertionError


def music(seconds: float) -> Samples:
    """Chords of plucked strings in equal temperament, up to where 1100 and 2100 Hz lie."""
    rng = np.random.default_rng(12)
    parts = []
    for _ in range(int(seconds / 0.4) + 1):
        root = 110 * 2 ** (rng.integers(0, 54) / 12)
        chord = [root * 2 ** (step / 12) for step in rng.choice(12, size=rng.integers(1, 5), replace=False)]
        t = np.arange(int(0.4 * RATE)) / RATE
        parts.append(sum(np.sin(2 * np.pi * f * t) * np.exp(-t * rng.uniform(0.5, 8)) for f in chord) * 0.15)
    return np.concatenate(parts)


def dtmf(seconds: float) -> Samples:
    rng = np.random.default_rng(13)
    low, high = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    keys = (
        np.concatenate([tone(0.1, rng.choice(low), rng.choice(high)), silence(0.08)])
        for _ in range(int(seconds / 0.18) + 1)
    )
    return np.concatenate(list(keys))


def pcm(samples: Samples, noise: float = 1e-4) -> npt.NDArray[np.int16]:
    rng = np.random.default_rng(14)
    return (np.clip(samples + rng.normal(0, noise, len(samples)), -1, 1) * 32000).astype(np.int16)


KINDS = {
    "speech": speech,
    "music": music,
    "DTMF": dtmf,
    "ring-back of the United States": lambda s: cadence(s, 2, 4, 440, 480),
    "ring-back of Germany": lambda s: cadence(s, 1, 4, 425),
    "ring-back of the United Kingdom": lambda s: cadence(s, 0.4, 0.2, 400, 450),
    "busy": lambda s: cadence(s, 0.5, 0.5, 480, 620),
    "dial tone": lambda s: tone(s, 350, 440),
    "noise": lambda s: np.random.default_rng(15).normal(0, 0.1, int(s * RATE)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_fax_is_heard_where_there_is_none(kind: str) -> None:
    assert overhear(pcm(KINDS[kind](SECONDS))) == set()


@pytest.mark.parametrize("level", [0.3, 0.03, 0.01])
def test_the_signals_of_a_fax_are_heard(level: float) -> None:
    cng = cadence(7, 0.5, 3, 1100) * level / 0.3
    ced = np.concatenate([silence(0.2), tone(3.2, 2100, level=level), silence(0.2)])
    assert overhear(pcm(cng)) == {"CNG"}
    assert overhear(pcm(ced)) == {"CED"}
    assert overhear(pcm(preamble(level))) == {"V.21"}


def preamble(level: float) -> Samples:
    """A second of flags in V.21 on channel 2: 1650 Hz for 1, 1850 Hz for 0 (ITU-T V.21)."""
    bits = [0, 1, 1, 1, 1, 1, 1, 0] * 38
    at = (np.arange(len(bits) * RATE // 300) * 300 // RATE).clip(max=len(bits) - 1)
    hertz = np.where(np.array(bits)[at] == 1, 1650.0, 1850.0)
    return np.concatenate([silence(0.1), np.sin(2 * np.pi * np.cumsum(hertz) / RATE) * level, silence(0.1)])
