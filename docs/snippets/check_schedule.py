import lrguide
from keras.optimizers.schedules import CosineDecay, PiecewiseConstantDecay

# 48 batches an epoch, 10 epochs: 480 steps.
right = CosineDecay(0.1, 480)
late = PiecewiseConstantDecay([5_000, 8_000], [0.1, 0.01, 0.001])
early = CosineDecay(0.1, 48)

for name, schedule in (("right", right), ("late", late), ("early", early)):
    findings = lrguide.check(schedule, steps_per_epoch=48, epochs=10)
    print(name, *(findings or ["fits"]), sep="\n  ")
