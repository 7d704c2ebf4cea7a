"""What holds of every schedule, whatever its shape."""

import json

import keras
import numpy as np
import tensorflow as tf

STEPS = np.arange(70)


def values(schedule, steps=STEPS):
    return np.asarray(schedule(steps), "float64")


def same(found, expected, rtol=1e-6):
    """Equal but for the last bit: TensorFlow's powers differ in it with the place in the array."""
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-37)


def depends_on_the_step_alone(schedule, random):
    steps = list(range(500))
    once = values(schedule, np.array(steps))
    random.shuffle(steps)
    same(values(schedule, np.array(steps)), once[steps])
    same(float(schedule(steps[0])), once[steps[0]])


def made_again(schedule):
    """The schedule made from its config, which gives the same rates."""
    config = json.loads(json.dumps(keras.optimizers.schedules.serialize(schedule)))
    again = keras.optimizers.schedules.deserialize(config)
    same(values(again, np.arange(500)), values(schedule, np.arange(500)))
    return again


def compiles_to_the_same_rate(schedule, step):
    compiled = tf.function(schedule.__call__)
    # Near the end of a fall to 0, 1 - t / T is only as exact as the last bits of the highest rate.
    bits = 2**-22 * values(schedule, np.arange(501)).max()
    once, again = float(schedule(step)), float(compiled(tf.constant(step, "int64")))
    np.testing.assert_allclose(again, once, rtol=1e-6, atol=bits)
