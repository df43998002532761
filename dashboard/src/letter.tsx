import { useEffect, useRef, useState } from "preact/hooks";
import { Act, type Doable } from "./act";
import { Answer, useAction, type Action } from "./action";
import { decide, inWords, jobAddress, nextLetter, Refused } from "./api";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Editor } from "./editor";
import { many, moment } from "./format";
import { Raw } from "./raw";
import type { Fate, Group, Letter } from "./types";

/** Others may have taken older letters since the group was counted: so much sooner it is looked for. */
const BEFORE = 5_000;

interface Props {
  group: Group;
  mayAct: boolean;
  close: () => void;
  /** After each letter that was decided about, or was not. */
  after: () => void;
}

/** The letters of a group, one at a time. */
export function OneLetter({ group, mayAct, close, after }: Props) {
  const { queue } = group;
  const { letter, problem, look } = useLetter(group);
  const action = useAction(after);
  const onward = useRef<HTMLButtonElement>(null);
  // The id of one that somebody else has taken.
  const [gone, setGone] = useState<string>();
  const isGone = letter?.id != null && letter.id === gone;
  const taken = isGone || (action.said?.good ?? false);
  // The button that had the keyboard is gone.
  useEffect(() => void (taken && onward.current?.focus()), [taken]);
  // A letter that was taken leaves its place to the next one.
  const next = () => {
    if (letter) void look(letter.place + (taken ? 0 : 1));
    action.forget();
  };
  const actions = (
    <>
      <Button place={onward} held={!letter || action.busy !== undefined} press={next}>
        Next one
      </Button>
      {mayAct && letter?.id && (isGone || !taken) && (
        <Decisions letter={letter} id={letter.id} queue={queue} action={action} gone={isGone} setGone={setGone} />
      )}
    </>
  );
  return (
    <Dialog title="Dead letter" close={close} actions={actions}>
      {letter === undefined && !problem && <p role="status">Looking for it…</p>}
      {problem && (
        <p role="alert" class="problem">
          It cannot be shown: {problem}.
        </p>
      )}
      {letter === null && <p role="status">There is no further letter of this group.</p>}
      {letter && (
        <>
          <Facts letter={letter} queue={queue} />
          <Raw text={letter.text} label="The job" />
          <About letter={letter} queue={queue} />
        </>
      )}
      <Answer action={action} />
    </Dialog>
  );
}

function useLetter({ queue, code, column, reason, place }: Group) {
  const [letter, setLetter] = useState<Letter | null>();
  const [problem, setProblem] = useState<string>();
  const latest = useRef(0);
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
    void look(Math.max(0, place - BEFORE));
    return () => void (latest.current += 1);
  }, []);
  return { letter, problem, look };
}

interface DecisionsProps {
  letter: Letter;
  id: string;
  queue: string;
  action: Action;
  /** Nothing more can become of it. A job that was edited stays where it can be copied. */
  gone: boolean;
  setGone: (id: string) => void;
}

/** What can become of a letter. */
function Decisions({ letter, id, queue, action, gone, setGone }: DecisionsProps) {
  const [editing, setEditing] = useState(false);
  const { place } = letter;
  const fated = async (fate: Fate, said: string, job?: string) => {
    try {
      await decide(fate, { queue, id, place }, job);
    } catch (error) {
      if (error instanceof Refused && error.code === "gone") setGone(id);
      throw error;
    }
    return said;
  };
  const retry: Doable = {
    verb: "Retry",
    words: "retry this letter",
    work: () => fated("retry", `Its job is in ${queue} again, and the letter is gone.`),
  };
  const purge: Doable = {
    verb: "Purge",
    words: "purge this letter",
    warning: "It is deleted with its job, and nothing brings them back.",
    danger: true,
    work: () => fated("purge", "The letter is deleted."),
  };
  const edit = () => {
    action.forget();
    setEditing(true);
  };
  return (
    <>
      {!gone && <Act deed={purge} action={action} large />}
      {!gone && letter.utf8 && letter.whole && (
        <Button held={action.busy !== undefined} press={edit}>
          Edit…
        </Button>
      )}
      {!gone && <Act deed={retry} action={action} large main />}
      {editing && (
        <Editor
          title="Edit the job"
          label="The job, edited"
          job={letter.text}
          hint={`It goes to ${queue} in place of the letter's own job, and the letter is gone.`}
          verb="Retry edited"
          words="retry the edited job"
          leave="Cancel"
          action={action}
          work={(job) => fated("retry", `The edited job is in ${queue}, and the letter is gone.`, job)}
          close={() => setEditing(false)}
        />
      )}
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
  return (
    <p class="hint">
      {many(bytes, "byte")}
      {!utf8 && ", not UTF-8: bytes that are no letters are written as \\xff"}
      {utf8 && !whole && "; only the beginning is shown, and it can be edited in the terminal alone"}
      {!utf8 && !whole && "; only the beginning is shown"}.{" "}
      {id && (
        <a href={jobAddress(queue, id, place)} download="job">
          Download the job
        </a>
      )}
    </p>
  );
}
