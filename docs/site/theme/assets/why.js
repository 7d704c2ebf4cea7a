// Three small pictures of why a rate is too high. A page asks for one of PICTURES with
//
//   <div class="lr-why" data-picture="step">What is shown without JavaScript.</div>
//
// and lrguide.js then loads this file.

import { panel } from "./curves.js"
import { html } from "./explorer.js"
import { show } from "./schedules.js"

const STEPS = 40, INPUTS = Array.from({ length: 21 }, (_, i) => i / 20)
const wanted = (x) => 0.1 + 0.3 * x
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
const short = (x) => show(Number(x.toPrecision(2)))
let count = 0

// What Keras' Adam adds to the divisor: its 1e-7 is not corrected, as the means of the first step are.
const ADDED = 1e-7 / Math.sqrt(0.001)

/** How far one step moves a weight: by SGD, and by Adam in its first. */
export const steps = (rate, gradient) => ({ SGD: rate * gradient, Adam: (rate * gradient) / (gradient + ADDED) })

/** One unit that learns a line by SGD: its weights and loss before each step and at the end. */
export function unit(rate, { warmup = 0, rectified = true } = {}) {
  const seen = []
  for (let weight = 1, bias = 0.5, step = 0; step <= STEPS; step++) {
    const alive = INPUTS.map((x) => !rectified || weight * x + bias > 0)
    const errors = INPUTS.map((x, i) => (alive[i] ? weight * x + bias : 0) - wanted(x))
    seen.push({ weight, bias, loss: mean(errors.map((error) => error ** 2)), alive: mean(alive.map(Number)) })
    const gradients = errors.map((error, i) => (alive[i] ? 2 * error : 0)), now = rateAt(rate, warmup, step)
    weight -= now * mean(gradients.map((gradient, i) => gradient * INPUTS[i]))
    bias -= now * mean(gradients)
  }
  return seen
}

const rateAt = (rate, warmup, step) => ((rate * Math.min(step + 1, warmup + 1)) / (warmup + 1))
const decades = (from, to) => Array.from({ length: 2 * (to - from) + 1 }, (_, i) => Number((10 ** (from + i / 2)).toPrecision(1)))
const losses = (name, look, seen) => ({ name, look, points: seen.map(({ loss }, step) => [step, loss]) })
const byStep = { low: 0, high: STEPS }, lossAxis = { logarithmic: true, from: 1e-5, to: 1, least: 1e-5 }
const whole = (share) => `${Math.round(100 * share)} %`

