// The atlas of curves, and the game "Where would you set it?". A page asks for them with
//
//   <div class="lr-atlas" data-from="../curves/">What is shown without JavaScript.</div>
//   <div class="lr-game" data-from="../curves/">What is shown without JavaScript.</div>
//
// and lrguide.js then loads this file. In data-from lie the files that docs/site/curve_files.py makes.

import { html, svg } from "./explorer.js"
import { show } from "./schedules.js"

const fetched = {}
let count = 0

function get(folder, name) {
  const url = new URL(`${folder}${name}.json`, document.baseURI)
  fetched[url] ??= fetch(url).then((answer) => {
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
    return answer.json()
  })
  return fetched[url]
}

/** Put some of the address's words elsewhere, without a new entry in the history. */
function remember(values) {
  const url = new URL(location)
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value)
  history.replaceState(history.state, "", url)
}

const asked = (name) => new URLSearchParams(location.search).get(name)

/** Radio buttons, of which `chosen` is called with the value. */
function choice(label, values, name, chosen) {
  const boxes = values.map((value) => html("label", {},
    html("input", { type: "radio", name, value, change: () => chosen(value) }), html("span", {}, value)))
  return {
    box: html("fieldset", { class: "lr-choices" }, html("legend", {}, label), ...boxes),
    set(value, among = values) {
      boxes.forEach((box, i) => {
        box.firstChild.checked = values[i] === value
        box.hidden = !among.includes(values[i])
      })
    },
  }
}

