const assets = document.currentScript.src.replace(/[^/]*$/, "")

// What Material leaves unnamed for a screen reader or out of a keyboard's reach.
document$.subscribe(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search")
  document.querySelectorAll(".md-code__nav").forEach((nav, i) => nav.setAttribute("aria-label", `Code block ${i + 1}`))
  document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code").forEach((box) => (box.tabIndex = 0))
})

document$.subscribe(() => {
  const places = document.querySelectorAll(".lr-explorer")
  if (!places.length) return
  const explorer = window.lrExplorer ?? import(`${assets}explorer.js`) // the former in a folder
  Promise.resolve(explorer).then(({ mount }) => places.forEach(mount))
})
