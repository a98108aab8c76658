// What the page decides, without a browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import type { Drill, DrillRecord, Pair, Pool, Recorded, RecordedExchange, Server, Status, Vip } from "../src/api/documents.ts";
import { ofState, ofWeight } from "../src/model/change.ts";
import { CODES, codeOf, occurred } from "../src/model/codes.ts";
import { diff } from "../src/model/diff.ts";
import { drillInWords, inOrder, placeOfDrill, recordInWords, recordOf } from "../src/model/drill.ts";
import { happening, joined, remembered } from "../src/model/events.ts";
import { bar, found, keysOf, pathOf, question, readFilter, shownTarget, timers, toneOfExchange, unseen, writtenFilter, type Filter } from "../src/model/exchanges.ts";
import { expiry } from "../src/model/expiry.ts";
import { picture, poolsInOrder, thickness } from "../src/model/flow.ts";
import { amount, bytes, latency, share, shortened, span, unbroken } from "../src/model/format.ts";
import { backOff, freshness } from "../src/model/freshness.ts";
import { differences, doesInWords, linkInWords, ownerInWords, peerOfVipInWords, toneOfPair } from "../src/model/pair.ts";
import { hashOf, placeOf, type Place } from "../src/model/place.ts";
import { tickBetween } from "../src/model/rates.ts";
import { path, Ring } from "../src/model/ring.ts";
import { entries, search } from "../src/model/search.ts";
import { hasRequests, sum, without } from "../src/model/series.ts";
import { Reader } from "../src/model/sse.ts";
import { headline, merged, seen } from "../src/model/state.ts";
import { BY_POOL, chosen, clicked, ordered } from "../src/model/table.ts";
import { lineOf, tokens } from "../src/model/toml.ts";
import { Store, type Change } from "../src/store.ts";

const NOW = Date.parse("2026-05-01T12:00:00Z");
const before = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

function server(name: string, change: Partial<Server> = {}): Server {
  return {
    name, address: name, weight: 1, backup: false,
    admin: { state: "ready", author: "", reason: "", since: before(900) },
    verdict: { health: "up", reason: "passed", since: before(600) },
    in_use: true, in_flight: 0, idle_connections: 0, connections_total: 0, requests_total: 0,
    failures_total: 0, retries_total: 0, checks_total: 0, check_failures_total: 0,
    ...change,
  };
}

function down(name: string, reason = "connection refused"): Server {
  return server(name, { in_use: false, verdict: { health: "down", reason, since: before(200) } });
}

function pool(name: string, servers: Server[], change: Partial<Pool> = {}): Pool {
  return { name, balance: "round-robin", mode: "normal", servers, ...change };
}

function status(pools: Pool[], change: Partial<Status> = {}): Status {
  return {
    node: "lb0", version: "0.1.0", state: "running", started: before(7200), process: 7, workers: 2, connections: 3, shed_level: 0,
    config: { version: "v1", origin: "evenkeel.toml", applied: before(7200), needs_restart: [], warnings: [] },
    listeners: [{ name: "front", protocol: "http", addresses: ["0.0.0.0:80"], pools: pools.map((it) => it.name), connections: 0, connections_total: 0, requests_total: 0 }],
    pools, vips: [], drills: { records: [] }, problems: [],
    ...change,
  };
}

const all = (of: Status) => of.pools.flatMap((pool) => pool.servers.map((it) => seen(pool.name, it, undefined)));

