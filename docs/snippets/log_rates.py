import keras
import lrguide
import numpy as np

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(lrguide.cosine(0.1, 60)), "mse")
log = lrguide.LearningRateLogger()
history = model.fit(x, y, batch_size=50, epochs=3, verbose=0, callbacks=[log])

rates = np.round(history.history["learning_rate"], 4)
print("at the end of each epoch:", rates)
print("of the first five updates:", np.round(log.rates[:5], 4))
print("what differs from the schedule:", log.findings)
