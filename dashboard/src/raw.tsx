/** What cannot be seen, or turns the direction of what stands around it, but for the ends of lines. */
const UNSEEN = /((?:[^\P{C}\n\t]|[\p{Zl}\p{Zp}])+)/u;
/** More of them are shown without being marked: each mark costs. */
const MARKED = 1_000;

const escaped = (text: string) => [...text].map((letter) => `\\u{${letter.codePointAt(0)?.toString(16)}}`).join("");

/** A text from elsewhere as it is, with what cannot be seen written out. */
export function Raw({ text, label }: { text: string; label: string }) {
  const parts = text.split(UNSEEN);
  const few = parts.length < 2 * MARKED;
  const shown = parts.map((part, at) => (at % 2 === 0 ? part : few ? <mark key={at}>{escaped(part)}</mark> : escaped(part)));
  return (
    <pre class="raw" dir="ltr" tabIndex={0} role="region" aria-label={label}>
      {few ? shown : shown.join("")}
    </pre>
  );
}
