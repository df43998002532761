/** What is used of a socket.io client's socket, of version 3 or later. */
export interface SocketLike {
  readonly connected: boolean;
  // `any`, because sockets whose events are typed have listeners of those types.
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  emit(event: string, ...args: unknown[]): unknown;
}

/** A row, as its event has it. */
export interface RowEvent<Row = Record<string, unknown>> {
  /** The table. */
  table: string;
  /** The row's id; a string of digits where JavaScript's numbers would round it. */
  id: number | string;
  /** The columns; null for a row that is too large to be sent. */
  row: Row | null;
}

export interface Options<Row = Record<string, unknown>> {
  /** All rows up to this id are here already. Without it, or with "now", rows are wanted from now on. */
  since?: string | number | bigint | null | undefined;
  /** Rows come in bundles, at most so often: milliseconds from 0 to 10000. 50 without it. */
  everyMs?: number | undefined;
  /** Takes each row, once. */
  onRow: (row: RowEvent<Row>) => void;
  /** All that was missed is here, after each connect: `replayed` rows were given meanwhile. From now on rows are live. */
  onLive?: ((caughtUp: { replayed: number }) => void) | undefined;
  /** Hears of what cannot be done, and of what the other functions throw. Without it the console does. */
  onError?: ((error: FollowError) => void) | undefined;
}

export interface Following {
  /** All rows up to this id were given: the `since` of the next time. Undefined before the gateway's first mark. */
  readonly since: string | undefined;
  /** Follows the room no more. */
  close(): void;
}

/** Why a room is not followed, with the gateway's code; or, with the code `callback`, what one of yours has thrown. */
export class FollowError extends Error {
  constructor(
    readonly code: string,
    readonly room: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "FollowError";
  }
}