test("figures_are_short_and_none_is_invented", () => {
  const spans: [number, string][] = [[-5, "0 s"], [0, "0 s"], [59_999, "59 s"], [60_000, "1 min"], [200_000, "3 min 20 s"], [3_599_000, "59 min"], [3_720_000, "1 h 2 min"], [90_000_000, "25 h"], [200_000_000, "2 d"]];
  for (const [value, text] of spans) assert.equal(span(value), text);
  const amounts: [number | null | undefined, string][] = [[null, "–"], [undefined, "–"], [Number.NaN, "–"], [0, "0"], [0.01, "<0.1"], [0.44, "0.4"], [9.96, "10"], [412.4, "412"], [999.6, "1k"], [1234, "1.2k"], [12_345, "12k"], [2_500_000, "2.5M"]];
  for (const [value, text] of amounts) assert.equal(amount(value), text);
  assert.deepEqual([0, 0.0000002, 0.00002, 0.0004, 0.0123, 1.25, null].map(latency), ["0 ms", "1 µs", "20 µs", "0.4 ms", "12 ms", "1.3 s", "–"]);
  assert.deepEqual([0, 1023, 1536, 41 << 20].map(bytes), ["0 B", "1023 B", "1.5 KiB", "41 MiB"]);
  assert.deepEqual([0, 0.0004, 0.045, 0.5, 1].map(share), ["0 %", "<0.1 %", "4.5 %", "50 %", "100 %"]);
  assert.equal(shortened("app-server-14.internal:8000", 12), "app-se…:8000");
  assert.equal(shortened("short", 12), "short");
});

test("what_an_operator_wants_and_what_is_found_are_one_word", () => {
  const table: [Parameters<typeof merged>, string][] = [
    [["ready", "up"], "up"], [["ready", "down"], "down"], [["ready", "checking"], "checking"],
    [["drain", "up"], "drain"], [["drain", "down"], "down"], [["drain", "checking"], "drain"],
    [["maint", "up"], "maint"], [["maint", "down"], "maint"], [["maint", "checking"], "maint"],
  ];
  for (const [given, word] of table) assert.equal(merged(...given), word, given.join(" "));
});

test("the_last_second_is_laid_over_the_last_status", () => {
  const it = seen("app", server("a"), { state: "down", admin: "ready", reason: "reset" });
  assert.deepEqual([it.state, it.reason], ["down", "reset"]);
  const drained = seen("app", server("a", { admin: { state: "drain", author: "ann", reason: "new disk", since: before(5) } }), { state: "up", admin: "drain", reason: "passed" });
  assert.deepEqual([drained.state, drained.reason, drained.since], ["drain", "new disk (ann)", NOW - 5000]);
});

test("the_state_of_things_is_a_sentence", () => {
  const say = (it: Status): [string, string] => {
    const { tone, text } = headline(it, all(it), NOW);
    return [tone, text];
  };
  assert.deepEqual(say(status([pool("app", [server("a"), server("b")])])), ["good", "Both servers are up."]);
  assert.deepEqual(say(status([pool("app", [server("a"), down("b")])])), ["bad", "app/b has been down for 3 min 20 s: connection refused."]);
  assert.deepEqual(say(status([pool("app", [down("b")], { mode: "empty" })])), ["bad", "Pool app has no server that can be used. app/b has been down for 3 min 20 s: connection refused."]);
  const drained = server("a", { in_use: false, admin: { state: "drain", author: "ann", reason: "", since: before(5) } });
  assert.deepEqual(say(status([pool("app", [drained, down("b")])])), ["bad", "app/b has been down for 3 min 20 s: connection refused. app/a drains: by ann."]);
  assert.deepEqual(say(status([])), ["wary", "No pool has a server."]);
  const many = status([pool("app", [...Array.from({ length: 496 }, (_, place) => server(`u${place}`)), ...["a", "b", "c", "d"].map((name) => down(name))])]);
  assert.deepEqual(say(many), ["bad", "Of 500 servers 4 down and 496 up."]);
});

