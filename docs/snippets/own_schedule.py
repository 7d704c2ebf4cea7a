import keras
from keras import ops


@keras.saving.register_keras_serializable(package="my_project")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup):
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):  # it is compiled: no Python `if` on the step
        part = ops.cast(step, "float32") / self.warmup
        root = ops.sqrt(ops.maximum(part, 1.0))
        return self.peak * ops.minimum(part, 1.0 / root)

    def get_config(self):  # what __init__ needs to make it again
        return {"peak": self.peak, "warmup": self.warmup}


rate, x = InverseSquareRoot(0.1, 10), keras.random.normal((80, 8))
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(rate), "mse")
model.fit(x, ops.sum(x, axis=1), batch_size=2, verbose=0)  # 40 steps
model.save("model.keras")
loaded = keras.models.load_model("model.keras").optimizer.learning_rate
print(f"step 10: {rate(10):.4f} - loaded, step 40: {loaded:.4f}")
