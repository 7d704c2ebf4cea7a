"""Optimizers that need no learning rate: their `learning_rate` is a multiplier, 1 by default.

Each follows its authors' own implementation to the precision of float32; tests compare them.
`ScheduleFree` has a rate, but one that its authors mean to be left alone, and needs no schedule.
"""

import math
from typing import Any

import keras
from keras import ops


class _Distance(keras.optimizers.Optimizer):
    """Adam at the rate d, an estimate from below of how far the best weights are from the first.

    `adapt` sees all gradients before any weight moves, and renews d. It sees them as they come, so
    Keras' options for clipping and for accumulating gradients are not for these.
    """

    def __init__(
        self,
        learning_rate: Any = 1.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        d0: float = 1e-6,
        name: str | None = None,
        **options: Any,
    ) -> None:
        """Take what its authors' optimizer takes, by Keras' names."""
        super().__init__(learning_rate, name=name, **options)
        self.beta_1, self.beta_2, self.epsilon, self.d0 = beta_1, beta_2, epsilon, d0

    def build(self, variables: Any) -> None:
        """Make the moments m and v, the sum of gradients s, and the numbers for all weights."""
        if self.built:
            return
        super().build(variables)

        def slots(name: str) -> list[Any]:
            return [self.add_variable_from_reference(each, name=name) for each in variables]

        self.m, self.v, self.s = slots("momentum"), slots("velocity"), slots("sum")
        self.first = slots("first")
        self.d = self.add_variable((), initializer=keras.initializers.Constant(self.d0), name="d")
        self.numerator = self.add_variable(shape=(), initializer="zeros", name="numerator")

    def apply(self, grads: Any, trainable_variables: Any) -> Any:
        """Renew d, then move the weights."""
        self.build(trainable_variables)
        self.adapt(grads, trainable_variables)
        return super().apply(grads, trainable_variables)

    def adapt(self, grads: Any, weights: Any) -> None:
        """Renew the moments and d."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """What makes an equal optimizer."""
        own = dict(beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon, d0=self.d0)
        return {**super().get_config(), **own}


class Prodigy(_Distance):
    """Prodigy (Mishchenko and Defazio 2023, arXiv:2306.06101, algorithm 4).

    With g the gradient, x the weights, x0 the first ones, and all products over all weights:

        r  <- sqrt(beta_2) r + (d / d0) d rate <g, x0 - x>
        s  <- sqrt(beta_2) s + (d / d0) d rate g
        d' <- max(d, r / |s|_1)
        x  <- x - d rate m / (sqrt(v) + d' epsilon)

    where m and v are Adam's moments of d g, without the correction of their start.
    """

    def adapt(self, grads: Any, weights: Any) -> None:
        """Renew the moments and d."""
        self.step_size = self.d * ops.cast(self.learning_rate, self.d.dtype)
        decay, weight = self.beta_2**0.5, self.d / self.d0 * self.step_size
        begins = ops.equal(self.iterations, 0)
        total, size = decay * self.numerator, 0.0
        for g, x in zip(grads, weights, strict=True):
            place = self._get_variable_index(x)
            x0, m, v, s = self.first[place], self.m[place], self.v[place], self.s[place]
            self.assign(x0, ops.where(begins, x, x0))
            total += weight * ops.sum(g * (x0 - x))
            self.assign(m, self.beta_1 * m + (1 - self.beta_1) * self.d * g)
            self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(self.d * g))
            self.assign(s, decay * s + weight * g)
            size += ops.sum(ops.abs(s))
        self.assign(self.numerator, total)
        self.assign(self.d, ops.where(size > 0, ops.maximum(self.d, total / size), self.d))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one tensor of weights."""
        place = self._get_variable_index(variable)
        root = ops.sqrt(self.v[place]) + self.d * self.epsilon
        self.assign_sub(variable, self.step_size * self.m[place] / root)


class DAdaptAdam(_Distance):
    """D-Adaptation for Adam (Defazio and Mishchenko 2023, arXiv:2301.07733, algorithm 5).

    With g the gradient and b = sqrt(beta_2), all products over all weights:

        r <- b r + (1 - b) d rate <g, s / (sqrt(v) + epsilon)>
        s <- b s + (1 - b) d rate g
        d <- max(d, r / ((1 - b) |s|_1))
        x <- x - m / (sqrt(v) + epsilon)

    where m is Adam's moment of d rate g with the d of each step, and v that of g squared.
    """

    def adapt(self, grads: Any, weights: Any) -> None:
        """Renew the moments and d."""
        step_size = self.d * ops.cast(self.learning_rate, self.d.dtype)
        decay = self.beta_2**0.5
        total, size = 0.0, 0.0
        for g, x in zip(grads, weights, strict=True):
            place = self._get_variable_index(x)
            m, v, s = self.m[place], self.v[place], self.s[place]
            total += step_size * ops.sum(g * s / (ops.sqrt(v) + self.epsilon))
            self.assign(m, self.beta_1 * m + (1 - self.beta_1) * step_size * g)
            self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(g))
            self.assign(s, decay * s + (1 - decay) * step_size * g)
            size += ops.sum(ops.abs(s))
        self.assign(self.numerator, decay * self.numerator + (1 - decay) * total)
        found = self.numerator / ((1 - decay) * size)
        self.assign(self.d, ops.where(size > 0, ops.maximum(self.d, found), self.d))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one tensor of weights."""
        place = self._get_variable_index(variable)
        root = ops.sqrt(self.v[place]) + self.epsilon
        self.assign_sub(variable, self.m[place] / root)


class ScheduleFree(keras.optimizers.Optimizer):
    """Schedule-free AdamW (Defazio et al. 2024, arXiv:2405.15682, algorithm 1), without decay.

    The model holds y, where the gradient g is taken; z makes Adam's steps, and the average of all
    z, x, is what is to be evaluated (`contenders.averaged_weights` puts it into the model):

        z <- z - rate g / (sqrt(v / (1 - beta_2**t)) + epsilon)
        x <- (1 - c) x + c z,  c = rate_max**2 / (the sum of its values so far)
        y <- (1 - beta_1) z + beta_1 x

    Keras' own `ScheduleFreeAdamW` reads z only after it has moved, so its x is another average.
    """

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str | None = None,
        **options: Any,
    ) -> None:
        """Take what its authors' optimizer takes, by Keras' names."""
        super().__init__(learning_rate, name=name, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: Any) -> None:
        """Make z, by Keras' name for it, v, and the sum of the weights of the average."""
        if self.built:
            return
        super().build(variables)
        self.z, self.v = (
            [self.add_variable_from_reference(each, name=name) for each in variables]
            for name in ("momentum", "velocity")
        )
        self.highest, self.total = (
            self.add_variable(shape=(), initializer="zeros", name=name)
            for name in ("highest", "total")
        )

    def apply(self, grads: Any, trainable_variables: Any) -> Any:
        """Renew the weight of the average, then move the weights."""
        self.build(trainable_variables)
        rate = ops.cast(self.learning_rate, self.total.dtype)
        self.assign(self.highest, ops.maximum(self.highest, rate))
        self.assign_add(self.total, ops.square(self.highest))
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one tensor of weights."""
        place = self._get_variable_index(variable)
        y, v, rate = variable, self.v[place], ops.cast(learning_rate, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        z = ops.where(ops.equal(self.iterations, 0), y, self.z[place])
        x = (y - (1 - self.beta_1) * z) / self.beta_1
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient))
        begun = -ops.expm1(step * math.log(self.beta_2))
        root = ops.sqrt(v / begun) + self.epsilon
        share = ops.square(self.highest) / self.total
        z = z - rate * gradient / root
        x = (1 - share) * x + share * z
        self.assign(self.z[place], z)
        self.assign(variable, (1 - self.beta_1) * z + self.beta_1 * x)

    def get_config(self) -> dict[str, Any]:
        """What makes an equal optimizer."""
        own = dict(beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)
        return {**super().get_config(), **own}
