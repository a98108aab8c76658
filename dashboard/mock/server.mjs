// A node that is none: serves the built page, and an API made up from nothing, for looking at the
// page and for measuring it with many servers.
//
//   node mock/server.mjs [--port 7171] [--servers 9] [--token SECRET] [--period 1000]
//
// Figures come each `period` milliseconds.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "7171" },
    servers: { type: "string", default: "9" },
    token: { type: "string", default: "" },
    period: { type: "string", default: "1000" },
  },
});
const count = Number(values.servers);
const began = Date.now();
const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();

const CONFIG = `# The shop, and the devices that report to it.
[node]
name = "lb0"

[listener.front]
bind = ["0.0.0.0:8443"]
protocol = "https"
certificates = [{ chain = "shop.pem", key = "shop.key" }]
pool = "web"

[[listener.front.route]]
path = "/api/"
pool = "api"

[listener.comm]
bind = ["0.0.0.0:5000"]
protocol = "tcp"
pool = "comm"

[pool.web]
balance = "least-connections"
servers = ["10.0.0.21:8000", "10.0.0.22:8000", "10.0.0.23:8000"]
check = { kind = "http", path = "/health", interval = "2s" }

[pool.api]
servers = [
  { address = "10.0.0.31:9000", name = "api1" },
  { address = "10.0.0.32:9000", name = "api2", weight = 2 },
]

[pool.comm]
balance = "round-robin"
servers = ["10.0.0.11:5000", "10.0.0.12:5000"]

[vip.main]
address = "192.0.2.10/24"
interface = "eth0"
`;

const pools = ["web", "api", "comm"].map((name, place) => ({
  name,
  balance: ["least-connections", "round-robin", "round-robin"][place],
  mode: "normal",
  servers: Array.from({ length: Math.ceil(count / 3) }, (_, at) => server(name, place, at)),
}));

function server(pool, place, at) {
  const bad = pool === "api" && at === 1;
  const name = pool === "api" ? `api${at + 1}` : `10.0.${place}.${at + 21}:8000`;
  return {
    name, address: pool === "api" ? `10.0.${place}.${at + 21}:9000` : name, weight: at % 5 === 1 ? 2 : 1, backup: false,
    zone: at % 2 === 0 ? "hall-1" : "hall-2",
    configured: { entry: name, weight: at % 5 === 1 ? 2 : 1, backup: false },
    admin: { state: "ready", author: "", reason: "", since: ago(4000) },
    verdict: {
      health: bad ? "down" : "up",
      reason: bad ? "HTTP check: status 503, not 200-399; 3 in a row" : "HTTP check passed in 2 ms",
      since: ago(bad ? 214 : 3900),
      evidence: { last_check: { at: ago(1), took_ms: 2.1, outcome: bad ? "failed" : "passed", ...(bad ? { found: "status 503, not 200-399" } : {}) } },
      time_line: bad
        ? [{ at: ago(3900), to: "up", usable: true, reason: "HTTP check passed" }, { at: ago(214), from: "up", to: "down", usable: false, reason: "HTTP check: status 503, not 200-399; 3 in a row" }]
        : [{ at: ago(3900), from: "checking", to: "up", usable: true, reason: "HTTP check passed" }],
    },
    peer: { health: bad || (pool === "web" && at === 1) ? "down" : "up", reason: bad ? "HTTP check: status 503, not 200-399" : pool === "web" && at === 1 ? "HTTP check: timed out after 1 s" : "HTTP check passed in 3 ms", since: ago(190) },
    in_use: !bad, in_flight: 0, idle_connections: 4, connections_total: 812, requests_total: 120_331,
    failures_total: bad ? 41 : 0, retries_total: bad ? 41 : 0, checks_total: 1800, check_failures_total: bad ? 107 : 0,
  };
}

