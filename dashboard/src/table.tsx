import type { ComponentChildren } from "preact";

export interface Column<L> {
  title: string;
  number?: boolean;
  cell: (line: L) => ComponentChildren;
}

interface Props<L> {
  label: string;
  columns: Column<L>[];
  lines: L[];
  id: (line: L) => string;
  empty: string;
}

/** A table; on a narrow screen each line is a card with the columns' titles in it. */
export function Table<L>({ label, columns, lines, id, empty }: Props<L>) {
  if (lines.length === 0) return <p class="empty">{words(empty)}</p>;
  return (
    <div class="table">
      <table aria-label={label}>
        <thead>
          <tr>
            {columns.map(({ title, number }) => (
              <th key={title} scope="col" class={number ? "number" : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={id(line)}>
              {columns.map(({ title, number, cell }) => (
                <td key={title} class={number ? "number" : undefined} data-title={title}>
                  <span>{cell(line)}</span>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Text in which what one types stands between backquotes. */
export const words = (text: string) => text.split("`").map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part));

/** A state: in words, with a dot whose colour says the same. */
export function Dot({ kind, children }: { kind: "good" | "bad" | "idle"; children: ComponentChildren }) {
  return <span class={`state ${kind}`}>{children}</span>;
}
