"""Train a compiled model through its own `fit`, at rates that are told batch by batch.

On each backend in its own way: TensorFlow and JAX compile the training step, so that there another
one takes its place, in which the rate is an input; PyTorch runs it as Python, where a callback is
enough. Who asks for a fit is a `Run`: it tells the rate of the next batch and takes the logs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np

from .fit_arguments import rate_holder
from .internals import forget_initial_epoch, moved, rate_or_schedule
from .model_state import ModelState

__all__: list[str] = []


class Run(Protocol):
    """One training along given rates."""

    batches: int
    """How many it has taken."""

    @property
    def step(self) -> int:
        """The update that the next batch belongs to."""

    @property
    def rate(self) -> float:
        """Its rate."""

    @property
    def is_last(self) -> bool:
        """Whether no other update comes after it."""

    def seed_all(self) -> None:
        """Seed the global random states."""

    def took(self, logs: Any) -> None:
        """Take what a batch has given, and stop the model's training where it is enough."""

    def pass_over(self) -> None:
        """Note that a pass over the data has ended; an error where no other can follow."""


class _Fit:
    """What the backends share: the model's first state, its seeds, and a look at the rate."""

    rate: Any

    def __init__(self, state: ModelState) -> None:
        self.state, self.model = state, state.model
        self.holder = rate_holder(self.model.optimizer)
        self.model.steps_per_execution = 1
        forget_initial_epoch(self.model)
        # New functions, because the model's own may hold the schedule, a larger
        # steps_per_execution and the position of TensorFlow's random operations.
        self.model.train_function = self.model.test_function = None
        things = [thing for thing, _, _ in state.contents]
        self.layers = [thing for thing in things if isinstance(thing, keras.Layer)]
        self.generators = [t.state for t in things if isinstance(t, keras.random.SeedGenerator)]
        self.planned = 0, 0.0  # the latest step and its rate

    def seed_generators(self, seed: int) -> None:
        """Seed each generator of the model's layers by itself."""
        numbers = np.random.default_rng(seed)
        listed = [v for v in self.model.variables if v.name == "seed_generator_state"]
        known = {id(variable) for variable in listed}
        for variable in [*listed, *(v for v in self.generators if id(v) not in known)]:
            variable.assign([int(numbers.integers(2**31)), 0])

    def sweep_a_variable(self) -> None:
        """Let a variable be the optimizer's rate: its own, or one in place of a schedule."""
        self.rate = rate_or_schedule(self.holder)
        if not isinstance(self.rate, keras.Variable):
            self.rate = keras.Variable(0.0, trainable=False, name="range_test_rate")
            self.holder.learning_rate = lambda: self.rate

    def check_rate(self, seen: float) -> None:
        """A curve over rates that were not used would look like any other."""
        step, planned = self.planned
        exact = self.rate.dtype in ("float32", "float64")
        within = dict(rel_tol=1e-6, abs_tol=1e-37) if exact else dict(rel_tol=0.01, abs_tol=6e-8)
        if not math.isclose(seen, planned, **within):
            raise _set_itself(step, planned, f"{seen:.3g}")

    def updates(self) -> int:
        """How many updates the optimizer has made."""
        return int(value_of(self.holder.iterations))

    def evaluate(self, *data: Any, **options: Any) -> Any:
        """What the model's `evaluate` gives in the middle of its `fit`."""
        return self.model.evaluate(*data, **options)


class _TensorFlowFit(_Fit):
    """Takes the place of the compiled training function while `fit` runs, and so sees each batch.

    There the rate is set and the metrics are reset, which makes "loss" that batch's.
    """

    def __init__(self, state: ModelState) -> None:
        import tensorflow as tf

        super().__init__(state)
        self.model.make_train_function()
        self.function = self.model.train_function
        with self.model.distribute_strategy.scope():
            self.sweep_a_variable()
        self.prepare_compiled = tf.function(self.prepare, autograph=False)

    def prepare(self, rate: Any) -> Any:
        """Set this batch's rate; return what has become of that of the batch before."""
        import tensorflow as tf

        left = tf.identity(self.rate.value)
        self.rate.assign(rate)
        self.model.reset_metrics()
        return left

    def fit(self, run: Run, seed: int, **options: Any) -> None:
        """Train until the run has what it needs."""
        import tensorflow as tf

        def train_function(iterator: Any) -> Any:
            if run.batches == 0:
                self.begin(iterator, seed)
            # Compiled, `prepare` is several times faster; but the first batch may create metrics.
            left = (self.prepare_compiled if run.batches else self.prepare)(np.float32(run.rate))
            if run.batches:
                self.check_rate(float(left))
            self.planned = run.step, run.rate
            try:
                logs = self.function(iterator)
            except (StopIteration, tf.errors.OutOfRangeError):
                run.pass_over()
                raise
            if self.state.eager or run.batches == 0 or run.is_last:
                # `prepare` looks at the rate faster, but a batch later, and at one variable only.
                self.check_rate(value_of(self.holder.learning_rate))
            run.took(logs)
            return logs

        self.model.train_function = train_function
        with tf.variable_creator_scope(self.state.created_by):
            self.model.fit(**options)
        if not run.batches:
            raise moved("keras", "Model.train_function")

    def begin(self, iterator: Any, seed: int) -> None:
        """Bring the model to its first state, seeded, now that the data's shapes are known."""
        model = self.model
        self.state.put_back_values()
        # Keras' own train_step would build the model, too, but only after the seeds are set.
        own = type(model).train_step is not keras.Model.train_step
        if not own and not all(layer.built for layer in self.layers):
            x, _, _ = keras.utils.unpack_x_y_sample_weight(iterator.element_spec)
            model(keras.tree.map_structure(lambda s: keras.KerasTensor(s.shape, s.dtype.name), x))
        self.seed_generators(seed)


