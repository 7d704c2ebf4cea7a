// The numbers behind the schedule explorer: what can be set, the rate of each step, the Python code.
//
// Steps and epochs are counted from 0. The schedules bear the names of lrguide's functions and the
// formulas are theirs, in 64 bits: a test compares them, and runs the code.

export const series = (digits, from, to) =>
  Array.from({ length: to - from }, (_, i) => digits.map((digit) => Number(`${digit}e${from + i}`))).flat()
const TENS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8]
const RATES = [...series(TENS, -6, 0), 1, 1.5, 2, 3, 5, 10]
const KS = series(TENS, -4, 1)
const COUNTS = [1, 2, 3, 4, 5, 6, 8, ...series(TENS, 1, 4)]
const UP_TO_100 = Array.from({ length: 100 }, (_, i) => i + 1)
const LENGTHS = [0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100]
const PARTS = UP_TO_100.map((percent) => percent / 100)
const LONGEST = 500_000 // steps; with more, drawing would lag behind the sliders

// A field: what it is called, and in a legend; where it begins; the stops of its slider; the least and
// the most that it may be ("above", "below": without these; "steps": the least is one step).
const field = (label, short, value, stops, range, kind = "") => ({ label, short, value, stops, range, kind })
const oneStep = (v) => 1 / v.stepsPerEpoch
const roomFor = (v, others, taken) => [oneStep(v), neat(v.epochs - taken - others * oneStep(v))]
const upToLongest = (other) => [1, Math.floor(LONGEST / other)]
export const FIELDS = {
  epochs: field("Epochs", "", 25, UP_TO_100, (v) => upToLongest(v.stepsPerEpoch), "whole"),
  stepsPerEpoch: field("Steps in an epoch", "", 192, COUNTS, (v) => upToLongest(v.epochs), "whole"),
  rate: field("Initial rate", "from", 0.1, RATES, () => [0, 1000], "above"),
  base: field("Lowest rate", "from", 0.001, RATES, () => [0, 1000], "above"),
  peak: field("Highest rate", "up to", 0.1, RATES, (v) => [uses(v.name, "base") ? v.base : 0, 1000], "above"),
  end: field("End rate", "to", 0, [0, ...RATES], (v) => [0, uses(v.name, "peak") ? v.peak : v.rate]),
  drop: field("Factor of a drop", "times", 0.5, PARTS, () => [0, 1], "above"),
  every: field("Epochs between drops", "every", 5, LENGTHS, (v) => [oneStep(v), 1000], "steps"),
  k: field("k, per epoch", "k", 0.1, KS, () => [0, 100], "above"),
  power: field("Power", "power", 2, [0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 10], () => [0, 100], "above"),
  timescale: field("Epochs of the timescale", "timescale", 1, LENGTHS, (v) => [oneStep(v), 1000], "steps"),
  first: field("Epochs in the first cycle", "first cycle", 5, LENGTHS, (v) => [oneStep(v), 1000], "steps"),
  longer: field("Times as long, each cycle", "times as long", 2, [1, 2, 3, 4], () => [1, 100], "whole"),
  lower: field("Times as high, each cycle", "times as high", 1, PARTS, () => [0, 1], "above"),
  growth: field("k, per epoch", "k", 0.01, KS, (v) => [0, largestGrowth(v.epochs)], "above"),
  warmup: field("Epochs of warmup", "warmup", 0, [0, ...LENGTHS], (v) => [0, v.epochs - oneStep(v)]),
  rise: field("Epochs of warmup", "warmup", 2, LENGTHS, (v) => roomFor(v, 2, 0), "steps"),
  fall: field("Epochs of decay", "decay", 5, LENGTHS, (v) => roomFor(v, 1, v.rise), "steps"),
  half: field("Epochs in half a cycle", "half cycle", 4, LENGTHS, (v) => [oneStep(v), 1000], "steps"),
  left: field("Part of the height left at last", "left", 0.1, PARTS, () => [1e-6, 1]),
  start: field("Part of the run spent rising", "rising", 0.3, PARTS, (v) => [1 / total(v), 1], "above below"),
  divisor: field("Highest over first rate", "first 1 /", 25, COUNTS, () => [1, 1e9]),
  finalDivisor: field("First over last rate", "last 1 /", 1e4, series([1], 0, 7), () => [1, 1e9]),
}
export const RUN = ["epochs", "stepsPerEpoch"]

