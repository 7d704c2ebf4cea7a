import keras


@keras.saving.register_keras_serializable(package="my_project")
class Shrink(keras.constraints.Constraint):
    def __call__(self, weights):  # after each update
        return 0.99 * weights


def left(weight_decay, constraint=None):
    """What 100 updates leave of a weight of 1 of which the gradient is 0."""
    start = {"use_bias": False, "kernel_initializer": "ones"}
    dense = keras.layers.Dense(1, kernel_constraint=constraint, **start)
    model = keras.Sequential([keras.Input((1,)), dense])
    rate = keras.optimizers.schedules.CosineDecay(0.1, 100)
    model.compile(keras.optimizers.AdamW(rate, weight_decay), "mse")
    x = keras.ops.zeros((100, 1))
    model.fit(x, x, batch_size=1, verbose=0)
    return f"{dense.get_weights()[0][0, 0]:.3f} of the weight are left"


print("0.1 of the weight times the rate of the step:", left(0.1))
print("0.01 of the weight, whatever the rate:", left(0.0, Shrink()))
