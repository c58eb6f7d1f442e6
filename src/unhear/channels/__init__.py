"""What happens to a recording between the protector and the enhancer."""

from __future__ import annotations

from unhear.channels.apply import through
from unhear.channels.base import Passage, Survivable, then
from unhear.channels.path import Channel, Pcm16, Resample, WithDownmix, path_to_enhancer
from unhear.channels.registry import CHANNELS, channel_names, find_channel, is_coded

__all__ = [
    "CHANNELS",
    "Channel",
    "Passage",
    "Pcm16",
    "Resample",
    "Survivable",
    "WithDownmix",
    "channel_names",
    "find_channel",
    "is_coded",
    "path_to_enhancer",
    "then",
    "through",
]
