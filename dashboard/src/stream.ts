import { io, type Socket } from "socket.io-client";
import { rows, type Following, type FollowError, type RowEvent } from "@rowcast/client";

/** So many rows are kept, the newest ones. */
export const KEPT = 1_000;
/** Rows come in bundles, at most so often. */
const EVERY_MS = 100;

export interface Line extends RowEvent {
  /** All of it as text, in small letters, for the filter. */
  text?: string;
}

export type Link =
  | { state: "connecting" }
  /** Why nothing is made up for after a cut, where it is not. */
  | { state: "live"; uncaught?: string }
  | { state: "cut"; since: number; why: string }
  | { state: "refused"; why: string };

/** The rows of one room as they come. Whoever shows them looks when it has the time: nothing is called for each row. */
export class Stream {
  link: Link = { state: "connecting" };
  /** How many rows came, ever. */
  came = 0;
  /** How many rows were fetched after the connection was cut the last time; undefined before. */
  fetched: number | undefined;
  #rows: Line[] = [];
  #socket: Socket;
  #following: Following;
  #live = false;

  constructor(namespace: string, room: string, token: string) {
    this.#socket = io(namespace, { transports: ["websocket"], forceNew: true, ...(token ? { auth: { token } } : {}) });
    this.#socket.on("disconnect", (why) => this.#cut(why));
    this.#socket.on("connect_error", ({ message }) => this.#failed(message));
    this.#following = rows(this.#socket, room, {
      everyMs: EVERY_MS,
      onRow: (row) => this.#take(row),
      onLive: ({ replayed }) => this.#caughtUp(replayed),
      onError: (error) => this.#refused(room, error),
    });
  }

  /** The newest rows, the newest one first. */
  newest(): Line[] {
    return this.#rows.slice(-KEPT).reverse();
  }

  close(): void {
    this.#following.close();
    this.#socket.close();
  }

  #take(row: RowEvent): void {
    this.came += 1;
    this.#rows.push(row);
    // Seldom, because it moves all that stay.
    if (this.#rows.length >= 4 * KEPT) this.#rows = this.#rows.slice(-KEPT);
  }

  #caughtUp(replayed: number): void {
    if (this.#live) this.fetched = replayed;
    this.#live = true;
    this.link = { state: "live" };
  }

  #refused(room: string, { code, message }: FollowError): void {
    if (code === "cannot_catch_up") this.#withoutCatchingUp(room, message);
    else this.link = { state: "refused", why: message };
  }

  /** The rows of now, as they come, where those that were missed cannot be read back. */
  #withoutCatchingUp(room: string, why: string): void {
    this.#following.close();
    const subscribe = () =>
      this.#socket.emit("subscribe", { room, every_ms: EVERY_MS }, (answer: { ok: boolean; message?: string }) => {
        this.link = answer.ok ? { state: "live", uncaught: why } : { state: "refused", why: answer.message ?? "" };
      });
    this.#socket.on("rows", (bundle: { rows: RowEvent[] }) => bundle.rows.forEach((row) => this.#take(row)));
    this.#socket.on("connect", subscribe);
    subscribe();
  }

  #cut(why: string): void {
    this.link = { state: "cut", since: Date.now(), why };
  }

  #failed(why: string): void {
    // The client tries again after an error of the connection; a gateway that says no means it.
    if (!this.#socket.active) this.link = { state: "refused", why };
    else if (this.link.state !== "cut") this.#cut(why);
  }
}

/** Whether a row holds this text, whichever letters are large. */
export function holds(line: Line, text: string): boolean {
  line.text ??= JSON.stringify([line.id, line.row]).toLowerCase();
  return line.text.includes(text);
}