// For the values v of the fields and, where a warmup goes before, the epochs and steps that it leaves:
// `rate` makes the function from the step to the rate; `code` gives the arguments of lrguide's
// function, `alone` the class of Keras, where there is one, and its arguments.
export const SCHEDULES = {
  constant: {
    label: "constant", fields: ["rate", "warmup"],
    rate: (v) => () => v.rate,
    code: (v) => [float(v.rate)],
  },
  linear: {
    label: "linear", fields: ["rate", "end", "warmup"],
    rate: (v, steps) => (n) => v.rate + (v.end - v.rate) * Math.min(n / steps, 1),
    code: (v, epochs) => [float(v.rate), ...ending(v), ...lasting(v, epochs)],
    alone: (v, steps) => [
      "PolynomialDecay", float(v.rate), `decay_steps=${steps}`, `end_learning_rate=${float(v.end)}`,
    ],
  },
  polynomial: {
    label: "polynomial", fields: ["rate", "end", "power", "warmup"],
    rate: (v, steps) => (n) => v.end + (v.rate - v.end) * (1 - Math.min(n / steps, 1)) ** v.power,
    code: (v, epochs) => [float(v.rate), ...ending(v), `power=${float(v.power)}`, ...lasting(v, epochs)],
    alone: (v, steps) => [...SCHEDULES.linear.alone(v, steps), `power=${float(v.power)}`],
  },
  step_decay: {
    label: "step", fields: ["rate", "drop", "every", "warmup"],
    rate: (v) => (n) => v.rate * v.drop ** Math.floor(n / inSteps(v.every, v)),
    code: (v) => [float(v.rate), `decay_rate=${float(v.drop)}`, ...lasting(v, v.every)],
    alone: (v) => [...decaying("ExponentialDecay", v, inSteps(v.every, v), float(v.drop)), "staircase=True"],
  },
  inverse_time: {
    label: "inverse time", fields: ["rate", "k", "warmup"],
    rate: (v) => (n) => v.rate / (1 + (v.k * n) / v.stepsPerEpoch),
    code: (v) => [float(v.rate), `decay_rate=${float(v.k)}`, ...lasting(v, 1)],
    alone: (v) => decaying("InverseTimeDecay", v, v.stepsPerEpoch, float(v.k)),
  },
  inverse_sqrt: {
    label: "inverse square root", fields: ["rate", "timescale", "warmup"],
    rate: (v) => (n) => v.rate / Math.sqrt(1 + n / inSteps(v.timescale, v)),
    code: (v) => [float(v.rate), ...lasting(v, v.timescale)],
  },
  compounding_time: {
    label: "compounding time", fields: ["rate", "growth"],
    rate: (v) => {
      const rates = [v.rate]
      for (let epoch = 1; epoch < v.epochs; epoch++) rates.push(rates.at(-1) / (1 + v.growth * epoch))
      return (n) => rates[Math.floor(n / v.stepsPerEpoch)]
    },
    code: (v, epochs) => [float(v.rate), float(v.growth), ...lasting(v, epochs)],
  },
  exponential: {
    label: "exponential", fields: ["rate", "k", "warmup"],
    rate: (v) => (n) => v.rate * Math.exp((-v.k * n) / v.stepsPerEpoch),
    code: (v) => [float(v.rate), `decay_rate=math.exp(-${float(v.k)})`, ...lasting(v, 1)],
    alone: (v) => decaying("ExponentialDecay", v, v.stepsPerEpoch, `math.exp(-${float(v.k)})`),
  },
  cosine: {
    label: "cosine", fields: ["rate", "end", "warmup"],
    rate: (v, steps) => (n) => between(v.rate, v.end, Math.min(n / steps, 1)),
    code: (v, epochs) => [float(v.rate), ...ending(v), ...lasting(v, epochs)],
    alone: (v, steps, warm) => [
      "CosineDecay", warm ? `${float(v.rate)} / ${warm + 1}` : float(v.rate), `decay_steps=${steps}`,
      ...(v.end ? [`alpha=${float(v.end)} / ${float(v.rate)}`] : []),
      ...(warm ? [`warmup_target=${float(v.rate)}`, `warmup_steps=${warm}`] : []),
    ],
  },
  restarts: {
    label: "cosine with restarts", fields: ["rate", "end", "first", "longer", "lower", "warmup"],
    rate: (v) => { // of steps in their order: it keeps the cycle of the last one
      let begin = 0, length = inSteps(v.first, v), height = v.rate - v.end
      return (n) => {
        for (; n >= begin + length; height *= v.lower) [begin, length] = [begin + length, length * v.longer]
        return between(v.end + height, v.end, (n - begin) / length)
      }
    },
    code: (v) => [float(v.rate), ...ending(v), `t_mul=${float(v.longer)}`, `m_mul=${float(v.lower)}`,
      ...lasting(v, v.first)],
  },
  warmup_stable_decay: {
    label: "warmup, stable, decay", fields: ["peak", "rise", "fall", "end"],
    rate: (v) => {
      const [up, stable, down] = phases(v).map((epochs) => inSteps(epochs, v))
      const fallen = (n) => Math.min(Math.max((n - up - stable) / down, 0), 1)
      return (n) => (n < up ? (v.peak * (n + 1)) / (up + 1) : v.peak + (v.end - v.peak) * fallen(n))
    },
    code: (v) => [float(v.peak), ...ending(v), ...lasting(v, `(${phases(v).join(", ")})`)],
  },
  triangular: {
    label: "triangular", fields: ["base", "peak", "half"],
    rate: (v) => cycling(v, () => 1),
    code: (v) => [...bounds(v), ...lasting(v, v.half)],
  },
  triangular2: {
    label: "triangular2", fields: ["base", "peak", "half"],
    rate: (v) => cycling(v, (n, cycle) => 0.5 ** cycle),
    code: (v) => [...bounds(v), ...lasting(v, v.half)],
  },
  exp_range: {
    label: "exp_range", fields: ["base", "peak", "half", "left"],
    rate: (v) => cycling(v, (n) => v.left ** (n / total(v))),
    code: (v) => [...bounds(v), `gamma=${float(v.left)} ** (1 / ${total(v)})`, ...lasting(v, v.half)],
  },
  one_cycle: {
    label: "1cycle", fields: ["peak", "start", "divisor", "finalDivisor"],
    rate: (v, steps) => {
      const first = v.peak / v.divisor, top = v.start * steps - 1
      return (n) => (n < top ? between(first, v.peak, n / top)
        : between(v.peak, first / v.finalDivisor, (n - top) / (steps - 1 - top)))
    },
    code: (v, epochs) => [float(v.peak), `pct_start=${v.start}`, `div_factor=${float(v.divisor)}`,
      `final_div_factor=${float(v.finalDivisor)}`, ...lasting(v, epochs)],
  },
}

