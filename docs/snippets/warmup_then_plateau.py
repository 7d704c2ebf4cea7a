import keras
import lrguide

keras.utils.set_random_seed(0)
x, noise = keras.random.normal((1000, 8)), keras.random.normal((1000, 1))
y = keras.ops.sum(x, axis=1, keepdims=True) + 0.1 * noise
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.2), "mse")  # a number: it can be set
optimizer, rise = model.optimizer, lrguide.warmup(0.2, 50)  # two epochs


def warm_up(batch, logs=None):
    if optimizer.iterations <= 50:  # step 50 uses the full rate
        optimizer.learning_rate = float(rise(optimizer.iterations))


callbacks = [
    keras.callbacks.LambdaCallback(on_train_batch_begin=warm_up),
    keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3),
]
new = {"validation_data": (x[800:], y[800:]), "epochs": 16, "verbose": 0}
history = model.fit(x[:800], y[:800], callbacks=callbacks, **new).history
print("rate of each epoch's last update:")
print(*(f"{float(rate):.4f}" for rate in history["learning_rate"]))