test("drills_are_told_in_words", () => {
  const drill: Drill = { id: "7", kind: "server", object: "app/a", stage: "away", author: "ann", reason: "friday", since: before(12), lease_seconds: 10, requests: 742, errors: 0 };
  assert.equal(drillInWords(drill, NOW), "A drill of app/a by ann (friday) has been under way for 12 s: it is taken out; 742 requests, none failed.");
  const vip: Drill = { ...drill, kind: "vip", object: "main", author: "", reason: "", requests: 1, errors: 2 };
  assert.equal(drillInWords(vip, NOW), "A drill of main has been under way for 12 s: it is moved to the other node; 1 request, 2 failed.");
  assert.match(drillInWords({ ...drill, stage: "begun" }, NOW), /nothing was touched yet/);
  assert.deepEqual([placeOfDrill(drill), placeOfDrill(vip)], [{ view: "server", pool: "app", server: "a" }, { view: "addresses" }]);
  const passed: DrillRecord = { kind: "server", object: "app/a", ended: before(9000), passed: true, message: "75 probes", last_success: before(9000) };
  const aborted: DrillRecord = { kind: "vip", object: "main", ended: before(60), passed: false, message: "it was interrupted" };
  const drills = { records: [passed, aborted] };
  assert.deepEqual(inOrder(drills), [aborted, passed]);
  assert.deepEqual([recordOf(drills, "vip", "main"), recordOf(drills, "vip", "app/a")], [aborted, undefined]);
  assert.equal(recordInWords(passed, NOW), "passed: 75 probes");
  assert.equal(recordInWords(aborted, NOW), "aborted: it was interrupted; none has passed");
  assert.equal(recordInWords({ ...aborted, last_success: before(200_000) }, NOW), "aborted: it was interrupted; one last passed 2 d ago");
  const seen = remembered(status([], { drills }), []).filter((it) => it.kind.startsWith("drill-"));
  assert.deepEqual(seen.map((it) => [it.kind, it.lane, it.tone]), [["drill-passed", "servers", "good"], ["drill-aborted", "addresses", "bad"]]);
});

test("a_change_is_foretold", () => {
  const two = pool("app", [server("a"), server("b", { weight: 3 })]);
  const [a] = two.servers;
  assert.ok(a !== undefined);
  assert.deepEqual(ofState(two, a, "drain"), { text: "It takes no new requests; what runs is finished, checks go on. One other server carries app meanwhile.", isGrave: false });
  assert.equal(ofState(pool("app", [server("a"), down("b")]), a, "maint").isGrave, true);
  assert.equal(ofState(two, a, "ready").isGrave, false);
  assert.equal(ofWeight(two, a, 1).text, "Its share of app is 25 %, by weight.");
  for (const bad of [-1, 257, 1.5, Number.NaN]) assert.equal(ofWeight(two, a, bad).isGrave, true);
  assert.equal(ofWeight(pool("app", [a]), a, 0).isGrave, true);
});

test("what_is_old_says_so", () => {
  assert.deepEqual(freshness("live", NOW - 900, NOW), { tone: "good", word: "live", detail: "", isStale: false });
  assert.deepEqual(freshness("live", NOW - 4000, NOW), { tone: "wary", word: "stale", detail: "figures are 4 s old", isStale: true });
  assert.equal(freshness("live", NOW - 4000, NOW, 3000).isStale, false);
  assert.deepEqual(freshness("reconnecting", NOW - 62_000, NOW), { tone: "bad", word: "reconnecting", detail: "figures are 1 min 2 s old", isStale: true });
  assert.deepEqual([0, 1, 2, 9, 1e9].map(backOff), [250, 500, 1000, 5000, 5000]);
});

test("events_are_read_wherever_they_are_cut", () => {
  const text = ": hello\nevent: tick\r\ndata: {\"a\":\ndata: 1}\n\n:\n\nevent: lost\n\ndata:x\n\n";
  const whole = [{ event: "tick", data: "{\"a\":\n1}" }, { event: "message", data: "x" }];
  for (let at = 0; at <= text.length; at += 1) {
    const reader = new Reader();
    assert.deepEqual([...reader.push(text.slice(0, at)), ...reader.push(text.slice(at))], whole, String(at));
  }
});

