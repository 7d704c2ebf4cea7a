// The schedule explorer. A page asks for it with one element,
//
//   <div class="lr-explorer" data-schedules="linear cosine" data-keep="cosine" data-epochs="25">
//   What is shown without JavaScript.</div>
//
// and lrguide.js then loads this file. The schedules are functions of lrguide; those in data-keep are
// drawn for comparison; data-<field>, as data-steps-per-epoch, sets where a field of FIELDS begins.

import {
  FIELDS, RUN, SCHEDULES, code, evenly, fault, inKeras, neat, numberOf, rates, series, show, uses,
} from "./schedules.js"

const KEPT = 4 // there are five colours
let count = 0

/** Put the instrument into an element. */
export function mount(place) {
  if (place.querySelector(".lr-stage")) return
  const listed = (text = "") => text.split(/\s+/).filter(Boolean)
  const names = listed(place.dataset.schedules), comparing = listed(place.dataset.keep)
  let good = { name: names[0] } // the values of all fields, the last that made a schedule
  for (const name in FIELDS) good[name] = Number(place.dataset[name] ?? FIELDS[name].value)
  complain(good, names.concat(comparing))
  let current = curveOf(good), kept = comparing.map((name) => curveOf({ ...good, name })), frame, timer

  const id = `lr-explorer-${++count}`
  const choices = names.map((name) => html("label", {},
    html("input", { type: "radio", name: id, value: name, change: update }),
    html("span", {}, SCHEDULES[name].label)))
  choices[0].firstChild.checked = true
  const used = Object.keys(FIELDS).filter((field) => names.some((name) => uses(name, field)))
  const fields = used.map(controlOf)
  const stage = html("div", { class: "lr-stage", pointermove: follow, pointerdown: follow })
  const step = html("input", { type: "range", min: 0, value: 0, input: read,
    "aria-label": "Step at which to read the rate" })
  const where = html("p", { class: "lr-where" })
  const legend = html("ul", { class: "lr-legend" })
  const logarithmic = html("input", { type: "checkbox", change: draw })
  const keep = html("button", { type: "button", click: () => draw(kept.push(current)) },
    "Keep this curve to compare")
  const alone = html("input", { type: "checkbox", change: draw }), aloneText = html("span")
  const listing = html("code", { tabindex: 0 })
  const copy = html("button", { type: "button", class: "md-code__button", title: "Copy to clipboard",
    "data-md-type": "copy", "data-clipboard-target": `#${id} > code` }) // Material does the copying
  const spoken = html("p", { class: "lr-spoken", "aria-live": "polite" })
  place.classList.add("lr-instrument")
  place.replaceChildren(html("div", { role: "group", "aria-label": "Schedule explorer" },
    html("fieldset", { class: "lr-choices" }, html("legend", {}, "Schedule"), ...choices),
    stage, step, where, legend,
    html("div", { class: "lr-options" }, html("label", {}, logarithmic, "logarithmic axis"), keep),
    html("div", { class: "lr-fields" }, ...fields.map(({ box }) => box)),
    html("div", { class: "lr-options" }, html("label", {}, alone, aloneText)),
    html("div", { class: "highlight" },
      html("pre", { id }, html("div", { class: "md-code__nav" }, copy), listing)),
    spoken))
  update()
  clearTimeout(timer) // nothing to tell yet
  new ResizeObserver(draw).observe(stage)

  function controlOf(name) {
    const { label } = FIELDS[name], own = `${id}-${name}`
    const note = html("p", { id: `${own}-note`, class: "lr-note" })
    const text = html("input", { id: own, inputmode: "decimal", autocomplete: "off", value: good[name],
      "aria-describedby": note.id, input: update, change: tell })
    const slider = html("input", { type: "range", min: 0, "aria-label": `${label}, slider`, input: () => {
      text.value = stops(name)[slider.value]
      update()
    } })
    const box = html("div", { class: "lr-field" }, html("label", { for: own }, label), slider, text, note)
    return { name, text, slider, note, box, wrong: "" }
  }

  function stops(name) {
    return FIELDS[name].stops.filter((stop) => !fault(name, String(stop), good))
  }

  function update() {
    const v = { ...good, name: place.querySelector(".lr-choices :checked").value }
    for (const field of fields) {
      field.box.hidden = !uses(v.name, field.name)
      field.wrong = field.box.hidden ? "" : fault(field.name, field.text.value, v)
      if (field.wrong) continue
      if (!field.box.hidden) v[field.name] = numberOf(field.text.value)
      note(field)
    }
    if (!fields.some(({ wrong }) => wrong)) {
      good = v
      current = curveOf(v)
      draw()
    }
    clearTimeout(timer)
    timer = setTimeout(tell, 700) // once the reader pauses
  }

  function note({ text, note, wrong }) {
    text.setAttribute("aria-invalid", Boolean(wrong))
    note.textContent = wrong
  }

  function tell() {
    clearTimeout(timer)
    fields.forEach(note)
    spoken.textContent = fields.map(({ wrong }) => wrong).filter(Boolean).join(" ") || current.words
  }

  function draw() {
    const curves = [current, ...kept]
    frame = frameOf(curves, good, stage.clientWidth, logarithmic.checked)
    stage.replaceChildren(frame.picture)
    const named = ({ v, text, run }) => (RUN.every((name) => v[name] === good[name]) ? text : `${text}; ${run}`)
    legend.replaceChildren(...curves.map((curve, i) => html("li", {},
      sample(i), html("span", {}, named(curve)), html("strong"), ...(i ? [remover(curve)] : []))))
    for (const { name, text, slider } of fields.filter(({ box }) => !box.hidden)) {
      const all = stops(name), distances = all.map((stop) => Math.abs(stop - good[name]))
      slider.max = all.length - 1
      slider.value = distances.indexOf(Math.min(...distances))
      slider.disabled = !all.length
      slider.setAttribute("aria-valuetext", text.value)
    }
    keep.disabled = kept.length === KEPT || kept.some(({ words }) => words === current.words)
    alone.disabled = !inKeras(good)
    aloneText.textContent = `without lrguide${alone.disabled ? ": no class of Keras does exactly this" : ""}`
    listing.replaceChildren(...highlighted(code(good, alone.checked && !alone.disabled)))
    step.max = current.rates.length - 1
    read()
  }

  function remover(curve) {
    const remove = () => {
      kept = kept.filter((other) => other !== curve)
      draw()
      keep.focus()
    }
    return html("button", { type: "button", "aria-label": `Remove ${curve.text}`, click: remove }, "×")
  }

  /** Write and mark the rates at the step of the slider. */
  function read() {
    const n = Number(step.value), epoch = n / good.stepsPerEpoch
    const position = `step ${n} (epoch ${Math.floor(epoch)}, step ${n % good.stepsPerEpoch})`
    where.textContent = `Rate during ${position}`
    const found = [current, ...kept].map(({ rates, v }) => rates[Math.floor(neat(epoch * v.stepsPerEpoch))])
    for (const [i, rate] of found.entries()) {
      legend.children[i].querySelector("strong").textContent = rate === undefined ? "ended" : show(rate)
    }
    step.setAttribute("aria-valuetext", `${position}: rate ${show(found[0])}`)
    frame.mark(epoch, found)
  }

  function follow(event) {
    const epoch = frame.epochAt(event.clientX - stage.getBoundingClientRect().left)
    step.value = Math.floor(epoch * good.stepsPerEpoch)
    read()
  }
}

