// Votes on their way to the server. One is written to the browser's storage before anything else happens, and leaves
// it when the server says that it is stored: neither a dropped link nor a closed tab loses one.
//
//   const outbox = new Outbox({ storage: localStorage, name: "project/person", send, changed });
//   outbox.add("votes", body);       // body.client_key makes a second arrival a no-op on the server
//   outbox.flush();                  // also called by `add`, by the page's start and by the browser's `online`
//
// `send(path, body)` returns { status, reply }, and throws, or says status 0, where this server was not reached. `changed(outbox)` is
// called after every change of `unsent`, `away` and `signedOut`.

const WAITS = [1000, 2000, 4000, 8000, 15000]; // milliseconds before the next attempt
const LATER = new Set([408, 425, 429]);

// Random in a page without https as well, which has no crypto.randomUUID.
export const clientKey = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
};

export class Outbox {
  constructor({ storage, name, send, changed = () => {}, stored = () => {}, refused = () => {} }) {
    Object.assign(this, { storage, send, changed, stored, refused });
    this.prefix = `truing/${name}/unsent/`;
    this.away = false; // the server was not reached at the last attempt
    this.signedOut = false;
    this.held = []; // entries that the storage had no room for: they last as long as the page
    this.failures = 0;
    this.sending = false;
  }

  entries() {
    const names = Object.keys(this.storage).filter((name) => name.startsWith(this.prefix)).sort();
    const kept = names.map((name) => ({ name, ...JSON.parse(this.storage.getItem(name)) }));
    return [...kept, ...this.held].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  get unsent() { return this.entries().length; }

  add(path, body) {
    const last = this.entries().at(-1);
    const number = last ? Number(last.name.slice(this.prefix.length).split("-")[0]) + 1 : 1;
    const name = `${this.prefix}${String(number).padStart(9, "0")}-${body.client_key}`;
    try {
      this.storage.setItem(name, JSON.stringify({ path, body }));
    } catch { // no room, or storage is off: browsers name it differently
      this.held.push({ name, path, body });
    }
    this.changed(this);
    this.flush();
  }

  // Two tabs of one person take turns, where the browser has locks; without them the server drops what comes twice.
  async flush() {
    if (this.sending) return;
    this.sending = true;
    clearTimeout(this.timer);
    try {
      if (navigator.locks) await navigator.locks.request(this.prefix, () => this.sendAll());
      else await this.sendAll();
    } finally {
      this.sending = false;
    }
    if (this.unsent && !this.away && !this.signedOut) this.flush();
  }

  async sendAll() {
    for (let entry = this.entries()[0]; entry; entry = this.entries()[0]) {
      let answer;
      try {
        answer = await this.send(entry.path, entry.body);
      } catch {
        answer = { status: 0 };
      }
      if (!this.settle(entry, answer)) return;
    }
  }

  // Returns whether the next entry may be sent.
  settle(entry, { status, reply }) {
    const refused = status >= 400 && status < 500 && !LATER.has(status);
    this.signedOut = status === 401 || status === 403;
    this.away = !this.signedOut && !(status >= 200 && status < 300) && !refused;
    if (this.away || this.signedOut) {
      const wait = WAITS[Math.min(this.failures, WAITS.length - 1)];
      this.failures += 1;
      if (this.away) this.timer = setTimeout(() => this.flush(), wait);
      this.changed(this);
      return false;
    }
    this.failures = 0;
    this.storage.removeItem(entry.name);
    this.held = this.held.filter((one) => one.name !== entry.name);
    this.changed(this);
    (refused ? this.refused : this.stored)(entry, reply);
    return true;
  }
}
