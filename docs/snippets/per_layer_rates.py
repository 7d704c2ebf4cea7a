import keras
from keras.optimizers import SGD, MultiOptimizer, OptimizerMap


def moves(body_rate, head_rate):
    """How far one update moves the weights of body and head."""
    keras.utils.set_random_seed(0)
    x = keras.random.normal((1000, 8))
    body, head = keras.layers.Dense(16, name="body"), keras.layers.Dense(1)
    model = keras.Sequential([keras.Input((8,)), body, head])
    rates = OptimizerMap(SGD(head_rate))  # for all that is not named below
    rates[".*/body/.*"] = SGD(body_rate)  # must match a variable's whole path
    model.compile(MultiOptimizer(rates), "mse")
    old = body.kernel.numpy(), head.kernel.numpy()
    model.train_on_batch(x, keras.ops.sum(x, axis=1, keepdims=True))
    new = body.kernel.numpy(), head.kernel.numpy()
    return [f"{abs(new[part] - old[part]).max():.4f}" for part in (0, 1)]


print("both at 0.1: body and head move by", moves(0.1, 0.1))
print("the body at a tenth of it:", moves(0.01, 0.1))
