import keras

keras.utils.set_random_seed(0)
x = keras.random.normal((1000, 8))
y = keras.ops.sum(x, axis=1, keepdims=True)
batch_size, epochs = 50, 5
steps = epochs * -(-len(x) // batch_size)  # batches of all epochs, rounded up

rate = keras.optimizers.schedules.PolynomialDecay(
    0.1,
    steps,
    end_learning_rate=0.0,  # else 0.0001, which may lie above your first
)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.SGD(rate), "mse")
model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
for step in (0, steps // 2, steps - 1):
    print(f"rate during step {step}: {rate(step):.4f}")
