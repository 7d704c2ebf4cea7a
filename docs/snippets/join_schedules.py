import lrguide

# 2 epochs of warmup, 5 at 0.1, then down to 0 by a cosine of 3 epochs: 10 epochs of 20 steps.
steps_per_epoch = 20
fall = lrguide.cosine(0.1, epochs=3, steps_per_epoch=steps_per_epoch)
flat_then_fall = lrguide.join([0.1, fall], epochs=[5], steps_per_epoch=steps_per_epoch)
rate = lrguide.warmup(flat_then_fall, epochs=2, steps_per_epoch=steps_per_epoch)

problems = lrguide.check(rate, steps_per_epoch=steps_per_epoch, epochs=10)
firsts = lrguide.rates_at(rate, range(0, 201, steps_per_epoch))
print("rate at the start of each epoch, and after the last:", firsts.round(4).tolist())
print("problems:", [str(each) for each in problems])