/** A page's own mistakes go to the console, and leave what is shown without JavaScript. */
function complain(values, names) {
  const known = Object.keys(SCHEDULES), unknown = names.filter((name) => !known.includes(name))
  if (unknown.length || !names.length) {
    throw new Error(`data-schedules must name some of ${known}, received "${unknown}"`)
  }
  for (const name of names) {
    const v = { ...values, name }
    for (const field in FIELDS) {
      const wrong = uses(name, field) && fault(field, String(v[field]), v)
      if (wrong) throw new Error(`data-${field}, for ${name}: ${wrong}`)
    }
  }
}

function curveOf(v) {
  const { label, fields } = SCHEDULES[v.name], all = rates(v)
  const told = fields.filter((name) => name !== "warmup" || v.warmup)
  const text = `${label}: ${told.map((name) => `${FIELDS[name].short} ${show(v[name])}`).join(", ")}`
  const run = `${v.epochs} epochs of ${v.stepsPerEpoch} steps`
  const highest = all.reduce((best, rate, n) => (rate > all[best] ? n : best), 0)
  const words = `${text}; ${run}. First rate ${show(all[0])}, last ${show(all.at(-1))}, ` +
    `highest ${show(all[highest])} in epoch ${Math.floor(highest / v.stepsPerEpoch)}.`
  return { v, rates: all, text, run, words }
}