class _CallbackFit(_Fit):
    """On these backends `fit` builds the model before its callbacks begin, and draws for it."""

    def fit(self, run: Run, seed: int, **options: Any) -> None:
        """Train until the run has what it needs."""
        self.run = run
        self.callback = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: self.begin(seed),
            on_train_batch_begin=lambda batch, logs: self.before_batch(),
            on_train_batch_end=lambda batch, logs: self.after_batch(logs),
            on_epoch_end=lambda epoch, logs: run.pass_over(),
        )
        self.model.fit(**options, callbacks=[self.callback])
        if not run.batches:
            raise moved("keras", "the order of callbacks")

    def begin(self, seed: int) -> None:
        """Bring the model to its first state, and all that is drawn from now on to the seed's."""
        if not self.state.eager:
            self.state.note_created()
        self.state.put_back_values()
        self.seed_generators(seed)
        self.run.seed_all()

    def before_batch(self) -> None:
        """Set this batch's rate."""

    def after_batch(self, logs: Any) -> None:
        """Hand over what the batch has given."""
        self.run.took(logs)


class _TorchFit(_CallbackFit):
    """Sets the rate between the batches, which run as Python."""

    def __init__(self, state: ModelState) -> None:
        super().__init__(state)
        self.sweep_a_variable()

    def before_batch(self) -> None:
        """Set this batch's rate, and let the metrics begin anew, so that "loss" is the batch's."""
        self.planned = self.run.step, self.run.rate
        self.rate.assign(self.run.rate)
        self.model.reset_metrics()

    def after_batch(self, logs: Any) -> None:
        """See whether the rate is still the planned one."""
        self.check_rate(value_of(self.holder.learning_rate))
        super().after_batch(logs)

    def evaluate(self, *data: Any, **options: Any) -> Any:
        """Like the model's `evaluate`, which leaves PyTorch's own modules in their other mode."""
        logs = super().evaluate(*data, **options)
        self.model.train()
        return logs


class _JaxFit(_CallbackFit):
    """Compiles a training step that takes the rate, too.

    While JAX's `fit` runs, the values are not in the model's variables. So the rate is an input,
    and the metrics of each batch begin with what they were before the first one.
    """

    def __init__(self, state: ModelState) -> None:
        import jax

        super().__init__(state)
        self.rate = _TracedRate()
        self.holder.learning_rate = self.rate
        self.compiled = self.train_step
        if not state.eager:
            self.compiled = jax.jit(self.train_step, donate_argnums=0)
        self.model.train_function = self.train_function

    def train_step(self, state: Any, metrics: Any, rate: Any, data: Any) -> Any:
        """The model's own training step at this rate."""
        self.rate.value = rate
        return self.model.train_step((*state, metrics), data)

    def train_function(self, state: Any, iterator: Any) -> Any:
        """What `fit` calls for each batch."""
        *state, metrics = state
        if self.run.batches == 0:
            self.metrics = metrics
        data = next(iterator)
        self.rate.planned = self.run.step, self.run.rate
        return self.compiled(state, self.metrics, np.float32(self.run.rate), data)

    def updates(self) -> int:
        """How many updates the optimizer has made."""
        self.bring_values()
        return super().updates()

    def evaluate(self, *data: Any, **options: Any) -> Any:
        """What `evaluate` gives with the values that the training has reached."""
        self.bring_values()
        return super().evaluate(*data, **options)

    def bring_values(self) -> None:
        """Bring the values into the model's variables, which a callback does by asking for it."""
        assert self.callback.model is self.model


_FITS: dict[str, Callable[[ModelState], Any]] = {
    "tensorflow": _TensorFlowFit,
    "jax": _JaxFit,
    "torch": _TorchFit,
}


def swept_fit(state: ModelState) -> Any:
    """What trains this model on Keras' backend."""
    return _FITS[keras.backend.backend()](state)


class _TracedRate:
    """The rate that a compiled step takes, in place of the optimizer's own."""

    def __init__(self) -> None:
        self.value: Any = 0.0
        self.planned = 0, 0.0

    def __call__(self) -> Any:
        return self.value

    def assign(self, value: Any) -> None:
        """Keras does this where a training step sets the rate."""
        raise _set_itself(*self.planned, "another one")


def _set_itself(step: int, planned: float, seen: str) -> ValueError:
    return ValueError(
        f"step {step} must be taken at the rate {planned:.3g} of the sweep, received {seen}: "
        "train_step or a layer sets the optimizer's rate itself"
    )


def value_of(variable: Any) -> float:
    """The value of a variable, also of one of which each of TensorFlow's replicas has a copy."""
    value = getattr(variable, "value", variable)
    on_tensorflow = keras.backend.backend() == "tensorflow" and hasattr(value, "numpy")
    return float(value.numpy() if on_tensorflow else value)
