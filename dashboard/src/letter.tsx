import { useEffect, useRef, useState } from "preact/hooks";
import { Answer, useAction } from "./action";
import { decide, inWords, jobAddress, nextLetter } from "./api";
import { Dialog, focus } from "./dialog";
import { count, moment } from "./format";
import { Raw } from "./raw";
import type { Fate, Group, Letter } from "./types";

/** Others may have taken older letters since the group was counted: so much sooner it is looked for. */
const BEFORE = 5_000;

/** The letters of a group, one at a time. */
export function OneLetter({ group, mayAct, close }: { group: Group; mayAct: boolean; close: () => void }) {
  const [letter, setLetter] = useState<Letter | null>();
  const [problem, setProblem] = useState<string>();
  const latest = useRef(0);
  const { queue, code, column, reason } = group;
  const look = async (skip: number) => {
    const mine = (latest.current += 1);
    setLetter(undefined);
    setProblem(undefined);
    try {
      for (;;) {
        const found = await nextLetter({ queue, code, column, reason }, skip);
        if (mine !== latest.current) return;
        if (found.letter || found.left === 0) return setLetter(found.letter);
        skip = found.skip;
      }
    } catch (error) {
      if (mine === latest.current) setProblem(inWords(error));
    }
  };
  useEffect(() => {
    void look(Math.max(0, group.place - BEFORE));
    return () => void (latest.current += 1);
  }, []);
  // A letter that was taken leaves its place to the next one.
  const next = (taken: boolean) => letter && void look(letter.place + (taken ? 0 : 1));
  return (
    <Dialog title="Dead letter" close={close}>
      {letter === undefined && !problem && <p role="status">Looking for it…</p>}
      {problem && (
        <p role="alert" class="problem">
          It cannot be shown: {problem}.
        </p>
      )}
      {letter === null && <p role="status">There is no further letter of this group.</p>}
      {letter && <Shown key={letter.id ?? letter.place} letter={letter} queue={queue} mayAct={mayAct} next={next} close={close} />}
      {!letter && (
        <div class="bar end">
          <button type="button" class="quiet" onClick={close}>
            Close
          </button>
        </div>
      )}
    </Dialog>
  );
}

interface ShownProps {
  letter: Letter;
  queue: string;
  mayAct: boolean;
  next: (taken: boolean) => void;
  close: () => void;
}

function Shown({ letter, queue, mayAct, next, close }: ShownProps) {
  const action = useAction();
  const onward = useRef<HTMLButtonElement>(null);
  const [edit, setEdit] = useState<string>();
  const [sure, setSure] = useState(false);
  const { id, place } = letter;
  const taken = action.said?.good ?? false;
  // The button that had the keyboard is gone.
  useEffect(() => void (taken && onward.current?.focus()), [taken]);
  const may = mayAct && id && !taken;
  const fated = (fate: Fate, said: string, job?: string) => {
    if (id) void action.run(async () => (await decide(fate, { queue, id, place }, job), said));
  };
  const retry = () => fated("retry", `Its job is in ${queue} again, and the letter is gone.`);
  const retryEdited = () => fated("retry", `The edited job is in ${queue}, and the letter is gone.`, edit);
  const purge = () => fated("purge", "It is deleted.");
  return (
    <>
      <Facts letter={letter} queue={queue} />
      {edit === undefined ? (
        <Raw text={letter.text} label="The job" />
      ) : (
        <label class="edit">
          The job, edited
          <textarea value={edit} rows={10} spellcheck={false} ref={focus} disabled={taken} onInput={(event) => setEdit(event.currentTarget.value)} />
        </label>
      )}
      <About letter={letter} queue={queue} />
      <Answer action={action} busy={sure ? "Deleting it…" : "Sending it back…"} />
      {sure && may && <p class="answer">Delete this letter and its job for good?</p>}
      <div class="bar end">
        {may && edit === undefined && !sure && (
          <>
            <button type="button" disabled={action.busy} onClick={retry}>
              Retry
            </button>
            {letter.utf8 && letter.whole && (
              <button type="button" class="quiet" disabled={action.busy} onClick={() => (action.forget(), setEdit(letter.text))}>
                Edit…
              </button>
            )}
            <button type="button" class="quiet danger" disabled={action.busy} onClick={() => (action.forget(), setSure(true))}>
              Purge…
            </button>
          </>
        )}
        {may && edit !== undefined && (
          <>
            <button type="button" disabled={action.busy} onClick={retryEdited}>
              Retry edited
            </button>
            <button type="button" class="quiet" disabled={action.busy} onClick={() => (action.forget(), setEdit(undefined))}>
              Do not edit
            </button>
          </>
        )}
        {may && sure && (
          <>
            <button type="button" class="danger" disabled={action.busy} onClick={purge}>
              Delete it
            </button>
            <button type="button" class="quiet" ref={focus} disabled={action.busy} onClick={() => (action.forget(), setSure(false))}>
              Keep it
            </button>
          </>
        )}
        <button type="button" class="quiet" ref={onward} disabled={action.busy} onClick={() => next(taken)}>
          Next one
        </button>
        <button type="button" class="quiet" onClick={close}>
          Close
        </button>
      </div>
    </>
  );
}

function Facts({ letter, queue }: { letter: Letter; queue: string }) {
  const { id, code, column, reason, at, attempts } = letter;
  if (!id) return <p>Somebody else has put this into the list. It can be purged with its group, and not retried.</p>;
  return (
    <dl class="facts">
      <Fact name="Reason" value={reason} />
      <Fact name="Code" value={code} />
      <Fact name="Column" value={column} />
      <Fact name="Queue" value={queue} />
      <Fact name="Rejected" value={at && `${moment(at)} UTC`} />
      <Fact name="Attempts" value={attempts} />
      <Fact name="Id" value={id} />
    </dl>
  );
}

function Fact({ name, value }: { name: string; value: string | number | null }) {
  return value == null ? null : (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** What is shown of the job, and where all of it is. */
function About({ letter, queue }: { letter: Letter; queue: string }) {
  const { id, place, bytes, utf8, whole } = letter;
  const size = bytes === 1 ? "1 byte" : `${count(bytes)} bytes`;
  return (
    <p class="hint">
      {size}
      {!utf8 && ", not UTF-8: bytes that are no letters are written as \\xff"}
      {utf8 && !whole && "; only the beginning is shown, and it can be edited in the terminal alone"}
      {!utf8 && !whole && "; only the beginning is shown"}.{" "}
      {id && (
        <a href={jobAddress(queue, id, place)} download="job">
          Save the job as it is
        </a>
      )}
    </p>
  );
}
