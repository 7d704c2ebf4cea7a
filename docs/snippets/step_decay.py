import keras
import lrguide
import numpy as np

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)

# Epochs 0 to 2 use 0.1, epochs 3 to 5 half of it, and so on.
rate = lrguide.step_decay(0.1, decay_rate=0.5, epochs=3, steps_per_epoch=20)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(rate), "mse")
log = lrguide.LearningRateLogger()
history = model.fit(x, y, batch_size=50, epochs=9, verbose=0, callbacks=[log])
for epoch, used in enumerate(history.history["learning_rate"]):
    print(f"epoch {epoch}: {used:.4f}")