/** The atlas. */
export async function mount(place) {
  const folder = place.dataset.from, index = await get(folder, "index")
  const { groups, symptoms, every } = index, id = `lr-atlas-${++count}`
  const unique = (name) => [...new Set(groups.map((group) => group[name]))]
  const state = { optimizer: groups[0].optimizer, kind: groups[0].kind, rate: symptoms[0].rate }
  const linked = { optimizer: asked("optimizer"), kind: asked("curve"), rate: Number(asked("rate")) }
  if (groupOf(linked)?.rates.includes(linked.rate)) Object.assign(state, linked)
  let drawn = 0, timer

  const change = (part) => go({ ...state, ...part })
  const optimizers = choice("Optimizer", unique("optimizer"), `${id}-optimizer`, (optimizer) => change({ optimizer }))
  const kinds = choice("Training", unique("kind"), `${id}-kind`, (kind) => change({ kind }))
  const slider = html("input", { type: "range", min: 0, id: `${id}-rate`,
    input: () => change({ rate: groupOf(state).rates[slider.value] }) })
  const rateText = html("output", { for: slider.id })
  const presets = symptoms.map((symptom) => html("button", { type: "button", click: () => go(symptom) }, symptom.title))
  const stage = html("div", { class: "lr-panels" })
  const words = html("p", { class: "lr-where" }), more = html("p", { class: "lr-where" })
  const table = html("div", { class: "md-typeset__scrollwrap", tabindex: 0 })
  const numbers = html("details", { toggle: () => tabulate() }, html("summary", {}, "The numbers as a table"), table)
  const listing = html("code", { tabindex: 0 })
  const copy = html("button", { type: "button", class: "md-code__button", title: "Copy to clipboard",
    "data-md-type": "copy", "data-clipboard-target": `#${id} > code` }) // Material does the copying
  const spoken = html("p", { class: "lr-spoken", "aria-live": "polite" })
  place.classList.add("lr-instrument")
  // Who comes near the slider will move it, and then waits for nothing.
  for (const near of ["pointerenter", "focusin"]) place.addEventListener(near, ahead)
  place.replaceChildren(html("div", { role: "group", "aria-label": "Atlas of curves" },
    html("fieldset", { class: "lr-choices lr-presets" }, html("legend", {}, "What does yours look like?"), ...presets),
    optimizers.box, kinds.box,
    html("div", { class: "lr-options lr-rate" }, html("label", { for: slider.id }, "Learning rate"), slider, rateText),
    stage, words, more, numbers,
    html("details", {}, html("summary", {}, "Copy as Keras"),
      html("div", { class: "highlight" },
        html("pre", { id }, html("div", { class: "md-code__nav", "aria-label": "Program" }, copy), listing))),
    spoken))
  let current, byRate = {} // the last panel, which stays while only the rate moves
  await go(state, true)
  new ResizeObserver(() => current && draw()).observe(stage)

  function ahead() {
    const { file, rates } = groupOf(state)
    rates.forEach((_, i) => get(folder, `${file}-${i}`))
  }

  function groupOf({ optimizer, kind }) {
    return groups.find((group) => group.optimizer === optimizer && group.kind === kind)
  }

  /** Show what is asked for, or what is nearest to it. */
  async function go({ optimizer, kind, rate }, first = false) {
    const of = groups.filter((group) => group.optimizer === optimizer)
    const group = of.find((each) => each.kind === kind) ?? of[0]
    const off = (other) => Math.abs(Math.log(other / rate))
    const nearest = group.rates.reduce((best, other) => (off(other) < off(best) ? other : best))
    Object.assign(state, { optimizer, kind: group.kind, rate: nearest })
    const turn = ++drawn
    const runs = await get(folder, `${group.file}-${group.rates.indexOf(nearest)}`)
    if (turn !== drawn) return // the reader has gone on meanwhile
    current = { group, runs }
    optimizers.set(optimizer)
    kinds.set(group.kind, of.map((each) => each.kind))
    slider.max = group.rates.length - 1
    slider.value = group.rates.indexOf(nearest)
    slider.setAttribute("aria-valuetext", show(nearest))
    rateText.value = show(nearest)
    draw()
    listing.textContent = program(state, current.runs[0].steps)
    if (!first) ahead()
    clearTimeout(timer)
    if (!first) timer = setTimeout(() => { // once the reader pauses: a browser takes few addresses a second
      remember({ optimizer, curve: group.kind, rate: nearest })
      spoken.textContent = words.textContent
    }, 500)
  }

  function draw() {
    const { group, runs } = current, steps = runs[0].steps
    const looks = (values) => values.map((value, i) => [Math.min(i * every, steps), value])
    const lines = (name, look, at = looks) => runs.map((run, i) => ({ points: at(run[name]), look: `${look} lr-seed-${i}` }))
    const each = (values) => values.map((value, i) => [i, value])
    const percent = (name) => lines(name, "", (values) => looks(values.map((value) => 100 * value)))
    const coloured = (name, colour) => percent(name).map((line) => ({ ...line, look: `lr-${colour}${line.look}` }))
    const width = Math.max(240, stage.clientWidth < 560 ? stage.clientWidth : (stage.clientWidth - 24) / 2)
    // Some rates have more seeds than others.
    const most = group.ends.reduce((some, ends) => (ends.length > some.length ? ends : some))
    const valley = most.map((_, seed) => ({ look: `lr-1 lr-seed-${seed}`,
      points: group.rates.map((rate, i) => [rate, group.ends[i][seed]]).filter(([, end]) => end !== undefined) }))
    const marks = group.ends[group.rates.indexOf(state.rate)].map((end) => [state.rate, end])
    const over = { low: 0, high: steps }
    const panels = [
      panel("Loss", width, over, [...lines("loss", "lr-0", each), ...lines("validation_loss", "lr-1")],
        { logarithmic: true, most: 10, from: 0.1, to: 3 }, [["lr-0", "training, each step"], ["lr-1", "validation"]]),
      panel("Accuracy and dead units, %", width, over, [...coloured("validation_accuracy", 1), ...coloured("dead", 2)],
        { low: 0, high: 100 }, [["lr-1", "right on validation"], ["lr-2", "dead units"]]),
      panel("Gradient, and update / weights", width, over, [...lines("gradient", "lr-3"), ...lines("update", "lr-0")],
        { logarithmic: true, least: 1e-7, most: 1e3 }, [["lr-3", "gradient"], ["lr-0", "update"]])]
    const key = `${group.file} ${width}`
    if (byRate.key === key) panels.forEach((each, i) => stage.children[i].replaceWith(each))
    else {
      byRate = { key, box: panel("Validation loss at the end, by rate", width,
        { low: group.rates[0], high: group.rates.at(-1), logarithmic: true }, valley,
        { logarithmic: true, most: 10, from: 0.1, to: 3 }, [["lr-1", "each seed; dots: this rate"]]) }
      stage.replaceChildren(...panels, byRate.box)
    }
    byRate.box.mark(marks)
    words.textContent = told(runs)
    const symptom = symptoms.find((each) => each.rate === state.rate && each.kind === state.kind && each.optimizer === state.optimizer)
    more.replaceChildren(...(symptom ? [html("a", { href: `#${symptom.name}` }, `What it is, and what to do: ${symptom.title}`)] : []))
    presets.forEach((button, i) => button.setAttribute("aria-pressed", symptoms[i] === symptom))
    tabulate()
  }

  function told(runs) {
    const last = (name, as) => runs.map((run) => as(run[name].at(-1))).join(", ").replace(/, ([^,]*)$/, " and $1")
    const whole = (x) => `${Math.round(100 * x)} %`
    return `${state.optimizer}, ${state.kind}, rate ${show(state.rate)}, ${runs.length} seeds: validation loss ` +
      `${last("validation_loss", number)} at the end, ${last("validation_accuracy", whole)} right, ${last("dead", whole)} of the units dead.`
  }

  function tabulate() {
    if (!numbers.open) return
    const { runs } = current, rows = [0, 1, 2, 5, 10, 15, 20, 25, 30]
    const columns = { rates: "rate", loss: "training loss", validation_loss: "validation loss",
      validation_accuracy: "accuracy", dead: "dead units", gradient: "gradient", update: "update" }
    const at = (run, name, look) =>
      number(name === "loss" ? run.loss[Math.min(look * every, run.steps - 1)] : run[name][look])
    table.replaceChildren(tableOf(
      html("caption", {}, `${state.optimizer}, ${state.kind}, rate ${show(state.rate)}; the seeds one after the other`),
      html("thead", {}, html("tr", {}, ...["step", ...Object.values(columns)].map((name) => html("th", { scope: "col" }, name)))),
      html("tbody", {}, ...rows.map((look) => html("tr", {}, html("th", { scope: "row" }, String(look * every)),
        ...Object.keys(columns).map((name) => html("td", {}, runs.map((run) => at(run, name, look)).join("; "))))))))
  }
}

