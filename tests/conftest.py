"""Experiments need TensorFlow on one thread, and it takes their number only before its start."""

from lrguide.guide.experiments import _use_one_thread

_use_one_thread()