test("rates_are_differences_of_one_process", () => {
  const at = (requests: number, process = 7): Status => status([pool("app", [server("a", { requests_total: requests })])], { process });
  const earlier = { at: NOW, status: at(100) };
  const rate = (now: Status) => tickBetween(earlier, { at: NOW + 2000, status: now }).servers["app/a"]?.rate;
  assert.equal(rate(at(300)), 100);
  assert.equal(rate(at(50)), null, "totals never run backwards");
  assert.equal(rate(at(300, 8)), null, "another process began at nothing");
  assert.equal(tickBetween(undefined, earlier).servers["app/a"]?.rate, null);
  assert.equal(tickBetween(earlier, { at: NOW + 2000, status: at(300) }).pools["app"]?.rate, 100);
});

test("a_ring_keeps_the_last_and_a_line_has_gaps", () => {
  const ring = new Ring(3);
  for (const value of [1, 2, null, 4]) ring.push(value);
  assert.deepEqual(ring.last(9), [2, Number.NaN, 4]);
  assert.deepEqual(ring.last(1), [4]);
  assert.equal(path([0, 2, Number.NaN, 1], 4, 30, 12), "M0.0 11.0L10.0 1.0M30.0 6.0");
  assert.equal(path([], 4, 30, 12), "");
});

test("an_event_that_is_told_twice_is_one", () => {
  const live = happening({ at: before(10), kind: "server-down", subject: "app/b", message: "b is down: refused" });
  const gone = down("b");
  gone.verdict.time_line = [{ at: before(10), from: "up", to: "down", usable: false, reason: "refused" }];
  const known = joined([live], remembered(status([pool("app", [gone])]), []));
  assert.equal(known.filter((it) => it.kind === "server-down").length, 1);
  assert.equal(known.find((it) => it.kind === "server-down")?.message, "b is down: refused");
  assert.deepEqual([...known].sort((a, b) => b.at - a.at), known);
  assert.equal(live.tone, "bad");
});

test("places_come_back_from_the_address_bar", () => {
  const places: Place[] = [
    { view: "overview" }, { view: "servers" }, { view: "servers", pool: "a b" }, { view: "server", pool: "a/b", server: "[::1]:80" },
    { view: "pool", pool: "ä" }, { view: "listener", listener: "front" }, { view: "events" }, { view: "config", version: "1f", line: 12 }, { view: "config" },
  ];
  for (const place of places) assert.deepEqual(placeOf(hashOf(place)), place);
  for (const odd of ["", "#", "#/%", "#/nowhere", "#/server/a", "#/config?line=x"]) assert.ok(placeOf(odd).view, odd);
});

test("tables_are_ordered_and_chosen_from", () => {
  const of = all(status([pool("app", [server("b10"), down("b2"), server("b1")]), pool("db", [server("c")])]));
  const names = (list: typeof of): string => list.map((it) => it.server.name).join(" ");
  assert.equal(names(ordered(of, BY_POOL)), "b10 b2 b1 c");
  assert.equal(names(ordered(of, { column: "server", isDescending: false })), "b1 b2 b10 c");
  assert.equal(names(ordered(of, { column: "state", isDescending: false })), "b2 b10 b1 c");
  assert.equal(names(chosen(of, { words: "REFUSED app", states: new Set() })), "b2");
  assert.equal(names(chosen(of, { words: "", states: new Set(["up"]), pool: "db" })), "c");
  const first = clicked(BY_POOL, "rate");
  assert.deepEqual([first, clicked(first, "rate"), clicked(clicked(first, "rate"), "rate")], [{ column: "rate", isDescending: true }, { column: "rate", isDescending: false }, BY_POOL]);
});

test("a_few_letters_find_a_thing", () => {
  const known = entries(status([pool("app", [server("web1"), server("10.0.0.1:80")]), pool("webs", [])]));
  const find = (typed: string): string[] => search(known, typed, 3).map((it) => it.name);
  assert.deepEqual(find("web"), ["webs", "app/web1"]);
  assert.deepEqual(find("server 10.0"), ["app/10.0.0.1:80"]);
  assert.deepEqual([find(""), find("nothing")], [[], []]);
});

