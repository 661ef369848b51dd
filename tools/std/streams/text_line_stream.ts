/** Turns text in pieces into lines, their ends (LF or CR LF) taken off. */
export class TextLineStream extends TransformStream<string, string> {
  #line = "";

  constructor() {
    super({
      transform: (chunk, controller) => {
        const lines = (this.#line + chunk).split("\n");
        this.#line = lines.pop()!;
        for (const line of lines) controller.enqueue(line.replace(/\r$/, ""));
      },
      flush: (controller) => {
        if (this.#line !== "") controller.enqueue(this.#line);
      },
    });
  }
}