const tableOf = (...parts) => html("div", { class: "md-typeset__table" }, html("table", {}, ...parts))
const number = (x) => (x === null ? "not finite" : show(Number(x.toPrecision(3))))

/** A small picture with axes; what is not finite leaves a gap, and what is outside runs along the edge.
 *
 * `up.low` and `up.high` set the vertical axis; else it holds all values and `up.from` to `up.to`, from
 * `up.least` to `up.most` at the utmost. */
export function panel(title, width, across, lines, up, legend, marks = [], click) {
  const height = Math.round(Math.min(240, 0.62 * width)), left = 46, right = width - 10, top = 22, bottom = height - 24
  const values = lines.flatMap(({ points }) => points.map(([, y]) => y)).filter((y) => y !== null && (!up.logarithmic || y > 0))
  let low = up.low ?? Math.max(Math.min(...values, up.from ?? Infinity), up.least ?? 0)
  let high = up.high ?? Math.min(Math.max(...values, up.to ?? -Infinity), up.most ?? Infinity)
  if (up.logarithmic) [low, high] = [low / 1.15, Math.max(high, low * 3) * 1.15]
  const scale = (from, to, { logarithmic }) => (logarithmic
    ? (value) => Math.min(Math.max(Math.log(value / from) / Math.log(to / from), 0), 1)
    : (value) => Math.min(Math.max((value - from) / (to - from), 0), 1))
  const atX = scale(across.low, across.high, across), atY = scale(low, high, up)
  const x = (value) => left + (right - left) * atX(value), y = (value) => bottom - (bottom - top) * atY(value)
  const path = ({ points, look }) => {
    let pen = "M", d = ""
    for (const [a, b] of points) {
      if (b === null) pen = "M"
      else {
        d += `${pen}${x(a).toFixed(1)} ${y(b).toFixed(1)}`
        pen = "L"
      }
    }
    return svg("path", { class: `lr-curve ${look}`, d })
  }
  const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words)
  const ticks = (from, to, logarithmic, most) => {
    if (!logarithmic) return [0, 1, 2, 3, 4].map((i) => from + ((to - from) * i) / 4)
    const found = []
    const wide = to / from > 100
    for (let power = Math.floor(Math.log10(from)); power <= Math.log10(to); power++) {
      for (const digit of wide ? [1] : [1, 2, 5]) found.push(Number(`${digit}e${power}`))
    }
    const inside = found.filter((tick) => tick >= from * 0.999 && tick <= to * 1.001), skip = Math.ceil(inside.length / most)
    return inside.filter((_, i) => i % skip === 0)
  }
  const dots = svg("g")
  const mark = (points) => dots.replaceChildren(...points.filter(([, b]) => b !== null)
    .map(([a, b]) => svg("circle", { class: "lr-dot", cx: x(a), cy: y(b), r: 4.5 })))
  mark(marks)
  const vertical = ticks(low, high, up.logarithmic, 6), horizontal = ticks(across.low, across.high, across.logarithmic, 5)
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
    ...vertical.map((tick) => svg("path", { class: "lr-grid", d: `M${left} ${y(tick).toFixed(1)}H${right}` })),
    ...vertical.map((tick) => text(left - 5, y(tick) + 4, "end", show(tick))),
    ...horizontal.map((tick) => text(x(tick), bottom + 16, "middle", show(tick))),
    svg("path", { class: "lr-axes", d: `M${left} ${top}V${bottom}H${right}` }),
    ...lines.map(path), dots)
  const value = (px) => {
    const part = Math.min(Math.max((px - left) / (right - left), 0), 1)
    return across.logarithmic ? across.low * (across.high / across.low) ** part : across.low + part * (across.high - across.low)
  }
  const box = html("div", { class: "lr-panel lr-stage" }, html("strong", {}, title), drawing,
    html("p", { class: "lr-keys" }, ...legend.map(([look, name]) => html("span", {},
      svg("svg", { viewBox: "0 0 22 8", width: 22, height: 8, "aria-hidden": "true" }, svg("path", { class: `lr-curve ${look}`, d: "M0 4H22" })), name))))
  box.mark = mark
  if (click) drawing.addEventListener("click", (event) => click(value(event.clientX - drawing.getBoundingClientRect().left)))
  return box
}