const FILE = `# the shop
[listener.front]
pool = "app"

[pool."app"]
servers = [
  "10.0.0.1:80", # first
  { address = "10.0.0.2:80", name = "two" },
]
[pool.app.check]
path = "/x"

[pool.other]
servers = ["10.0.0.1:80"]
`;

test("things_have_a_place_in_the_file", () => {
  assert.equal(lineOf(FILE, { table: "listener", name: "front" }), 2);
  assert.equal(lineOf(FILE, { table: "pool", name: "app" }), 5);
  assert.equal(lineOf(FILE, { table: "pool", name: "app", server: { name: "10.0.0.1:80", address: "10.0.0.1:80" } }), 7);
  assert.equal(lineOf(FILE, { table: "pool", name: "app", server: { name: "two", address: "10.0.0.2:80" } }), 8);
  assert.equal(lineOf(FILE, { table: "pool", name: "app", server: { name: "added", address: "10.9.9.9:1" } }), 5);
  assert.equal(lineOf(FILE, { table: "pool", name: "none" }), undefined);
});

test("a_line_of_the_file_is_its_tokens", () => {
  for (const line of FILE.split("\n")) assert.equal(tokens(line).map((token) => token.text).join(""), line);
  const kinds = tokens('servers = ["a#b", 12] # c').filter((it) => it.text.trim() !== "").map((it) => it.kind).join(" ");
  assert.equal(kinds, "key plain plain string plain value plain comment");
  assert.deepEqual(tokens("[pool.app] # x").map((it) => it.kind), ["table", "comment"]);
});

test("a_difference_is_what_was_taken_and_what_was_put", () => {
  const signs = (one: string, other: string): string => diff(one, other).map((line) => line.sign + line.text).join("|");
  assert.equal(signs("a\nb\nc", "a\nx\nc"), " a|-b|+x| c");
  assert.equal(signs("a\nb", "a\nb"), " a| b");
  assert.equal(signs("", "a"), "-|+a");
  assert.equal(signs("a\nb\nc\nd", "b\nc\ne\nd"), "-a| b| c|+e| d");
});

test("a_certificate_is_told_in_time", () => {
  const days = 86_400_000;
  assert.deepEqual(expiry(NOW - 40 * days, NOW + 50 * days, NOW).tone, "good");
  assert.deepEqual(expiry(NOW - 80 * days, NOW + 10 * days, NOW), { tone: "wary", text: "10 d left", spent: 80 / 90 });
  assert.equal(expiry(NOW - 80 * days, NOW - days, NOW).tone, "bad");
  assert.equal(expiry(NOW - 1 * days, NOW + 5 * days, NOW).tone, "good", "one that lives six days is renewed late");
});

test("the_picture_fits_whatever_it_shows", () => {
  for (const [pools, servers] of [[1, 1], [3, 3], [12, 4], [2, 250], [40, 1]] as const) {
    const of = status(Array.from({ length: pools }, (_, p) => pool(`p${p}`, Array.from({ length: servers }, (_, s) => server(`s${s}`)))));
    for (const width of [340, 700, 1200]) {
      const drawn = picture(of, width);
      assert.equal(drawn.spots.length, pools * servers);
      for (const it of [...drawn.boxes, ...drawn.spots]) {
        assert.ok(it.x >= 0 && it.x + it.width <= width + 1, `${pools}×${servers} at ${width}: ${JSON.stringify(it)}`);
        assert.ok(it.y >= 0 && it.y + it.height <= drawn.height + 1, `${pools}×${servers} at ${width}: ${JSON.stringify(it)}`);
      }
      const boxes = drawn.boxes.filter((it) => it.kind === "pool");
      boxes.forEach((it, place) => assert.ok(place === 0 || it.y >= (boxes[place - 1]?.y ?? 0) + 46));
    }
  }
  const crossed = status([pool("a", []), pool("b", [])]);
  crossed.listeners = [{ ...crossed.listeners[0]!, pools: ["b"] }];
  assert.deepEqual(poolsInOrder(crossed).map((it) => it.name), ["b", "a"]);
  assert.deepEqual([thickness(null), thickness(0), thickness(1e12)], [1, 1, 7]);
});

