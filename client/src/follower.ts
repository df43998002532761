import { Ledger } from "./ledger.js";
import { FollowError, type Following, type Options, type RowEvent, type SocketLike } from "./types.js";

type Answer = { ok: true } | { ok: false; code: string; message: string };

/** Between two attempts, in milliseconds, when the gateway says that it cannot do it yet. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 10_000;

/** One room on one socket: subscribes on each connect, from the last mark on. */
export class Follower<Row> implements Following {
  #ledger: Ledger<RowEvent<Row>>;
  /** Counts up, so that a late answer tells that it is one to an attempt before. */
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The refusal that was told last. */
  #refused: string | undefined;
  #live = false;
  #replayed = 0;
  #closed = false;

  constructor(
    private readonly socket: SocketLike,
    private readonly room: string,
    private readonly options: Options<Row>,
    private readonly closed: () => void,
  ) {
    const { since } = options;
    this.#ledger = new Ledger(since == null || since === "now" ? undefined : BigInt(since));
    socket.on("rows", this.#rows);
    socket.on("mark", this.#mark);
    socket.on("connect", this.#connect);
    if (socket.connected) this.#connect();
  }

  get since(): string | undefined {
    return this.#ledger.mark?.toString();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.socket.off("rows", this.#rows);
    this.socket.off("mark", this.#mark);
    this.socket.off("connect", this.#connect);
    if (this.socket.connected) this.socket.emit("unsubscribe", this.room);
    this.closed();
  }

  #connect = () => this.#subscribe(FIRST_PAUSE);

  #subscribe(pause: number): void {
    clearTimeout(this.#timer);
    const attempt = ++this.#attempt;
    this.#live = false;
    this.#replayed = 0;
    const wanted = { room: this.room, since: this.since ?? "now", every_ms: this.options.everyMs ?? 50 };
    this.socket.emit("subscribe", wanted, (answer: Answer) => {
      if (attempt === this.#attempt) this.#answer(answer, pause);
    });
  }

  #answer(answer: Answer, pause: number): void {
    if (answer.ok) {
      this.#refused = undefined;
    } else if (answer.code === "unavailable") {
      const again = () => this.socket.connected && this.#subscribe(Math.min(2 * pause, LONGEST_PAUSE));
      this.#timer = setTimeout(again, pause * (0.5 + Math.random()));
    } else if (answer.code !== this.#refused) {
      // It is asked again after the next connect, and told when the answer is another one.
      this.#refused = answer.code;
      this.#report(new FollowError(answer.code, this.room, answer.message));
    }
  }

  #rows = (bundle: { room: string; rows: RowEvent<Row>[] }) => {
    if (bundle.room !== this.room) return;
    for (const row of bundle.rows) if (this.#ledger.take(BigInt(row.id), row)) this.#give(row);
  };

  #mark = (mark: { room: string; since: string; live: boolean }) => {
    if (mark.room !== this.room) return;
    this.#ledger.advance(BigInt(mark.since)).forEach((row) => this.#give(row));
    if (!mark.live || this.#live) return;
    this.#live = true;
    this.#call(() => this.options.onLive?.({ replayed: this.#replayed }));
  };

  #give(row: RowEvent<Row>): void {
    this.#replayed += 1;
    this.#call(() => this.options.onRow(row));
  }

  /** Whatever a callback does, the rows behind it come. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (cause) {
      this.#report(new FollowError("callback", this.room, `a callback has thrown: ${String(cause)}`, { cause }));
    }
  }

  #report(error: FollowError): void {
    try {
      (this.options.onError ?? console.error)(error);
    } catch (thrown) {
      console.error(thrown);
    }
  }
}
