/**
 * Follows the rows of a room of a rowcast gateway.
 *
 * Each row is given once, also when the connection is lost and comes back, or the gateway or Redis is away meanwhile.
 * What the page has is kept as an id, `since`; after a reload of the page it goes on from there.
 */

import { Follower } from "./follower.js";
import type { Following, Options, SocketLike } from "./types.js";

export { FollowError, type Following, type Options, type RowEvent, type SocketLike } from "./types.js";

/** The rooms that are followed, by socket: the gateway knows one subscription for each. */
const followed = new WeakMap<SocketLike, Set<string>>();

/**
 * Gives the rows of a room, each once, until it is closed.
 *
 * @throws When the room is followed on this socket already, or `since` is no id.
 */
export function rows<Row = Record<string, unknown>>(
  socket: SocketLike,
  room: string,
  options: Options<Row>,
): Following {
  const rooms = followed.get(socket) ?? new Set();
  if (rooms.has(room)) throw new Error(`room ${room} is followed on this socket already; close that first`);
  const follower = new Follower(socket, room, options, () => rooms.delete(room));
  followed.set(socket, rooms.add(room));
  return follower;
}
