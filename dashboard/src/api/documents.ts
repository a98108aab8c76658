// The documents of the admin API, as far as the page reads them; `openapi.json` describes them whole.

export type Health = "up" | "down" | "checking";
export type AdminState = "ready" | "drain" | "maint";
export type PoolMode = "normal" | "backup" | "panic" | "empty";
export type VipState = "initialize" | "backup" | "probing" | "active" | "leaving" | "fault";

export interface Found {
  severity: "fault" | "warning";
  file: string;
  line: number;
  column: number;
  reason: string;
  help?: string;
}

export interface Certificate {
  file: string;
  names: string[];
  key: string;
  fingerprint: string;
  not_before: string;
  not_after: string;
  ocsp_until?: string;
  failure?: string;
}

export interface Listener {
  name: string;
  protocol: string;
  addresses: string[];
  /** Where its connections and requests go, in the order of its routes. */
  pools?: string[];
  connections: number;
  connections_total: number;
  requests_total: number;
  certificates?: Certificate[];
}

export interface Said {
  author: string;
  reason: string;
  since: string;
  expires?: string;
}

export interface TimeLineEntry {
  at: string;
  from?: Health;
  to: Health;
  usable: boolean;
  reason: string;
}

export interface Component {
  name: string;
  status: "up" | "degraded" | "down";
  critical: boolean;
  latency_ms?: number;
}

/** A server as the other node of the pair judges it. */
export interface PeerView {
  health: Health;
  reason: string;
  since: string;
}

/** A drill under way. */
export interface Drill {
  id: string;
  kind: "server" | "vip";
  object: string;
  stage: "begun" | "away" | "back";
  author: string;
  reason: string;
  since: string;
  lease_seconds: number;
  requests: number;
  errors: number;
}

/** What is known of the drills of a server or an address. */
export interface DrillRecord {
  kind: "server" | "vip";
  object: string;
  last_success?: string;
  ended: string;
  passed: boolean;
  message: string;
  gap_seconds?: number;
}

export interface Drills {
  under_way?: Drill;
  records: DrillRecord[];
}

/** The other node of the pair, and the link to it. */
export interface Pair {
  peer: string;
  up: boolean;
  since: string;
  reason?: string;
  node?: string;
  program?: string;
  same_configuration?: boolean;
  figures?: { rate: number; errors: number; connections: number; cpu: number };
}

export interface Server {
  name: string;
  address: string;
  weight: number;
  backup: boolean;
  zone?: string;
  configured?: { entry: string; weight: number; backup: boolean; file?: string };
  override?: {
    added?: Said & { address: string };
    weight?: Said & { weight: number };
    state?: Said & { state: AdminState };
  };
  admin: { state: AdminState; author: string; reason: string; since: string };
  verdict: {
    health: Health;
    reason: string;
    since: string;
    evidence?: {
      last_check?: { at: string; took_ms: number; outcome: "passed" | "failed" | "undecided"; found?: string };
      components?: Component[];
    };
    time_line?: TimeLineEntry[];
  };
  peer?: PeerView;
  in_use: boolean;
  in_flight: number;
  idle_connections: number;
  connections_total: number;
  requests_total: number;
  failures_total: number;
  retries_total: number;
  checks_total: number;
  check_failures_total: number;
}

export interface Pool {
  name: string;
  balance: string;
  mode: PoolMode;
  degraded?: { dependency: string; since: string }[];
  waiting?: number;
  servers: Server[];
  removed?: { name: string; said: Said }[];
  names?: { name: string; state: string; failure?: string }[];
}

export interface Vip {
  name: string;
  interface: string;
  router_id: number;
  addresses: string[];
  state: VipState;
  reason: string;
  since: string;
  source?: string;
  owner?: string;
  priority: number;
  claim?: number;
  failed: string[];
  moved: boolean;
  obstacle?: string;
  claims_total: number;
  conflicts_total: number;
  gap_seconds?: number;
  /** What the other node of the pair says of it. */
  peer?: { address: string; owns: boolean; claim?: number };
}