function status() {
  return {
    node: "lb0", version: "0.1.0", state: "running", started: new Date(began - 4_000_000).toISOString(), process: 4711,
    workers: 2, connections: 312, shed_level: 0,
    config: { version: "8f1c22a90d3e4b57", origin: "/etc/evenkeel/evenkeel.toml", applied: ago(3600), needs_restart: [],
      warnings: [{ severity: "warning", file: "evenkeel.toml", line: 27, column: 1, reason: "no check says more than that a port is open", help: "give the pool an http check" }] },
    listeners: [
      { name: "front", protocol: "https", addresses: ["0.0.0.0:8443"], pools: ["api", "web"], connections: 289, connections_total: 88_120, requests_total: 1_240_331,
        certificates: [
          { file: "shop.pem", names: ["shop.example", "www.shop.example"], key: "ecdsa", fingerprint: "9f2a".repeat(16), not_before: ago(70 * 86_400), not_after: ago(-20 * 86_400) },
          { file: "api.pem", names: ["api.shop.example"], key: "ecdsa", fingerprint: "77b1".repeat(16), not_before: ago(20 * 86_400), not_after: ago(-70 * 86_400) }] },
      { name: "comm", protocol: "tcp", addresses: ["0.0.0.0:5000"], pools: ["comm"], connections: 23, connections_total: 9021, requests_total: 0 },
    ],
    pools: pools.map((pool) => ({ ...pool, waiting: 0, degraded: [], removed: [], names: [] })),
    vips: [{ name: "main", interface: "eth0", router_id: 51, addresses: ["192.0.2.10/24"], state: "active", reason: "the owner was silent for 3.02 s", since: ago(1800),
      source: "192.0.2.2", owner: "192.0.2.2", priority: 150, claim: 150, failed: [], moved: false, claims_total: 2, conflicts_total: 0, gap_seconds: 3.02,
      peer: { address: "192.0.2.3", owns: false, claim: 100 } }],
    pair: { peer: "192.0.2.3:7071", up: true, since: ago(5000), node: "lb1", program: "0.1.0", words: 2, same_configuration: true,
      figures: { rate: 12.4, errors: 0, connections: 31, cpu: 0.04 } },
    drills: {
      under_way: { id: "5f0c1a2b", kind: "server", object: `${pools[0].name}/${pools[0].servers[1].name}`, stage: "away", author: "ann", reason: "each Friday", since: ago(12), lease_seconds: 10, requests: 742, errors: 0 },
      records: [
        { kind: "server", object: `${pools[0].name}/${pools[0].servers[0].name}`, ended: ago(5 * 86_400), last_success: ago(5 * 86_400), passed: true, message: "75 probes, the longest time without a good one 0.24 s", gap_seconds: 0.24 },
        { kind: "vip", object: "main", ended: ago(12 * 86_400), last_success: ago(40 * 86_400), passed: false, message: "4 probes failed, 3 may: connection refused", gap_seconds: 1.2 },
      ],
    },
    problems: [],
  };
}

const seeds = new Map();

/** A figure that wanders as traffic does: slow waves, a little noise. */
function wave(name, base, seconds) {
  let seed = seeds.get(name);
  if (seed === undefined) {
    seed = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 7);
    seeds.set(name, seed);
  }
  const slow = Math.sin(seconds / (47 + (seed % 30)) + seed) + 0.5 * Math.sin(seconds / 11 + seed * 3);
  return Math.max(0, base * (1 + 0.16 * slow + 0.1 * Math.sin(seconds * 12.9898 + seed * 78.233)));
}

function figures(name, base, seconds, isUp) {
  if (!isUp) return { rate: 0, errors: 0, answered_4xx: 0, answered_5xx: 0, p50: null, p99: null, in_flight: 0 };
  const burst = Math.floor(seconds / 53) % 5 === 0 && seconds % 53 < 4 ? base * 0.06 : 0;
  return { rate: wave(name, base, seconds), errors: burst, answered_4xx: wave(`${name}4`, base * 0.02, seconds), answered_5xx: burst * 0.7, p50: wave(`${name}50`, 0.004, seconds), p99: wave(`${name}99`, 0.021, seconds), in_flight: Math.round(wave(`${name}f`, base / 20, seconds)) };
}