function exchange(change: Partial<RecordedExchange> = {}): RecordedExchange {
  return {
    at: NOW, listener: "front", route: "api", pool: "app", server: "a", client: "192.0.2.7", method: "GET", host: "shop.example", target: "/x",
    request_id: "", status: 503, code: "SC", fault: "connection refused", cause: "server app/a: connection refused (SC)", retries: 0,
    request_seconds: 0.001, wait_seconds: 0, connect_seconds: null, response_seconds: null, active_seconds: 0.003, slow: false,
    ...change,
  };
}

function recorded(matched: number, change: Partial<Recorded> = {}): Recorded {
  return { from: NOW, matched, unseen: 0, causes: [], exchanges: [], ...change };
}

test("codes_are_told_in_the_words_of_the_manual", () => {
  const manual = readFileSync(new URL("../../../docs/termination-codes.md", import.meta.url), "utf8");
  const rows = [...manual.matchAll(/^\| `([A-Za-z][A-Z-])` \| (.*) \| (.*) \|$/gm)].filter(([, code]) => !/^T[A-Z]$/.test(code ?? ""));
  const plain = (text = ""): string => text.replace(/\[[^\]]*\]\(([a-z-]+\.md)[^)]*\)/g, "docs/$1");
  assert.deepEqual(CODES, rows.map(([, code, meaning, advice]) => ({ code, meaning: plain(meaning), advice: plain(advice) })));
  assert.equal(codeOf("SC").meaning, "no server may be used, or the connection was refused: 503");
  assert.match(codeOf("--").meaning, /as it should/);
  assert.match(codeOf("XX").meaning, /does not know/);
});

test("what_the_client_did_comes_last_of_the_codes", () => {
  assert.deepEqual(occurred({ CD: 1, cD: 0, SH: 2, PR: 3, sH: 0 }), ["PR", "sH", "SH", "cD", "CD"]);
  assert.deepEqual(occurred(undefined), []);
});

test("which_exchanges_are_meant_stands_in_the_address_and_is_asked", () => {
  const filters: Filter[] = [
    {}, { pool: "app" }, { pool: "app", server: "10.0.0.1:80" }, { listener: "front", status: 503, code: "SC" },
    { isSlow: true, last: "1h" }, { pool: "a b", at: 1_777_636_800, within: 30 },
  ];
  for (const filter of filters) assert.deepEqual(readFilter(new URLSearchParams(writtenFilter(filter))), filter);
  assert.equal(question({ pool: "app", server: "a" }, 100), "server=app%2Fa&last=15m&limit=100&events=false");
  assert.equal(question({ at: 100, within: 5, last: "1h" }, 9), "from=95000&to=105000&limit=9&events=false");
  assert.deepEqual(readFilter(new URLSearchParams("status=x&last=2y&at=-1&within=1&server=app")), {});
  const place: Place = { view: "exchanges", filter: { pool: "app", code: "sH" } };
  assert.deepEqual(placeOf(hashOf(place)), place);
  const explain: Place = { view: "explain", method: "GET", url: "https://shop.example/x", listener: "front" };
  assert.deepEqual(placeOf(hashOf(explain)), explain);
});

test("what_was_found_is_a_sentence", () => {
  const clockOf = (at: number): string => new Date(at).toISOString().slice(11, 19);
  const said = (matched: number, filter: Filter): string => found(recorded(matched), filter, clockOf);
  assert.equal(said(0, {}), "Nothing failed or was slow in the last 15 minutes.");
  assert.equal(said(1, { pool: "app", server: "a" }), "1 exchange failed or was slow at app/a in the last 15 minutes.");
  assert.equal(said(7, { status: 503, last: "1h" }), "7 exchanges answered 503 in the last hour.");
  assert.equal(said(2, { isSlow: true, listener: "front" }), "2 slow exchanges through listener front in the last 15 minutes.");
  assert.equal(said(0, { isSlow: true }), "No slow exchange in the last 15 minutes.");
  assert.equal(said(0, { code: "sH", pool: "app", at: NOW / 1000, within: 5 }), "No exchange ending with sH at pool app between 11:59:55 and 12:00:05.");
  assert.equal(unseen(recorded(1)), "");
  assert.match(unseen(recorded(1, { unseen: 9 })), /^9 more/);
});