// The program of a curve. Keras computes in the type of the first rate, so it must not be an integer.
const float = (x) => (Number.isInteger(x) ? `${x}.0` : String(x))

/** The Python code that trains as a curve was trained; only the order of the images differs. */
export function program({ optimizer, kind, rate }, steps) {
  const r = float(rate), few = kind.startsWith("500"), images = few ? 500 : 3000, epochs = (steps * 50) / images
  const schedules = {
    linear: `lrguide.linear(${r}, ${steps})`,
    "linear, begun anew": `lrguide.linear(${r}, ${steps})`,
    "warmup and linear": `lrguide.warmup(lrguide.linear(${r}, ${steps - steps / 10}), ${steps / 10})`,
    "1cycle": `lrguide.one_cycle(${r}, ${steps})`,
    "cosine that ends early": `lrguide.cosine(${r}, ${steps / 2}) # the run has ${steps}`.replace(" #", "  #"),
  }
  const schedule = schedules[kind] ? ["schedule = " + schedules[kind]] : [], given = schedules[kind] ? "schedule" : r
  const momentum = optimizer === "SGD momentum"
  const made = kind === "1cycle"
    ? momentum ? "lrguide.ScheduledSGD(schedule, momentum=schedule.momentum())" : "lrguide.ScheduledAdam(schedule, beta_1=schedule.momentum())"
    : momentum ? `keras.optimizers.SGD(${given}, momentum=0.9)` : `keras.optimizers.Adam(${given})`
  const model = kind.endsWith("no dropout")
    ? ["layers = article_cnn().layers", 'model = keras.Sequential([x for x in layers if "dropout" not in x.name])']
    : ["model = article_cnn()"]
  const fit = (epochs, more = []) => ["model.fit(", "    data.x_train,", "    data.y_train,", "    batch_size=50,", `    epochs=${epochs},`,
    ...more, "    validation_data=(data.x_validation, data.y_validation),", ")"]
  const train = [...schedule, `optimizer = ${made}`, 'model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])']
  const anew = kind.endsWith("anew")
  const body = anew
    ? ["for part in range(2):  # the second one has lost optimizer and step",
      ...[...train, ...fit(epochs, [`    steps_per_epoch=${steps / 2 / epochs},`])].map((line) => `    ${line}`)]
    : [...train, ...fit(epochs)]
  return ["import keras", "", ...(schedule.length ? ["import lrguide"] : []), "from lrguide.data import mnist_subset", "from lrguide.model import article_cnn", "",
    `data = mnist_subset().first(training=${images}, validation=500, test=1)`, "keras.utils.set_random_seed(0)", ...model, ...body].join("\n") + "\n"
}