/** The picture of the curves, and what is needed to mark a step in it. */
function frameOf(curves, { epochs }, space, logarithmic) {
  const width = Math.max(space, 240), height = width < 500 ? 220 : 290
  const left = 52, right = width - 8, top = 26, bottom = height - 34
  const shown = curves.map(({ rates, v }) => ({ rates: rates.subarray(0, epochs * v.stepsPerEpoch), v }))
  const axis = verticalAxis(shown, logarithmic)
  const x = (epoch) => left + ((right - left) * epoch) / epochs
  const y = (rate) => bottom - (bottom - top) * axis.height(rate)
  const text = (x, y, anchor, words) => svg("text", { x, y, "text-anchor": anchor }, words)
  const marker = svg("g", { class: "lr-marker" })
  const words = curves.map((curve, i) => (i ? `For comparison, ${curve.words}` : curve.words)).join(" ")
  const size = { viewBox: `0 0 ${width} ${height}`, width, height }
  const picture = svg("svg", { ...size, role: "img", "aria-label": words },
    ...axis.ticks.map((tick) => svg("path", { class: "lr-grid", d: `M${left} ${y(tick)}H${right}` })),
    ...axis.ticks.map((tick) => text(left - 6, y(tick) + 4, "end", show(tick))),
    ...evenly(epochs, width / 80, 1).map((tick) => text(x(tick), bottom + 17, "middle", show(tick))),
    text(0, 12, "start", "learning rate"), text(right, height - 2, "end", "epoch"),
    svg("path", { class: "lr-axes", d: `M${left} ${top}V${bottom}H${right}` }),
    ...shown.map((curve, i) => svg("path", { class: `lr-curve lr-${i}`, d: pathOf(curve, x, y) })).reverse(),
    marker)
  const mark = (epoch, found) => {
    const dots = found.map((rate, i) => svg("circle", { class: `lr-${i}`, cx: x(epoch), cy: y(rate), r: 4 }))
    marker.replaceChildren(svg("path", { d: `M${x(epoch)} ${top}V${bottom}` }),
      ...dots.filter((_, i) => found[i] !== undefined).reverse())
  }
  return { picture, mark, epochAt: (px) => ((px - left) / (right - left)) * epochs }
}

/** The ticks, and how high, from 0 to 1, a rate lies. */
function verticalAxis(curves, logarithmic) {
  let high = 0, low = Infinity
  for (const { rates } of curves) {
    for (const rate of rates) {
      if (rate > high) high = rate
      if (rate > 0 && rate < low) low = rate
    }
  }
  if (!logarithmic) return { ticks: evenly(high, 5), height: (rate) => rate / (high * 1.06) }
  low = Math.max(low, high / 1e6) / 1.3 // what is lower still, as 0 is, runs along the bottom
  high *= 1.3
  const digits = high / low < 100 ? [1, 2, 5] : [1]
  const ticks = series(digits, Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)))
  const height = (rate) => Math.max(Math.log(rate / low) / Math.log(high / low), 0)
  return { ticks: ticks.filter((tick) => tick > low && tick < high), height }
}

/** Stairs where there are few steps; where there are many, the outermost of each pixel's. */
function pathOf({ rates, v }, x, y) {
  const across = (n) => x(n / v.stepsPerEpoch).toFixed(1), up = (n) => y(rates[n]).toFixed(1)
  if (rates.length < 200) {
    return `M${across(0)} ${up(0)}${Array.from(rates, (_, n) => `V${up(n)}H${across(n + 1)}`).join("")}`
  }
  const points = [], pixel = (n) => Math.floor(x(n / v.stepsPerEpoch))
  for (let first = 0, next; first < rates.length; first = next) {
    let lowest = first, highest = first
    for (next = first + 1; next < rates.length && pixel(next) === pixel(first); next++) {
      if (rates[next] < rates[lowest]) lowest = next
      if (rates[next] > rates[highest]) highest = next
    }
    points.push(...new Set([first, lowest, highest, next - 1].sort((a, b) => a - b)))
  }
  return `M${points.map((n) => `${across(n)} ${up(n)}`).join("L")}`
}

const sample = (i) => svg("svg", { viewBox: "0 0 28 8", width: 28, height: 8, "aria-hidden": "true" },
  svg("path", { class: `lr-curve lr-${i}`, d: "M0 4H28" }))

function highlighted(python) {
  const parts = python.split(/(\bimport\b|\b\d[\w.]*(?:(?<=e)-\d+)?)/) // words to colour are the odd ones
  return parts.map((part, i) => (i % 2 ? html("span", { class: part === "import" ? "kn" : "mf" }, part) : part))
}

function build(namespace, tag, attributes = {}, ...children) {
  const element = document.createElementNS(namespace, tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value)
    else element.setAttribute(name, value)
  }
  element.append(...children)
  return element
}
export const html = (...given) => build("http://www.w3.org/1999/xhtml", ...given)
export const svg = (...given) => build("http://www.w3.org/2000/svg", ...given)