test("values_in_a_query_are_nobodys_business", () => {
  const table: [string, string][] = [
    ["/x", "/x"], ["/x?a=1&token=s3cret", "/x?a=…&token=…"], ["/x?s3cret", "/x?…"], ["/x?", "/x?…"], ["/x?flag&a=1", "/x?flag&a=…"], ["/x?a=b?c=d", "/x?a=…"],
  ];
  for (const [target, shown] of table) assert.equal(shownTarget(target), shown);
  assert.equal(pathOf("/x?token=s3cret"), "/x");
});

test("timers_are_the_whole_time_in_its_order", () => {
  const all = timers(exchange({ wait_seconds: 0.5, connect_seconds: 0, response_seconds: 1.5, active_seconds: 3.001 }));
  assert.deepEqual(all.map((it) => it.seconds?.toFixed(3)), ["0.001", "0.500", "0.000", "1.500", "1.000"]);
  const parts = bar(all, 100);
  assert.deepEqual(parts.map((it) => it.phase), ["wait", "answer", "rest"]);
  assert.ok(Math.abs(parts.reduce((sum, it) => sum + it.width, 0) - 100) < 0.5);
  assert.equal(timers(exchange())[2]?.seconds, undefined);
  assert.deepEqual(bar(timers(exchange({ request_seconds: 0, active_seconds: 0 })), 100), []);
  assert.deepEqual([exchange(), exchange({ status: 200, code: "--" }), exchange({ status: null, code: "CD" }), exchange({ status: null, code: "SD" })].map(toneOfExchange), ["bad", "wary", "wary", "bad"]);
  const keys = keysOf([exchange(), exchange(), exchange({ at: 1 })]);
  assert.equal(new Set(keys).size, 3);
  assert.deepEqual(keysOf([exchange()]), keys.slice(0, 1));
});

test("the_other_node_has_a_view_of_its_own", () => {
  const pair: Pair = { peer: "10.0.0.3:7071", up: true, since: before(200), node: "lb1", same_configuration: true, figures: { rate: 120, errors: 0, connections: 34, cpu: 0.12 } };
  assert.equal(linkInWords(pair, NOW), "Pair with lb1, heard for 3 min 20 s.");
  assert.equal(doesInWords(pair), "lb1 does 120/s with no errors, holds 34 connections, CPU 12 %");
  assert.deepEqual([pair, { ...pair, same_configuration: false }, { ...pair, up: false }].map(toneOfPair), ["good", "wary", "bad"]);
  const gone: Pair = { peer: "10.0.0.3:7071", up: false, since: before(5), reason: "connection refused" };
  assert.equal(linkInWords(gone, NOW), "The other node of the pair, 10.0.0.3:7071, has not been heard for 5 s: connection refused.");
  assert.equal(doesInWords(gone), "");
  const there = { health: "down", reason: "timed out", since: before(9) } as const;
  const differs = server("b", { peer: there });
  const servers = [server("a", { peer: { ...there, health: "up" } }), differs, server("c", { peer: there, admin: { state: "maint", author: "", reason: "", since: before(9) } })];
  const known = servers.map((it) => seen("app", it, undefined));
  assert.deepEqual(known.map((it) => it.there?.health), [undefined, "down", undefined]);
  assert.deepEqual(differences(known, pair), ["app/b is up here and down for lb1: timed out"]);
  assert.deepEqual(differences(known, undefined), []);
  const many = Array.from({ length: 5 }, () => seen("app", differs, undefined));
  assert.equal(differences(many, pair).at(-1), "lb1 judges 2 more servers otherwise");
});

