import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Answer, type Action } from "./action";
import { Button } from "./button";
import { Confirm, Dialog } from "./dialog";

interface Props {
  title: string;
  /** The text's name. */
  label: string;
  job: string;
  hint?: ComponentChildren;
  /** On the button that sends it. */
  verb: string;
  words: string;
  leave: string;
  action: Action;
  work: (job: string) => Promise<string>;
  close: () => void;
}

/** A job's text, to be changed and sent. What was changed and not sent is not lost by a key. */
export function Editor({ title, label, job, hint, verb, words, leave, action, work, close }: Props) {
  const [text, setText] = useState(job);
  const [kept, setKept] = useState(job);
  const [asking, setAsking] = useState(false);
  const form = useId();
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    if (await action.run({ words, work: () => work(text) })) setKept(text);
  };
  const sends = (
    <Button kind="main" form={form} held={action.busy !== undefined} busy={action.busy === words}>
      {verb}
    </Button>
  );
  return (
    <Dialog title={title} close={close} leave={leave} instead={text === kept ? undefined : () => setAsking(true)} actions={sends}>
      <form id={form} onSubmit={send}>
        <label class="edit">
          {label}
          <textarea value={text} rows={10} spellcheck={false} autofocus required aria-describedby={`${form}-hint`} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
      </form>
      <p id={`${form}-hint`} class="hint">
        {hint}
      </p>
      <Answer action={action} />
      {asking && (
        <Confirm title="Discard what you changed?" verb="Discard" leave="Keep editing" danger close={() => setAsking(false)} mean={close}>
          <p>The text as you changed it was not sent, and is nowhere but here.</p>
        </Confirm>
      )}
    </Dialog>
  );
}
