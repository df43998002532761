import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { clock, count, many, rate } from "./format";
import type { Point } from "./types";

const HEIGHT = 220;

/** Rows a second and jobs that wait, over time. */
export function Chart({ points, now, kept }: { points: Point[]; now: number; kept: number }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const [at, setAt] = useState<number | null>(null);
  const dark = useDark();
  useEffect(() => {
    if (!place.current) return;
    const made = new uPlot(options(place.current, setAt), [[], [], []], place.current);
    plot.current = made;
    const resize = new ResizeObserver(([entry]) => entry && made.setSize({ width: entry.contentRect.width, height: HEIGHT }));
    resize.observe(place.current);
    return () => {
      resize.disconnect();
      made.destroy();
    };
  }, [dark]);
  useEffect(() => {
    const column = <N extends 0 | 1 | 2>(n: N) => points.map((point) => point[n]);
    const data: uPlot.AlignedData = [points.map(([at]) => at / 1_000), column(1), column(2)];
    plot.current?.batch(() => {
      plot.current?.setData(data, false);
      plot.current?.setScale("x", { min: (now - kept) / 1_000, max: now / 1_000 });
    });
  }, [points, now, dark]);
  const point = (at === null ? undefined : points[at]) ?? points.at(-1);
  return (
    <div class="chart">
      <p class="legend" aria-hidden="true">
        <span class="rows">Rows per second {point?.[1] == null ? "–" : rate(point[1])}</span>
        <span class="waiting">Jobs waiting {point?.[2] == null ? "–" : count(point[2])}</span>
        <span class="faint">{point && at !== null && `at ${clock(point[0])} UTC`}</span>
      </p>
      <div ref={place} role="img" aria-label={inWords(points)} />
    </div>
  );
}

/** What the picture shows. */
function inWords(points: Point[]): string {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return "Nothing is known yet.";
  const most = (n: 1 | 2) => Math.max(0, ...points.map((point) => point[n] ?? 0));
  return `From ${clock(first[0])} to ${clock(last[0])} UTC: at most ${rate(most(1))} rows per second and ${many(most(2), "job")} waiting.`;
}

function options(place: HTMLElement, setAt: (at: number | null) => void): uPlot.Options {
  const style = getComputedStyle(place);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const font = `12px ${style.fontFamily}`;
  const axis = { stroke: colour("--faint"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  // From nothing to a little above the highest, and never so near that noise looks like news.
  const range = (_: uPlot, __: number, most: number): uPlot.Range.MinMax => [0, Math.max(10, (most ?? 0) * 1.1)];
  const values = (_: uPlot, splits: number[]) => splits.map((value) => short.format(value));
  return {
    width: place.clientWidth,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "Etc/UTC"),
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    hooks: { setCursor: [(plot) => setAt(plot.cursor.idx ?? null)] },
    scales: { x: { time: true }, rows: { range }, waiting: { range } },
    axes: [
      { ...axis, space: 70, size: 28, values: (_, splits) => splits.map((at) => clock(at * 1_000).slice(0, 5)) },
      { ...axis, scale: "rows", values, size: 52 },
      { ...axis, scale: "waiting", values, size: 52, side: 1, grid: { show: false } },
    ],
    series: [
      {},
      { scale: "rows", stroke: colour("--rows"), fill: colour("--rows-fill"), width: 2, points: { show: false } },
      { scale: "waiting", stroke: colour("--waiting"), width: 1.5, dash: [5, 4], points: { show: false } },
    ],
  };
}

const short = new Intl.NumberFormat("en", { notation: "compact" });

/** Whether the dark theme is shown: a canvas does not follow it by itself. */
function useDark(): boolean {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const change = () => setDark(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return dark;
}