test("who_owns_an_address_is_told_by_name", () => {
  const vip: Vip = { name: "main", interface: "eth0", router_id: 51, addresses: ["192.0.2.10/24"], state: "backup", reason: "heard", since: before(9), owner: "10.0.0.3", priority: 100, failed: [], moved: false, claims_total: 0, conflicts_total: 0 };
  const node = status([], { pair: { peer: "10.0.0.3:7071", up: true, since: before(9), node: "lb1" } });
  assert.equal(ownerInWords(vip, node), "10.0.0.3");
  assert.equal(ownerInWords({ ...vip, peer: { address: "10.0.0.3", owns: true } }, node), "lb1 (10.0.0.3)");
  assert.equal(ownerInWords({ ...vip, state: "active" }, node), "this node");
  assert.match(ownerInWords({ ...vip, state: "active", peer: { address: "10.0.0.3", owns: true } }, node), /^this node, and .* lb1$/);
  const peers = [undefined, { address: "x", owns: true }, { address: "x", owns: false, claim: 100 }, { address: "x", owns: false }];
  assert.deepEqual(peers.map((peer) => peerOfVipInWords(peer === undefined ? vip : { ...vip, peer })), ["", "owns it", "would claim it with 100", "may not claim it"]);
  const drawn = picture({ ...node, vips: [{ ...vip, peer: { address: "10.0.0.3", owns: true } }] }, 1200);
  assert.ok(drawn.boxes.some((it) => it.id === "peer"));
  assert.deepEqual(drawn.wires.filter((it) => it.to === "peer").map((it) => it.isIdle), [false]);
});

test("figures_of_several_things_are_one_line", () => {
  assert.deepEqual(sum([]), []);
  assert.deepEqual(sum([[1, null, 3], [10, null, null]]), [11, null, 3], "known where any is");
  assert.deepEqual(sum([[1, 2, 3], [1]]), [2, 2, 3]);
  assert.deepEqual(without([5, 2, null, 4], [3, 2.001, 1, null]), [2, 0, null, null]);
});

test("streams_have_no_answers_to_tell_apart", () => {
  const node = status([pool("app", [])]);
  assert.deepEqual(["app", "other"].map((name) => hasRequests(node, name)), [true, false]);
  const streams = { ...node, listeners: node.listeners.map((it) => ({ ...it, protocol: "tcp" })) };
  assert.equal(hasRequests(streams, "app"), false);
});

test("a_number_stays_with_its_unit", () => {
  assert.equal(unbroken("down for 3 min 20 s: 5 requests, 27 MiB, 1 %"), "down for 3\u00a0min 20\u00a0s: 5 requests, 27\u00a0MiB, 1\u00a0%");
});

test("nothing_is_kept_of_servers_that_are_gone", () => {
  const store = new Store();
  const [a, b] = [server("a"), server("b")];
  store.setStatus(status([pool("app", [a, b])]), []);
  const figures = { rate: 2, errors: 0, answered_4xx: 0, answered_5xx: 0, p50: null, p99: null, in_flight: 0 };
  store.setTick({ at: NOW, node: {}, listeners: {}, routes: {}, pools: { app: figures }, servers: { "app/a": figures, "app/b": figures } });
  store.setStatus(status([pool("app", [a])]), []);
  const kept = ["server/app/a", "server/app/b", "pool/app"].map((of) => store.ring(of, "rate")?.length);
  assert.deepEqual(kept, [1, undefined, 1]);
});

test("events_that_come_at_once_are_told_at_once", async () => {
  const store = new Store();
  const told: Change[] = [];
  const all = new Promise<void>((resolve) => store.subscribe((change) => { told.push(change); resolve(); }));
  for (const place of Array(500).keys()) store.add({ at: before(0), kind: "server-down", subject: `app/${place}`, message: "timed out" });
  await all;
  assert.deepEqual([told, store.happenings.length], [["events"], 500]);
});
