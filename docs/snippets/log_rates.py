import keras
import numpy as np

import lrguide

x = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
y = x.sum(axis=1, keepdims=True)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(lrguide.cosine(0.1, 60)), "mse")
logger = lrguide.LearningRateLogger()
history = model.fit(x, y, batch_size=50, epochs=3, verbose=0, callbacks=[logger]).history

print("of each epoch's last update:", [round(rate, 4) for rate in history["learning_rate"]])
print("of the first five updates:", logger.rates[:5].round(4).tolist())
print("differs from the schedule:", [str(each) for each in logger.findings])
