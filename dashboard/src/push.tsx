import { useState } from "preact/hooks";
import { Answer, useAction } from "./action";
import { tell } from "./api";
import { Dialog } from "./dialog";

/** A job by hand. */
export function Push({ queue, sample, close }: { queue: string; sample: string; close: () => void }) {
  const action = useAction();
  const [job, setJob] = useState(sample);
  const push = (event: SubmitEvent) => {
    event.preventDefault();
    void action.run(() => tell(queue, { push: job }));
  };
  return (
    <Dialog title={`Push a job to ${queue}`} close={close}>
      <form onSubmit={push}>
        <label class="edit">
          The job
          <textarea value={job} rows={8} spellcheck={false} autofocus required aria-describedby="about-job" onInput={(event) => setJob(event.currentTarget.value)} />
        </label>
        <p id="about-job" class="hint">
          A JSON object, or an array of objects. It becomes a row like any other job, and browsers hear of it.
          {sample === "{}" && " Its keys are matched to columns of the same name."}
        </p>
        <Answer action={action} busy="Pushing it…" />
        <div class="bar end">
          <button type="submit" disabled={action.busy}>
            Push
          </button>
          <button type="button" class="quiet" onClick={close}>
            Close
          </button>
        </div>
      </form>
    </Dialog>
  );
}
