import { clock, day } from "./format";

/** A moment in UTC, as the log has it, with its day where that is not today; and where the pointer rests on it, whole, by
 * the clock of whoever looks. */
export function Time({ at }: { at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={here(at)}>
      {day(at) !== day(Date.now()) && <span>{day(at)}</span>} <span>{clock(at)} UTC</span>
    </time>
  );
}

/** With the zone in which this browser runs: 2026-11-21T13:03:04+01:00. */
function here(at: number): string {
  const minutes = -new Date(at).getTimezoneOffset();
  const two = (number: number) => String(Math.trunc(number)).padStart(2, "0");
  const zone = `${minutes < 0 ? "-" : "+"}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
  return new Date(at + minutes * 60_000).toISOString().slice(0, 19) + zone;
}
