import type { Told } from "./types";

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

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, { ...init, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (response.ok) return response;
  const answer: unknown = await response.json().catch(() => undefined);
  const message = answer && typeof answer === "object" && "message" in answer ? String(answer.message) : response.statusText;
  throw new Refused(response.status, message);
}

const post = (path: string, body: unknown) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** How things stand, with the points after that time. */
export const told = async (after: number): Promise<Told> => (await ask(`api/dashboard?after=${after}`)).json();

export const logIn = (token: string) => post("api/login", { token });

export const logOut = () => post("api/logout", {});