// Of each picture: its name, its sliders (label, stops, the first value), and what it draws and says.
const PICTURES = {
  step: {
    label: "How far one step goes",
    sliders: { rate: ["Learning rate", decades(-4, 0), 0.01], gradient: ["Gradient", decades(-4, 4), 100] },
    draw({ rate, gradient }) {
      const at = decades(-4, 4), here = steps(rate, gradient)
      const line = (name, look) => ({ name, look, points: at.map((each) => [each, steps(rate, each)[name]]) })
      return {
        panels: [["Step by gradient", { low: 1e-4, high: 1e4, logarithmic: true }, [line("SGD", "lr-0"), line("Adam", "lr-1")],
          { logarithmic: true, from: 1e-8, to: 1e4 }, [[gradient, here.SGD], [gradient, here.Adam]]]],
        words: `Gradient ${show(gradient)}, rate ${show(rate)}: SGD moves the weight by ${short(here.SGD)}, Adam's first step by ${short(here.Adam)}.`,
      }
    },
  },
  undone: {
    label: "A unit that one step can kill",
    sliders: { rate: ["Learning rate", [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75], 0.7] },
    draw({ rate }) {
      const seen = unit(rate), free = unit(rate, { rectified: false })
      const output = (name, look, { weight, bias }) => ({ name, look, points: INPUTS.map((x) => [x, Math.max(weight * x + bias, 0)]) })
      const target = { name: "wanted", look: "lr-4", points: INPUTS.map((x) => [x, wanted(x)]) }
      return {
        panels: [
          ["Output by input", { low: 0, high: 1 }, [target, output("at first", "lr-3", seen[0]), output("after one step", "lr-0", seen[1]),
            output(`after ${STEPS}`, "lr-1", seen[STEPS])], { low: 0, high: 1.6 }],
          ["Loss by step", byStep, [losses("with ReLU", "lr-0", seen), losses("without", "lr-2", free)], lossAxis]],
        words: `Rate ${show(rate)}: after one step the unit answers ${whole(seen[1].alive)} of its inputs. After ${STEPS} its loss is ` +
          `${short(seen[STEPS].loss)}; without ReLU it is ${short(free[STEPS].loss)}.`,
      }
    },
  },
  warmup: {
    label: "The same unit with a warmup",
    sliders: { rate: ["Learning rate", [0.4, 0.5, 0.6, 0.65, 0.7, 0.75], 0.7], warmup: ["Steps of warmup", [0, 1, 2, 3, 5, 10, 20], 10] },
    draw({ rate, warmup }) {
      const bare = unit(rate), warm = unit(rate, { warmup })
      const planned = (name, look, warmup) => ({ name, look, points: bare.map((_, step) => [step, rateAt(rate, warmup, step)]) })
      return {
        panels: [
          ["Rate by step", byStep, [planned("at once", "lr-0", 0), planned("warmup", "lr-2", warmup)], { low: 0, high: 0.8 }],
          ["Loss by step", byStep, [losses("at once", "lr-0", bare), losses("warmup", "lr-2", warm)], lossAxis]],
        words: `Rate ${show(rate)}, ${warmup} steps of warmup: after one step the unit answers ${whole(warm[1].alive)} of its inputs, and ` +
          `${whole(bare[1].alive)} at once. The loss ends at ${short(warm[STEPS].loss)}, and at ${short(bare[STEPS].loss)} at once.`,
      }
    },
  },
}

/** Put a picture and its sliders into an element. */
export function mount(place) {
  if (place.querySelector(".lr-stage")) return
  const picture = PICTURES[place.dataset.picture]
  if (!picture) throw new Error(`data-picture must be one of ${Object.keys(PICTURES)}, received "${place.dataset.picture}"`)
  const id = `lr-why-${++count}`, stage = html("div", { class: "lr-panels" })
  const words = html("p", { class: "lr-where" }), spoken = html("p", { class: "lr-spoken", "aria-live": "polite" })
  const values = {}
  let timer
  const rows = Object.entries(picture.sliders).map(([name, [label, stops, first]]) => {
    const slider = html("input", { type: "range", id: `${id}-${name}`, min: 0, max: stops.length - 1, input: () => moved() })
    slider.value = stops.indexOf(first)
    const text = html("output", { for: slider.id })
    const read = () => {
      values[name] = stops[slider.value]
      text.value = show(values[name])
      slider.setAttribute("aria-valuetext", text.value)
    }
    return { read, box: html("div", { class: "lr-options lr-rate" }, html("label", { for: slider.id }, label), slider, text) }
  })
  place.classList.add("lr-instrument")
  place.replaceChildren(html("div", { role: "group", "aria-label": picture.label }, ...rows.map(({ box }) => box), stage, words, spoken))
  draw()
  new ResizeObserver(draw).observe(stage)

  function moved() {
    draw()
    clearTimeout(timer)
    timer = setTimeout(() => (spoken.textContent = words.textContent), 700)
  }

  function draw() {
    rows.forEach(({ read }) => read())
    const drawn = picture.draw(values), wide = stage.clientWidth
    const width = Math.max(240, wide < 560 || drawn.panels.length === 1 ? Math.min(wide, 480) : (wide - 24) / 2)
    stage.replaceChildren(...drawn.panels.map(([title, across, lines, up, marks]) =>
      panel(title, width, across, lines, up, lines.map(({ look, name }) => [look, name]), marks)))
    words.textContent = drawn.words
  }
}
