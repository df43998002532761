import { useEffect, useRef, useState } from "preact/hooks";
import { counted, inWords } from "./api";
import type { Cursor, Group, Queue } from "./types";

/** So many letters are counted without being asked for; and as many more whenever somebody asks. */
const AT_ONCE = 50_000;
/** Up to so many they are counted anew by themselves when their number changes. */
const BY_ITSELF = 5_000;

export interface Count {
  groups: Group[];
  /** How many letters were counted so far. */
  looked: number;
  state: "counting" | "counted" | "partly";
  why?: string;
}

export interface Counting extends Count {
  again: () => void;
  /** When something was done: anew, where there are few enough to count them by itself. */
  soon: () => void;
  more: () => void;
  /** Their number is another one by now. */
  stale: boolean;
}

interface Work {
  groups: Map<string, Group>;
  looked: number;
  /** Queues that are still to be counted, the first one from its cursor on. */
  left: { queue: string; cursor?: Cursor }[];
}

export const keyOf = ({ queue, code, column, reason }: Group) => JSON.stringify([queue, code, column, reason]);

/** What the dead letters of these queues died of. */
export function useGroups(queues: Queue[]): Counting {
  const [count, setCount] = useState<Count>({ groups: [], looked: 0, state: "counting" });
  const run = useRef(0);
  const work = useRef<Work>({ groups: new Map(), looked: 0, left: [] });
  const numbers = JSON.stringify(queues.map(({ queue, dead_letters }) => [queue, dead_letters]));
  const [of, setOf] = useState("");
  const total = queues.reduce((sum, queue) => sum + queue.dead_letters, 0);

  const go = async (until: number) => {
    const mine = (run.current += 1);
    const now = work.current;
    const publish = (state: Count["state"], why?: string) => {
      const groups = [...now.groups.values()].sort((one, other) => other.count - one.count);
      setCount({ groups, looked: now.looked, state, ...(why ? { why } : {}) });
    };
    try {
      while (now.left[0] && now.looked < until) {
        const [{ queue, cursor }] = now.left as [Work["left"][0]];
        const answer = await counted(queue, cursor);
        if (mine !== run.current) return;
        answer.groups.forEach((group) => add(now.groups, group));
        now.looked += answer.looked;
        if (answer.left > 0 && answer.looked > 0) now.left[0] = { queue, cursor: { skip: answer.skip, left: answer.left } };
        else now.left.shift();
        // What was counted before stays until something is to be seen.
        if (now.looked > BY_ITSELF) publish("counting");
      }
      publish(now.left.length > 0 ? "partly" : "counted");
    } catch (error) {
      if (mine === run.current) publish("partly", inWords(error));
    }
  };
  const again = () => {
    setOf(numbers);
    work.current = { groups: new Map(), looked: 0, left: queues.filter(countable).map(({ queue }) => ({ queue })) };
    void go(AT_ONCE);
  };
  useEffect(() => {
    if (of === "" || total <= BY_ITSELF) again();
  }, [numbers]);
  useEffect(() => () => void (run.current += 1), []);
  const soon = () => total <= BY_ITSELF && again();
  return { ...count, again, soon, more: () => void go(work.current.looked + AT_ONCE), stale: of !== numbers };
}

const countable = (queue: Queue) => !queue.problem && queue.dead_letters > 0;

function add(groups: Map<string, Group>, group: Group) {
  const key = keyOf(group);
  const known = groups.get(key);
  // The oldest letters come first.
  groups.set(key, known ? { ...known, count: known.count + group.count, newest: group.newest } : group);
}
