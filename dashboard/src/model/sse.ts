// Server-sent events, read piece by piece (WHATWG HTML §9.2.6).

export interface Message {
  event: string;
  data: string;
}

/** A line or an event beyond this is nothing this API sends. */
const MOST_CHARACTERS = 8 << 20;

export class Reader {
  #rest = "";
  #event = "";
  #data: string[] = [];

  /** The messages that are complete with this piece. */
  push(piece: string): Message[] {
    const messages: Message[] = [];
    this.#rest += piece;
    if (this.#rest.length > MOST_CHARACTERS) throw new Error("an event of the node does not end");
    let begin = 0;
    for (;;) {
      const end = this.#rest.indexOf("\n", begin);
      if (end < 0) break;
      const line = this.#rest.slice(begin, end).replace(/\r$/, "");
      begin = end + 1;
      const message = this.#line(line);
      if (message !== undefined) messages.push(message);
    }
    this.#rest = this.#rest.slice(begin);
    return messages;
  }

  #line(line: string): Message | undefined {
    if (line === "") {
      const message = { event: this.#event === "" ? "message" : this.#event, data: this.#data.join("\n") };
      const isEmpty = this.#data.length === 0;
      this.#event = "";
      this.#data = [];
      return isEmpty ? undefined : message;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    return undefined;
  }
}
