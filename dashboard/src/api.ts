import type { Counted, Cursor, DeathOf, Fate, Found, Order, Told } from "./types";

/** Why the gateway does not answer with what was asked for. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const PATIENCE = 8_000;
/** A supervisor is waited for a little longer than the gateway does. */
const PATIENCE_FOR_ORDERS = 20_000;

async function ask(path: string, init: RequestInit = {}, patience = PATIENCE): Promise<Response> {
  const response = await fetch(path, { ...init, cache: "no-store", signal: AbortSignal.timeout(patience) });
  if (response.ok) return response;
  const answer: unknown = await response.json().catch(() => undefined);
  const said = (name: string, otherwise: string) => (answer && typeof answer === "object" ? String(Reflect.get(answer, name) ?? otherwise) : otherwise);
  throw new Refused(response.status, said("code", ""), said("message", response.statusText));
}

const post = (path: string, body: unknown, patience?: number) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }, patience);

const query = (values: Record<string, string | number | null | undefined>) =>
  new URLSearchParams(Object.entries(values).flatMap(([name, value]) => (value == null ? [] : [[name, String(value)]])));

/** How things stand, with the points after that time. */
export const told = async (after: number): Promise<Told> => (await ask(`api/dashboard?after=${after}`)).json();

/** Has a supervisor do something; what it says, or why it was not done. */
export const order = async (wanted: Order): Promise<{ host: string; message: string }> =>
  (await post("api/orders", wanted, PATIENCE_FOR_ORDERS)).json();

export const logIn = (token: string) => post("api/login", { token });

export const logOut = () => post("api/logout", {});

/** Has something done with a queue. Answers in words. */
export async function tell(queue: string, what: "pause" | "resume" | { push: string }): Promise<string> {
  const { message }: { message: string } = await (await post("api/queue", { queue, do: what })).json();
  return message;
}

/** The groups among a queue's next dead letters. */
export const counted = async (queue: string, cursor?: Cursor): Promise<Counted> =>
  (await ask(`api/dead?${query({ queue, ...cursor })}`)).json();

/** The next letter that died of this; or none yet, and where to look on. */
export const nextLetter = async (of: DeathOf, skip: number): Promise<Found> =>
  (await ask(`api/dead/letter?${query({ ...of, skip })}`)).json();

/** Where a letter's job can be had, byte for byte. */
export const jobAddress = (queue: string, id: string, place: number) => `api/dead/job?${query({ queue, id, place })}`;

/** Decides about one letter; `job` is what goes to the queue in place of its own. */
export const decide = (fate: Fate, letter: { queue: string; id: string; place: number }, job?: string) =>
  post("api/dead/one", { fate, letter, ...(job === undefined ? {} : { job }) });

/** Decides about a part of all letters that died of this, and says where the next part begins. */
export const decideAll = async (fate: Fate, group: DeathOf, cursor?: Cursor): Promise<{ taken: number; cursor: Cursor }> =>
  (await post("api/dead/group", { fate, group, ...(cursor ? { cursor } : {}) })).json();

/** What went wrong, for whoever reads it. */
export const inWords = (error: unknown) =>
  error instanceof Refused ? error.message : "the gateway cannot be reached; whether it was done is not known";

/** Whether what was wanted is certain not to have been done, or may have been: for the beginning of a sentence. */
export const undone = (error: unknown) =>
  error instanceof Refused && (error.status < 500 || error.code === "not_taken") ? "Not done" : "Perhaps done";
