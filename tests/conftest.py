"""What must hold before any test runs."""

import signal

from lrguide.guide.experiments import _use_one_thread

# Experiments need TensorFlow on one thread, and it takes their number only before its start.
_use_one_thread()

# A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