/** The game. */
export async function play(place) {
  const puzzles = await get(place.dataset.from, "game"), id = `lr-game-${++count}`
  let turnOf = Math.min(Math.max(Number(asked("sweep") ?? 1) - 1, 0), puzzles.length - 1), set = null
  const guesses = puzzles.map(() => null) // rates by puzzle
  const head = html("p", { class: "lr-where" }), stage = html("div", { class: "lr-panels" })
  const slider = html("input", { type: "range", min: 0, max: 99, value: 50, id: `${id}-rate`, input: () => aim() })
  const rateText = html("output", { for: slider.id })
  const train = html("button", { type: "button", click: () => answer(rateAt()) }, "Train there")
  const next = html("button", { type: "button", click: () => turn(1) }, "Next sweep")
  const before = html("button", { type: "button", click: () => turn(-1) }, "Sweep before")
  const result = html("div", { "aria-live": "polite" })
  place.classList.add("lr-instrument")
  place.replaceChildren(html("div", { role: "group", "aria-label": "Where would you set it?" }, head, stage,
    html("div", { class: "lr-options lr-rate" }, html("label", { for: slider.id }, "Your rate"), slider, rateText),
    html("div", { class: "lr-options" }, train, before, next), result))
  new ResizeObserver(draw).observe(stage)
  begin()

  function rateAt() {
    return Number(puzzles[turnOf].sweep_rates[slider.value].toPrecision(3))
  }

  function turn(by) {
    turnOf = (turnOf + by + puzzles.length) % puzzles.length
    remember({ sweep: turnOf + 1 })
    begin()
  }

  function begin() {
    set = guesses[turnOf]
    head.textContent = `Sweep ${turnOf + 1} of ${puzzles.length}: ${puzzles[turnOf].name}, five seeds. Choose a rate on it.`
    aim()
    finish()
  }

  function aim() {
    rateText.value = show(rateAt())
    slider.setAttribute("aria-valuetext", show(rateAt()))
    draw()
  }

  function answer(rate) {
    set = guesses[turnOf] = rate
    const rates = puzzles[turnOf].sweep_rates
    slider.value = rates.findIndex((each) => each >= rate * 0.999)
    rateText.value = show(rate)
    finish()
  }

  function draw() {
    const puzzle = puzzles[turnOf], width = Math.max(240, stage.clientWidth < 560 ? stage.clientWidth : (stage.clientWidth - 24) / 2)
    const across = { low: puzzle.sweep_rates[0], high: puzzle.sweep_rates.at(-1), logarithmic: true }
    const lines = puzzle.sweeps.map((losses, i) => ({ points: losses.map((y, k) => [puzzle.sweep_rates[k], y]), look: `lr-0 lr-seed-${i % 2}` }))
    const most = Math.max(...puzzle.sweeps.map((losses) => Math.max(...losses.slice(0, 5))))
    const line = { points: [[rateAt(), 1e-9], [rateAt(), 1e9]], look: "lr-1" }
    const shown = [panel("The sweep: loss by rate", width, across, [...lines, line], { logarithmic: true, ...floor(puzzle), high: 1.3 * most },
      [["lr-0", "loss of each step"], ["lr-1", "your rate"]], [], (rate) => answer(Number(rate.toPrecision(3))))]
    if (set !== null) {
      shown.push(panel("Trained: validation loss by rate", width, across,
        [{ points: puzzle.rates.map((rate, i) => [rate, puzzle.losses[i]]), look: "lr-2" }], { logarithmic: true },
        [["lr-2", "trained at that rate; dot: yours"]], [[set, lossAt(puzzle, set)]]))
    }
    stage.replaceChildren(...shown)
  }

  function finish() {
    draw()
    if (set === null) return result.replaceChildren()
    const puzzle = puzzles[turnOf], yours = regret(puzzle, set)
    const best = puzzle.rates[puzzle.losses.indexOf(Math.min(...puzzle.losses))]
    const rows = [["you", set, yours.relative, yours.normalised], ...puzzle.ways]
      .sort((a, b) => a[3] - b[3])
    const played = guesses.map((rate, i) => rate && regret(puzzles[i], rate).normalised).filter((cost) => cost !== null)
    const mean = played.reduce((sum, cost) => sum + cost, 0) / played.length
    result.replaceChildren(html("p", {}, `At ${show(set)} the loss ends ${percent(yours.relative)} above the lowest, which is at ${show(best)}. ` +
      `That gives away ${percent(yours.normalised)} of what training can gain; over ${played.length} played, ${percent(mean)} on average.`),
    html("div", { class: "md-typeset__scrollwrap", tabindex: 0 }, tableOf(
      html("thead", {}, html("tr", {}, ...["who", "rate", "loss above the lowest", "given away"].map((name) => html("th", { scope: "col" }, name)))),
      html("tbody", {}, ...rows.map(([who, rate, relative, normalised]) => html("tr", {}, html("th", { scope: "row" }, who),
        ...[rate === null ? "no answer: the default" : show(rate), percent(relative), percent(normalised)].map((cell) => html("td", {}, cell))))))))
  }
}

const percent = (x) => `${show(Number((100 * x).toPrecision(2)))} %`
const floor = (puzzle) => ({ low: Math.min(...puzzle.sweeps.flat().filter((y) => y !== null && y > 0)) })

/** The loss at a rate, read off the line between two that were trained; at the ends it stays. */
export function lossAt({ rates, losses }, rate) {
  const at = rates.findIndex((each) => each >= rate)
  if (at <= 0) return losses.at(at)
  const part = Math.log(rate / rates[at - 1]) / Math.log(rates[at] / rates[at - 1])
  return losses[at - 1] + part * (losses[at] - losses[at - 1])
}

/** What training at a rate costs, as `lrguide.guide.problems.regret` has it. */
export function regret(puzzle, rate) {
  const lowest = Math.min(...puzzle.losses), here = lossAt(puzzle, rate)
  return { relative: here / lowest - 1, normalised: (here - lowest) / (puzzle.guess - lowest) }
}