export interface Status {
  node: string;
  version: string;
  state: "running" | "draining";
  started: string;
  process: number;
  workers: number;
  connections: number;
  shed_level: number;
  config: {
    version: string;
    origin: string;
    applied: string;
    needs_restart: string[];
    warnings: Found[];
    last_refusal?: string;
  };
  listeners: Listener[];
  pools: Pool[];
  vips: Vip[];
  pair?: Pair;
  drills: Drills;
  problems: string[];
}

export interface ConfigVersion {
  version: string;
  origin: string;
  applied: string;
}

export interface NodeEvent {
  at: string;
  kind: string;
  subject: string;
  message: string;
}

/** Figures of one thing in the last second; what is not known is not there. */
export interface Figures {
  rate?: number | null;
  errors?: number | null;
  answered_4xx?: number | null;
  answered_5xx?: number | null;
  p50?: number | null;
  p99?: number | null;
  in_flight?: number | null;
  queue?: number | null;
  retries?: number | null;
  connections?: number | null;
  bytes_in?: number | null;
  bytes_out?: number | null;
  /** By termination code, of those that have occurred. */
  ended?: Record<string, number>;
}

export interface ServerFigures extends Figures {
  state?: string;
  admin?: AdminState;
  reason?: string;
}

/** What `/api/v1/live` says each second. */
export interface Tick {
  at: number;
  node: { cpu?: number | null; memory_bytes?: number | null; descriptors?: number | null };
  listeners: Record<string, Figures>;
  routes?: Record<string, Figures>;
  pools: Record<string, Figures>;
  servers: Record<string, ServerFigures>;
  vips?: Record<string, { state: VipState; owner?: string | null }>;
}

export interface History {
  from: number;
  step_seconds: number;
  series: { of: string; figure: string; values: (number | null)[] }[];
}

export interface ServerChange {
  state?: AdminState;
  weight?: number;
  author: string;
  reason: string;
  expires_in_seconds?: number;
}

export interface RecordedExchange {
  /** When it was over, in milliseconds since 1970. */
  at: number;
  listener: string;
  route: string;
  pool: string;
  server: string;
  client: string;
  method: string;
  host: string;
  target: string;
  request_id: string;
  trace_id?: string;
  status: number | null;
  code: string;
  fault: string;
  cause: string;
  retries: number;
  request_seconds: number;
  wait_seconds: number | null;
  connect_seconds: number | null;
  response_seconds: number | null;
  active_seconds: number;
  slow: boolean;
}

/** What `/api/v1/exchanges` says. */
export interface Recorded {
  from: number;
  matched: number;
  unseen: number;
  causes: { words: string; count: number; longest_seconds: number }[];
  exchanges: RecordedExchange[];
}

export interface Problem {
  title?: string;
  status?: number;
  detail?: string;
}

export interface ExplainedServer {
  server: string;
  address: string;
  weight: number;
  in_flight: number;
  score?: number;
  try_number?: number;
  verdict: string;
}

export interface ExplainedPool {
  kind: "pool";
  pool: string;
  by_split: boolean;
  balance: string;
  mode: PoolMode;
  path: string;
  path_before?: string;
  key?: string;
  keeps_home: boolean;
  by_chance: boolean;
  chosen?: string;
  servers: ExplainedServer[];
  retry: {
    attempts: number;
    on: string[];
    repeatable: boolean;
    budget_percent: number;
    budget_floor: number;
    connect_seconds: number;
    first_byte_seconds: number;
  };
}

export interface Explanation {
  method: string;
  url: string;
  from: string;
  listener: string;
  protocol: string;
  on_port: boolean;
  certificate?: { file: string; names: string[] };
  route?: string;
  passed_over?: { route: string; why: string }[];
  passes?: string[];
  outcome:
    | { kind: "refused"; status: number | null; why: string }
    | { kind: "redirect"; status: number; location: string }
    | { kind: "answer"; status: number; why: string }
    | { kind: "file"; status: number; folder: string; path: string }
    | ExplainedPool;
}
