import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Line } from "./stream";

/** Each line is so high; the style sheet says the same. */
const LINE = 34;
/** Lines beyond the edge, so that scrolling shows no hole. */
const MORE = 8;
/** Of a row with more columns the others are in its detail. */
const COLUMNS = 12;

/** The lines that are to be seen, of many: the page holds no more than those. */
export function Virtual({ lines, choose }: { lines: Line[]; choose: (line: Line) => void }) {
  const place = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useLayoutEffect(() => {
    if (!place.current) return;
    const resize = new ResizeObserver(([entry]) => entry && setHeight(entry.contentRect.height));
    resize.observe(place.current);
    return () => resize.disconnect();
  }, []);
  const from = Math.max(0, Math.min(Math.floor(top / LINE) - MORE, lines.length - 1));
  const to = Math.min(lines.length, Math.ceil((top + height) / LINE) + MORE);
  const columns = columnsOf(lines);
  return (
    <div class="live" ref={place} onScroll={(event) => setTop(event.currentTarget.scrollTop)} tabIndex={0} role="region" aria-label="Rows, the newest first">
      <table aria-rowcount={lines.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">id</th>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap lines={from} columns={columns.length + 1} />
          {lines.slice(from, to).map((line, at) => (
            <tr key={`${line.table} ${line.id}`} aria-rowindex={from + at + 2} onClick={() => choose(line)}>
              <td>
                <button type="button" class="quiet id" aria-label={`Row ${line.id}`}>
                  {line.id}
                </button>
              </td>
              {columns.map((column) => (
                <td key={column}>{text(line.row?.[column])}</td>
              ))}
            </tr>
          ))}
          <Gap lines={lines.length - to} columns={columns.length + 1} />
        </tbody>
      </table>
    </div>
  );
}

/** The place of lines that are not there. */
function Gap({ lines, columns }: { lines: number; columns: number }) {
  if (lines <= 0) return null;
  return (
    <tr aria-hidden="true" class="gap">
      <td colSpan={columns} style={{ height: `${lines * LINE}px` }} />
    </tr>
  );
}

/** The columns of the newest rows: those of one route are the same, but for those that a job left out. */
function columnsOf(lines: Line[]): string[] {
  const names = new Set<string>();
  for (const { row } of lines.slice(0, 50)) for (const name of Object.keys(row ?? {})) names.add(name);
  names.delete("id");
  return [...names].slice(0, COLUMNS);
}

function text(value: unknown): string {
  if (value === null) return "NULL";
  if (value === undefined) return "";
  return (typeof value === "string" ? value : JSON.stringify(value)).slice(0, 200);
}
