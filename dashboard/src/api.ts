import type { Order, Told } from "./types";

/** Why the gateway does not answer with what was asked for. */
export class Refused extends Error {
  constructor(
    readonly status: number,
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
  const message = answer && typeof answer === "object" && "message" in answer ? String(answer.message) : response.statusText;
  throw new Refused(response.status, message);
}

const post = (path: string, body: unknown, patience?: number) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }, patience);

/** How things stand, with the points after that time. */
export const told = async (after: number): Promise<Told> => (await ask(`api/dashboard?after=${after}`)).json();

/** Has a supervisor do something; what it says, or why it was not done. */
export const order = async (wanted: Order): Promise<{ host: string; message: string }> =>
  (await post("api/orders", wanted, PATIENCE_FOR_ORDERS)).json();

export const logIn = (token: string) => post("api/login", { token });

export const logOut = () => post("api/logout", {});
