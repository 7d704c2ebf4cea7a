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

// The curves are fetched, which no page opened from a folder may do.
document$.subscribe(() => {
  const atlas = document.querySelectorAll(".lr-atlas"), games = document.querySelectorAll(".lr-game")
  if (!(atlas.length + games.length) || location.protocol === "file:") return
  import(`${assets}curves.js`).then(({ mount, play }) => {
    atlas.forEach(mount)
    games.forEach(play)
  })
})

document$.subscribe(() => {
  const places = document.querySelectorAll(".lr-why")
  if (!places.length || location.protocol === "file:") return
  import(`${assets}why.js`).then(({ mount }) => places.forEach(mount))
})

// The package lies where the page came from, which the build knows only of its own address.
const site = new URL("..", assets)
document$.subscribe(() => {
  document.querySelectorAll(".lr-install code").forEach((code) => {
    code.textContent = code.textContent.replace(/\S*\/(?=\S+\.whl)/, site)
  })
  document.querySelectorAll(".lr-save").forEach((words) => words.remove())
  if (location.protocol === "file:") return // whose files no script may read
  document.querySelectorAll("a[download][href$='.ipynb']").forEach((link) => {
    link.addEventListener("click", async (event) => {
      if (link.href.startsWith("blob:")) return
      event.preventDefault()
      const notebook = await (await fetch(link.href)).text()
      const cell = notebook.replace(/GUIDE = \\"[^"\\]*\\"/, `GUIDE = \\"${site}\\"`)
      link.download = link.href.replace(/.*\//, "")
      link.href = URL.createObjectURL(new Blob([cell], { type: "application/x-ipynb+json" }))
      link.click()
    })
  })
})
