import keras

keras.utils.set_random_seed(0)
x = keras.random.normal((1000, 8))
y = keras.ops.sum(x, axis=1, keepdims=True)
batch_size, epochs = 50, 5
steps = epochs * -(-len(x) // batch_size)  # batches of all epochs, rounded up

# Without end_learning_rate it ends at 0.0001, which may lie above your first rate.
rate = keras.optimizers.schedules.PolynomialDecay(0.1, steps, end_learning_rate=0.0)

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(rate), "mse")
history = model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0).history
print("rate of steps 0, 50 and 99:", [round(float(rate(step)), 4) for step in (0, 50, 99)])
print("loss by epoch:", [f"{loss:.1e}" for loss in history["loss"]])
