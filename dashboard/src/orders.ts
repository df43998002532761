import { useEffect, useRef, useState } from "preact/hooks";
import { order, Refused, undone } from "./api";
import type { Life, Order, Status } from "./types";

/** What is to be done, in words for a button, and for those who are asked whether they mean it. */
export interface Wish {
  /** Names it among those that are under way. */
  key: string;
  order: Order;
  /** As one says it: "restart worker 2 on db-1". */
  words: string;
  /** What it costs, where it costs something: then it is asked for. */
  warning?: string;
  /** The processes that others are to replace. */
  replaces: Life[];
}

export interface Orders {
  /** The wish that the supervisor has not answered yet. */
  asked: Wish | undefined;
  /** The last answer. */
  said: { ok: boolean; text: string } | undefined;
  /** The ids of processes that are to be replaced and are still there. */
  leaving: ReadonlySet<string>;
  give: (wish: Wish) => void;
  /** The answer has been read. */
  close: () => void;
}

/** Orders of this page: one at a time, its answer, and what is not done yet of those before. */
export function useOrders(status: Status | null, again: () => void): Orders {
  const [asked, setAsked] = useState<Wish>();
  const [said, setSaid] = useState<Orders["said"]>();
  const [leaving, setLeaving] = useState<ReadonlySet<string>>(new Set());
  const busy = useRef(false);
  const give = async (wish: Wish) => {
    // State comes with the next drawing, and a second click may come before.
    if (busy.current) return;
    busy.current = true;
    setAsked(wish);
    setSaid(undefined);
    try {
      const { host, message } = await order(wish.order);
      setLeaving((before) => new Set([...before, ...wish.replaces.map(({ id }) => id)]));
      setSaid({ ok: true, text: `${host}: ${message}.` });
    } catch (error) {
      const why = error instanceof Refused ? error.message : "the gateway did not answer; see below whether it was done";
      setSaid({ ok: false, text: `${undone(error)}: ${wish.words}. The reason: ${why}.` });
    } finally {
      busy.current = false;
      setAsked(undefined);
      again();
    }
  };
  useEffect(() => {
    if (!status || leaving.size === 0) return;
    const there = new Set([...status.workers, ...status.gateways].filter(({ alive }) => alive).map(({ id }) => id));
    const left = [...leaving].filter((id) => there.has(id));
    if (left.length === leaving.size) return;
    setLeaving(new Set(left));
    // Behind what was said: it may come in the same moment.
    if (left.length === 0) setSaid((said) => said?.ok ? { ok: true, text: `${said.text} Done.` } : said);
  }, [status, leaving]);
  return { asked, said, leaving, give, close: () => setSaid(undefined) };
}
