// A page opened from a folder may start no worker. There the theme's search runs in a hidden frame
// instead, under the name by which the theme knows such a thing.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(script) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      this.inside = new Promise((resolve) => (frame.onload = () => {
        const inside = frame.contentWindow
        inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
        const code = inside.document.createElement("script")
        code.src = new URL(script, location)
        code.onload = () => resolve(inside)
        inside.document.body.append(code)
      }))
      document.body.append(frame)
    }

    postMessage(data) {
      this.inside.then((inside) => inside.dispatchEvent(new MessageEvent("message", { data })))
    }
  }
}
