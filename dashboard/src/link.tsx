import { clock, many } from "./format";
import type { Link as State } from "./stream";
import { Dot } from "./table";

/** Whether rows come, and how many were made up for after a cut. */
export function Link({ link, fetched }: { link: State; fetched: number | undefined }) {
  return (
    <p class="link" role="status">
      {link.state === "connecting" && <Dot kind="idle">connecting</Dot>}
      {link.state === "live" && <Dot kind="good">live</Dot>}
      {link.state === "cut" && <Dot kind="bad">{`cut off since ${clock(link.since)} UTC (${link.why}); trying again`}</Dot>}
      {link.state === "refused" && <Dot kind="bad">{`refused: ${link.why}`}</Dot>}
      {link.state === "live" && link.uncaught && <span class="faint"> What a cut makes miss is not fetched: {link.uncaught}.</span>}
      {link.state === "live" && fetched !== undefined && (
        <span class="faint"> {many(fetched, "row was", "rows were")} fetched after the cut</span>
      )}
    </p>
  );
}
