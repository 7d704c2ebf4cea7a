"""Learning rates for Keras 3, measured: schedules, the range test, cyclical rates."""

__version__ = "0.1.0"