export const uses = (schedule, field) => RUN.includes(field) || SCHEDULES[schedule].fields.includes(field)
export const neat = (x) => Number(x.toPrecision(12)) // 5 - 4.9 is 0.1
const total = (v) => v.epochs * v.stepsPerEpoch
const phases = (v) => [v.rise, neat(v.epochs - v.rise - v.fall), v.fall]
const warmupSteps = (v) => (uses(v.name, "warmup") ? inSteps(v.warmup, v) : 0)
const mainEpochs = (v) => (warmupSteps(v) ? neat(v.epochs - v.warmup) : v.epochs)
const largestGrowth = (epochs) => (1e300 ** (1 / epochs) - 1) / epochs // with more, a rate becomes 0

function inSteps(epochs, v) {
  const exact = epochs * v.stepsPerEpoch, near = Math.round(exact)
  return near - exact === 0.5 && near % 2 ? near - 1 : near // halves to the even number, as in Python
}

/** Half a cosine from a to b. */
function between(a, b, part) {
  return a + ((b - a) * (1 - Math.cos(Math.PI * part))) / 2
}

function cycling(v, height) {
  const half = inSteps(v.half, v)
  return (n) => {
    const cycle = Math.floor(n / (2 * half)), position = n - 2 * half * cycle
    return v.base + (v.peak - v.base) * (Math.min(position, 2 * half - position) / half) * height(n, cycle)
  }
}

