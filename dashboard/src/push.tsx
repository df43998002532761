import { useAction } from "./action";
import { tell } from "./api";
import { Editor } from "./editor";
import type { Queue } from "./types";

interface Props {
  queue: Queue;
  /** A job to begin with; none where this gateway has no route with the queue. */
  sample: string | undefined;
  close: () => void;
  /** After each that was pushed, or was not. */
  after: () => void;
}

/** A job by hand. */
export function Push({ queue, sample, close, after }: Props) {
  const action = useAction(after);
  const push = async (job: string) => {
    await tell(queue.queue, { push: job });
    return `The job is in ${queue.queue}. ${fate(queue)}`;
  };
  return (
    <Editor
      title={`Push a job to ${queue.queue}`}
      label="The job"
      job={sample ?? "{}"}
      hint={`A JSON object, or an array of objects. It becomes a row like any other job, and browsers hear of it.${sample === "{}" ? " Its keys are matched to columns of the same name." : ""}`}
      verb="Push"
      words={`push the job to ${queue.queue}`}
      leave="Close"
      action={action}
      work={push}
      close={close}
    />
  );
}

/** What is to be expected of it. */
function fate({ paused, workers }: Queue): string {
  if (paused) return "It waits there until the queue is resumed.";
  if (workers === 0) return "It waits there: no worker takes jobs from this queue.";
  return "A worker takes it, and makes it a row or, with the reason, a dead letter.";
}
