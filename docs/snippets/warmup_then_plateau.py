import keras
import lrguide

keras.utils.set_random_seed(0)
x, noise = keras.random.normal((1000, 8)), keras.random.normal((1000, 1))
y = keras.ops.sum(x, axis=1, keepdims=True) + 0.1 * noise
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.2), "mse")  # a number: it can be set
rise = lrguide.warmup(0.2, 50)  # two epochs


class WarmUp(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        step = int(self.model.optimizer.iterations)  # JAX needs self.model
        if step <= 50:  # step 50 uses the full rate
            self.model.optimizer.learning_rate = float(rise(step))


plateau = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3)
held = x[800:], y[800:]
new = {"callbacks": [WarmUp(), plateau], "epochs": 16, "verbose": 0}
history = model.fit(x[:800], y[:800], validation_data=held, **new).history
print("rate of each epoch's last update:")
print(*(f"{float(rate):.4f}" for rate in history["learning_rate"]))
