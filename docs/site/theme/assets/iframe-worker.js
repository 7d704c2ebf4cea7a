// A page opened from a folder may start no worker. There the theme's search runs in a hidden frame
// instead, under the name by which the theme knows such a thing.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(script) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.answer = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      frame.srcdoc = `<script>postMessage = (data) => frameElement.answer(data)</script>
        <script src="${new URL(script, location)}"></script>`
      this.inside = new Promise((resolve) => (frame.onload = () => resolve(frame.contentWindow)))
      document.body.append(frame)
    }

    postMessage(data) {
      this.inside.then((inside) => inside.dispatchEvent(new MessageEvent("message", { data })))
    }
  }
}