function tick(at) {
  const seconds = at / 1000;
  const made = { at, node: { cpu: 0.14 + 0.02 * Math.sin(seconds / 9), memory_bytes: 41 << 20, descriptors: 412 }, listeners: {}, routes: {}, pools: {}, servers: {}, vips: { main: { state: "active", owner: "192.0.2.2" } } };
  for (const pool of pools) {
    const sum = { rate: 0, errors: 0, answered_4xx: 0, answered_5xx: 0, p50: 0.004, p99: wave(`${pool.name}99`, 0.023, seconds), in_flight: 0, queue: 0, retries: 0 };
    for (const it of pool.servers) {
      const isUp = it.verdict.health === "up" && it.admin.state === "ready";
      const found = figures(`${pool.name}/${it.name}`, (120 * it.weight) / Math.max(1, count / 9), seconds, isUp);
      made.servers[`${pool.name}/${it.name}`] = { ...found, state: it.verdict.health, admin: it.admin.state, reason: it.verdict.reason };
      for (const figure of ["rate", "errors", "answered_4xx", "answered_5xx", "in_flight"]) sum[figure] += found[figure];
    }
    made.pools[pool.name] = sum;
  }
  const of = (figure) => made.pools.web[figure] + made.pools.api[figure];
  const both = { rate: of("rate"), errors: of("errors"), answered_4xx: of("answered_4xx"), answered_5xx: of("answered_5xx") };
  made.listeners.front = { ...both, connections: 289, bytes_in: both.rate * 812, bytes_out: both.rate * 14_220 };
  made.listeners.comm = { rate: made.pools.comm.rate, errors: 0, answered_4xx: 0, answered_5xx: 0, connections: 23, bytes_in: 4000, bytes_out: 900 };
  made.routes["front/api"] = made.pools.api;
  return made;
}

function history(query) {
  const last = Number.parseInt(query.get("last") ?? "900", 10);
  const step = last <= 3600 ? 1 : last <= 86_400 ? 10 : 300;
  const from = Math.floor((Date.now() - last * 1000) / 1000) * 1000;
  const ticks = Array.from({ length: Math.floor(last / step) }, (_, place) => tick(from + place * step * 1000));
  const series = [];
  const asked = (query.get("of") ?? "").split(",").flatMap((of) => (of === "server/*/*" ? Object.keys(ticks[0].servers).map((name) => `server/${name}`) : [of]));
  for (const of of asked) {
    const [kind, ...rest] = of.split("/");
    for (const figure of (query.get("figures") ?? "").split(",")) {
      series.push({ of, figure, values: ticks.map((it) => it[`${kind}s`]?.[rest.join("/")]?.[figure] ?? null) });
    }
  }
  return { from, step_seconds: step, series };
}

const MISHAPS = [
  { method: "GET", host: "shop.example", target: "/api/orders?id=4711&token=c2VjcmV0", status: 503, code: "SC", fault: "no server may be used", cause: "pool api: no server may be used (SC)", pool: "api", server: "", route: "api", retries: 1, times: [0.0006, 0.0001, null, null, 0.0009] },
  { method: "GET", host: "shop.example", target: "/api/users/17", status: 504, code: "sH", fault: "the answer did not begin in time", cause: "server api/api2: the answer did not begin in time (sH)", pool: "api", server: "api2", route: "api", retries: 0, times: [0.0011, 0, 0.0004, 30, 30.0021] },
  { method: "POST", host: "shop.example", target: "/basket/checkout?step=confirm", status: 502, code: "SH", fault: "the server closed the connection before its answer began", cause: "server web/10.0.0.22:8000: the server closed the connection before its answer began (SH)", pool: "web", server: "10.0.0.22:8000", route: "", retries: 0, times: [0.014, 0, 0, null, 0.221] },
  { method: "GET", host: "shop.example", target: "/catalogue/summer/all-that-is-on-sale-this-week-and-the-next/page/2", status: 200, code: "--", fault: "", cause: "web/10.0.0.21:8000 was slow to answer", pool: "web", server: "10.0.0.21:8000", route: "", retries: 0, times: [0.0004, 0.31, 0.012, 1.84, 2.6], slow: true },
  { method: "", host: "", target: "", status: null, code: "SD", fault: "the server broke off", cause: "server comm/10.0.2.21:8000: the server broke off (SD)", pool: "comm", server: "10.0.2.21:8000", listener: "comm", route: "", retries: 0, times: [0, 0, 0.0003, null, 418.3] },
];

