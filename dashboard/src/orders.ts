import { useEffect, useRef, useState } from "preact/hooks";
import type { Doable } from "./act";
import type { Action } from "./action";
import { order } from "./api";
import type { Life, Order, Status } from "./types";

/** What a supervisor is to do. */
export interface Wish extends Omit<Doable, "work"> {
  order: Order;
  /** The processes that others are to replace. */
  replaces: Life[];
}

export interface Orders {
  action: Action;
  /** The ids of processes that are to be replaced and are still there. */
  leaving: ReadonlySet<string>;
  /** The wish, as something that can be done. */
  deed: (wish: Wish) => Doable;
}

/** Orders of this page, and what is not done yet of those that a supervisor has taken. */
export function useOrders(status: Status | null, action: Action): Orders {
  const [leaving, setLeaving] = useState<ReadonlySet<string>>(new Set());
  const answer = useRef("");
  const deed = ({ order: wanted, replaces, ...wish }: Wish): Doable => {
    const work = async () => {
      const { host, message } = await order(wanted);
      setLeaving((before) => new Set([...before, ...replaces.map(({ id }) => id)]));
      return (answer.current = `${host}: ${message}.`);
    };
    return { ...wish, work };
  };
  useEffect(() => {
    if (!status || leaving.size === 0) return;
    const there = new Set([...status.workers, ...status.gateways].filter(({ alive }) => alive).map(({ id }) => id));
    const left = [...leaving].filter((id) => there.has(id));
    if (left.length === leaving.size) return;
    setLeaving(new Set(left));
    // Something else may have been done since.
    if (left.length === 0) action.add(answer.current, "Done.");
  }, [status, leaving]);
  return { action, leaving, deed };
}
