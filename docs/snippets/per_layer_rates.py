import keras
from keras.optimizers import SGD, MultiOptimizer, OptimizerMap


def moves(body_rate, head_rate):
    """How far one update moves the weights of each layer."""
    keras.utils.set_random_seed(0)
    x = keras.random.normal((1000, 8))
    body = keras.layers.Dense(16, activation="relu", name="body")
    head = keras.layers.Dense(1, name="head")
    model = keras.Sequential([keras.Input((8,)), body, head])
    rates = OptimizerMap(SGD(head_rate))  # for all variables that nothing else is said of
    rates["body/.*"] = SGD(body_rate)  # for those whose path matches, as of a pre-trained part
    model.compile(MultiOptimizer(rates), "mse")
    before = [keras.ops.copy(layer.kernel) for layer in (body, head)]
    model.train_on_batch(x, keras.ops.sum(x, axis=1, keepdims=True))
    changes = [layer.kernel - old for layer, old in zip((body, head), before, strict=True)]
    return [round(float(keras.ops.norm(change)), 3) for change in changes]


print("one rate, 0.1, moves body and head by", moves(0.1, 0.1))
print("a tenth of it for the body moves them by", moves(0.01, 0.1))