function recorded(query) {
  const now = Date.now();
  const spans = { "5m": 300, "15m": 900, "1h": 3600 };
  const from = Number(query.get("from") ?? now - (spans[query.get("last")] ?? 900) * 1000);
  const to = Number(query.get("to") ?? now);
  const [pool, server] = (query.get("server") ?? query.get("pool") ?? "").split("/");
  const all = [];
  for (let at = now - 2000 - (now % 7000), place = 0; at > now - 3_600_000; at -= 7000 + (place % 5) * 4000, place += 1) {
    const { times, ...rest } = MISHAPS[(place * 7 + (place % 3)) % MISHAPS.length];
    const [request_seconds, wait_seconds, connect_seconds, response_seconds, active_seconds] = times;
    all.push({ at, listener: "front", client: `192.0.2.${7 + (place % 40)}`, request_id: "", slow: false, ...rest, request_seconds, wait_seconds, connect_seconds, response_seconds, active_seconds });
  }
  const matching = all.filter((it) => it.at >= from && it.at <= to
    && (query.get("status") === null || String(it.status) === query.get("status"))
    && (query.get("code") === null || it.code === query.get("code"))
    && (query.get("listener") === null || it.listener === query.get("listener"))
    && (query.get("slow") !== "true" || it.slow)
    && (pool === "" || it.pool === pool) && (server === undefined || it.server === server));
  const counts = new Map();
  for (const { cause } of matching) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  const causes = [...counts].map(([words, count]) => ({ words, count, longest_seconds: 1 })).sort((one, other) => other.count - one.count);
  return { from, matched: matching.length, unseen: 0, causes, exchanges: matching.slice(0, Number(query.get("limit") ?? 200)), events: [] };
}

const streams = new Set();

function announce(kind, subject, message) {
  const event = { at: new Date().toISOString(), kind, subject, message };
  for (const stream of streams) stream.write(`event: ${kind}\ndata: ${JSON.stringify(event)}\n\n`);
}

const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css", svg: "image/svg+xml", woff2: "font/woff2" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

function json(response, body, code = 200) {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function bodyOf(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return JSON.parse(text);
}

const node = createServer(async (request, response) => {
  const url = new URL(request.url, "http://mock");
  const path = url.pathname;
  if (!path.startsWith("/api/")) {
    const name = path === "/" ? "index.html" : path.slice(1);
    try {
      const file = await readFile(new URL(`../dist/${name}`, import.meta.url));
      response.writeHead(200, { "content-type": TYPES[name.split(".").pop()] ?? "text/plain", "content-security-policy": POLICY }).end(file);
    } catch {
      response.writeHead(404).end();
    }
    return;
  }
  if (values.token !== "" && request.headers.authorization !== `Bearer ${values.token}`) {
    json(response, { title: "Unauthorized", status: 401, detail: "send the node's token" }, 401);
    return;
  }
  const server = /^\/api\/v1\/pools\/([^/]+)\/servers\/([^/]+)$/.exec(path);
  if (server !== null && request.method === "PUT") {
    const [pool, name] = server.slice(1).map(decodeURIComponent);
    const it = pools.find((it) => it.name === pool).servers.find((it) => it.name === name);
    const change = await bodyOf(request);
    if (change.state !== undefined) {
      it.admin = { state: change.state, author: change.author, reason: change.reason, since: new Date().toISOString() };
      it.in_use = change.state === "ready" && it.verdict.health === "up";
      announce("server-admin", `${pool}/${name}`, `${change.state} by ${change.author}: ${change.reason}`);
    }
    if (change.weight !== undefined) it.weight = change.weight;
    json(response, it);
  } else if (path === "/api/v1/status") json(response, status());
  else if (path === "/api/v1/config/versions") {
    json(response, [{ version: "8f1c22a90d3e4b57", origin: "/etc/evenkeel/evenkeel.toml", applied: ago(3600) }, { version: "1b0c9d2e8f774a10", origin: "/etc/evenkeel/evenkeel.toml", applied: ago(90_000) }]);
  } else if (path === "/api/v1/config") {
    response.writeHead(200, { "content-type": "application/toml" }).end(url.searchParams.has("version") ? CONFIG.replace("least-connections", "round-robin").replace(', weight = 2', "") : CONFIG);
  } else if (path === "/api/v1/exchanges") json(response, recorded(url.searchParams));
  else if (path === "/api/v1/history") json(response, history(url.searchParams));
  else if (path === "/api/v1/events" || path === "/api/v1/live") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": here\n\n");
    if (path.endsWith("events")) {
      streams.add(response);
      request.on("close", () => streams.delete(response));
    } else {
      const say = () => response.write(`event: tick\ndata: ${JSON.stringify(tick(Date.now()))}\n\n`);
      say();
      const timer = setInterval(say, Number(values.period));
      request.on("close", () => clearInterval(timer));
    }
  } else json(response, { title: "Not Found", status: 404, detail: `there is no ${path}` }, 404);
});
node.listen(Number(values.port), "127.0.0.1", () => console.log(`http://127.0.0.1:${node.address().port}/`));