/** The rate during each step of the run; v holds the schedule's name and the values of the fields. */
export function rates(v) {
  const warm = warmupSteps(v), main = SCHEDULES[v.name].rate(v, inSteps(mainEpochs(v), v))
  const rate = (n) => (n < warm ? (main(0) * (n + 1)) / (warm + 1) : main(n - warm))
  return Float64Array.from({ length: total(v) }, (_, n) => rate(n))
}

// Keras computes in the type of the first rate, and an integer would cut off the rest.
const float = (x) => (Number.isInteger(x) && !String(x).includes("e") ? `${x}.0` : String(x))
const lasting = (v, epochs) => [`epochs=${epochs}`, `steps_per_epoch=${v.stepsPerEpoch}`]
const bounds = (v) => [float(v.base), float(v.peak)]
const decaying = (name, v, steps, by) => [name, float(v.rate), `decay_steps=${steps}`, `decay_rate=${by}`]
const ending = (v) => (v.end ? [`end_learning_rate=${float(v.end)}`] : [])

/** Whether Keras has a class for it. */
export const inKeras = (v) => "alone" in SCHEDULES[v.name] && (warmupSteps(v) === 0 || v.name === "cosine")

/** The Python code that makes the schedule, with lrguide or with Keras alone. */
export function code(v, alone = false) {
  const { code, alone: classOf } = SCHEDULES[v.name], warm = warmupSteps(v), lines = []
  const assign = (name, parts) => {
    const line = `schedule = ${name}(${parts.join(", ")})`
    const broken = [`schedule = ${name}(`, ...parts.map((part) => `    ${part},`), ")"]
    lines.push(...(line.length < 72 ? [line] : broken))
  }
  if (alone) {
    const [name, ...parts] = classOf(v, inSteps(mainEpochs(v), v), warm)
    assign(`keras.optimizers.schedules.${name}`, parts)
  } else {
    assign(`lrguide.${v.name}`, code(v, mainEpochs(v)))
    if (warm) assign("lrguide.warmup", ["schedule", ...lasting(v, v.warmup)])
  }
  lines.unshift("import keras", ...(alone ? [] : ["import lrguide"]), "")
  if (lines.some((line) => line.includes("math."))) lines.unshift("import math", "")
  return [...lines, "optimizer = keras.optimizers.SGD(schedule)"].join("\n")
}

/** What is wrong with the text of a field, in a sentence; "" if nothing is. */
export function fault(name, text, v) {
  const { label, range, kind } = FIELDS[name], [low, high] = range(v), x = numberOf(text)
  const above = kind.includes("above"), below = kind.includes("below"), whole = kind === "whole"
  const within = (above ? x > low : x >= low) && (below ? x < high : x <= high)
  if (within && (!whole || Number.isInteger(x))) return ""
  if (low > high) return `${label}: so short a run has no room for it.`
  const least = `${above ? "above" : "from"} ${kind === "steps" ? `one step (${show(low)})` : show(low)}`
  const most = `${below ? " and below" : above ? ", at most" : " to"} ${show(high)}`
  const seen = text.trim() || "nothing"
  return `${label} must be a ${whole ? "whole " : ""}number ${least}${most}, received ${seen}.`
}

export const numberOf = (text) => (text.trim() ? Number(text.trim().replace(",", ".")) : NaN)

export function show(x) {
  const near = Number(x.toPrecision(4))
  return near !== 0 && Math.abs(near) < 1e-4 ? near.toExponential() : String(near)
}

/** Round numbers from 0 up to the most, in about so many parts, at least so far apart. */
export function evenly(most, parts, least = 0) {
  const size = 10 ** Math.floor(Math.log10(most / parts))
  const fitting = [1, 2, 5, 10].map((digit) => digit * size).find((step) => step >= (most / parts) * 0.999)
  const step = Math.max(least, fitting)
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => neat(i * step))
}
