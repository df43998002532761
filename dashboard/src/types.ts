/** What `GET /api/dashboard` answers. */
export interface Told {
  now: number;
  every_ms: number;
  kept_ms: number;
  read_at: number | null;
  status: Status | null;
  troubles: Trouble[];
  points: Point[];
  happened: Happening[];
  routes: Route[];
  rooms_need_token: boolean;
  logged_in: boolean;
  may_act: boolean;
}

/** When, in milliseconds since 1970; rows a second; jobs that wait. */
export type Point = [at: number, rowsPerSecond: number | null, waiting: number | null];

export interface Trouble {
  grave: boolean;
  what: string;
  why?: string;
  advice: string;
}

export interface Route {
  queue: string;
  table: string;
  namespace: string;
  rooms: string[];
  templates: string[];
  publish: boolean;
  /** A job to begin with. */
  sample: string;
}

export interface Status {
  workers: Worker[];
  gateways: Gateway[];
  queues: Queue[];
  commit_delay: Delay | null;
  publish_delay: Delay | null;
}

/** How long the jobs of the last minute took from their claim on. */
export interface Delay {
  jobs: number;
  p50_ms: number;
  p99_ms: number;
}

export interface Life {
  id: string;
  alive: boolean;
  host: string | null;
  pid: number | null;
  supervisor: string | null;
  slot: number | null;
  restarts: number | null;
  state: string | null;
  uptime_ms: number | null;
  memory: number | null;
  waiting: string | null;
  silent: boolean;
}

export interface Worker extends Life {
  rows_per_second: number | null;
}

export interface Gateway extends Life {
  address: string | null;
  connections: number | null;
}

export interface Queue {
  queue: string;
  table: string;
  rows: number;
  duplicate: number;
  in_flight: number;
  waiting: number;
  suspects: number;
  dead_letters: number;
  paused: boolean;
  oldest_claim_ms: number | null;
  problem?: string;
  workers: number;
  commit_delay: Delay | null;
  publish_delay: Delay | null;
  rows_per_second: number | null;
  waiting_since: number | null;
}

/** How far a queue's dead letters were gone through. */
export interface Cursor {
  skip: number;
  left: number;
}

export type Fate = "retry" | "purge";

/** What letters died of. */
export interface DeathOf {
  queue: string;
  code: string;
  column: string | null;
  reason: string;
}

export interface Group extends DeathOf {
  count: number;
  /** Where the oldest was, and its id; none of what somebody else has put there. */
  place: number;
  id: string | null;
  oldest: string | null;
  newest: string | null;
}

export interface Counted extends Cursor {
  groups: Group[];
  looked: number;
}

export interface Letter {
  place: number;
  id: string | null;
  code: string | null;
  column: string | null;
  reason: string | null;
  at: string | null;
  attempts: number | null;
  /** The job's length. */
  bytes: number;
  text: string;
  utf8: boolean;
  /** Whether the text is all of it. */
  whole: boolean;
}

export interface Found extends Cursor {
  letter: Letter | null;
}

/** What happened to a process. */
export interface Happening {
  seq: number;
  /** In milliseconds since 1970. */
  at: number;
  what: string;
  role: string;
  slot: number;
  pid: number | null;
  host: string;
  supervisor: string;
  why?: string;
  address?: string;
}

/** What `POST /api/orders` takes. */
export interface Order {
  order: "scale" | "restart" | "reload";
  by?: number;
  role?: "worker" | "gateway";
  slot?: number;
  host?: string;
}
