import { useEffect, useRef, useState } from "preact/hooks";
import { Refused, told } from "./api";
import type { Point, Status, Told } from "./types";

/** What Redis told, and when. */
export interface Read {
  status: Status;
  at: number;
}

/** What is known: the newest answer, with all points that came; and why there is no newer one. */
export interface Known {
  told: Told | undefined;
  /** Of the newest answer that had it: a gateway that was just started has not read it yet. */
  read: Read | undefined;
  /** It does not answer, since this time of this machine. */
  silent: { since: number; why: string } | undefined;
  /** It wants to know who asks, or will not answer this machine at all. */
  refused: Refused | undefined;
}

const AGAIN = 2_000;

/** Asks again and again, as long as the page is to be seen; `again` asks at once. */
export function useWatch(): Known & { again: () => void } {
  const [known, setKnown] = useState<Known>({ told: undefined, read: undefined, silent: undefined, refused: undefined });
  const asker = useRef<() => void>(() => {});
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let latest = 0;
    let points: Point[] = [];
    const ask = async () => {
      clearTimeout(timer);
      const mine = ++latest;
      try {
        const answer = await told(points.at(-1)?.[0] ?? 0);
        if (mine !== latest) return;
        points = joined(points, answer);
        const newest = { ...answer, points };
        setKnown(({ read }) => ({ told: newest, read: readIn(answer) ?? read, silent: undefined, refused: undefined }));
      } catch (error) {
        if (mine !== latest) return;
        if (error instanceof Refused && error.status < 500) {
          points = [];
          // Nobody who may not look goes on looking.
          setKnown({ told: undefined, read: undefined, silent: undefined, refused: error });
          return;
        }
        const why = error instanceof Refused ? error.message : "it cannot be reached";
        setKnown((known) => ({ ...known, silent: { since: known.silent?.since ?? Date.now(), why } }));
      }
      if (!document.hidden) timer = setTimeout(ask, AGAIN);
    };
    asker.current = () => void ask();
    const seen = () => {
      if (!document.hidden) void ask();
    };
    document.addEventListener("visibilitychange", seen);
    void ask();
    return () => {
      latest += 1;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, []);
  return { ...known, again: () => asker.current() };
}

const readIn = ({ status, read_at: at }: Told): Read | undefined => (status && at != null ? { status, at } : undefined);

/** The points that are kept, and those that are new. A gateway that was replaced knows fewer than this page. */
function joined(before: Point[], { points, now, kept_ms }: Told): Point[] {
  const first = points[0]?.[0] ?? Infinity;
  return before.filter(([at]) => at < first && at >= now - kept_ms && at <= now).concat(points);
}
