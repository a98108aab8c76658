// What termination codes mean, in the words of docs/termination-codes.md; a test holds that they agree.

export interface Code {
  code: string;
  /** What happened. */
  meaning: string;
  /** What to do about it. */
  advice: string;
}

const ROWS: readonly (readonly [string, string, string])[] = [
  ["CR", "the client left before its request was whole", "nothing, unless there are many: then somebody probes, or a network on the way breaks"],
  ["CC", "the client reset while a server was waited for or connected to", "look at `Tw` and `Tc`: if they are long, the client has lost patience"],
  ["CH", "the client reset before the answer began", "look at `Tr`: the server is slower than the client's patience"],
  ["CD", "the client left within the answer or the stream", "usual with browsers and players; with programs, look for their time-outs"],
  ["cR", "the request's head did not come in `timeouts.header`", "usual with connections opened for later; many at once from one address are an attack, see docs/limits.md"],
  ["cC", "the client stood still while a connection was made", "as `CC`"],
  ["cH", "the client's own deadline (`grpc-timeout`) was over, or it stood still, before the answer began", "look at `Tr`; raise the caller's deadline or make the server faster"],
  ["cD", "the client sent or took nothing for `timeouts.idle` or `tunnel` within a body or a stream", "usual for tunnels that nobody uses; raise the time-out if somebody does"],
  ["PR", "refused by a rule: malformed, denied, over a rate, without a password, no route, a method that is not wanted", "the status and `evenkeel_listener_refusals_total` say which; `evenkeel explain` says why a route is not taken"],
  ["PQ", "every server and the queue were full: 503", "more servers, a higher `max_connections`, or a longer queue; see docs/choosing.md"],
  ["PC", "a breaker let no more in: 503", "look at `evenkeel_pool_breaker_under_way`; the server behind it is slow, or the limit is low"],
  ["PH", "the answer could not be understood, or only in two ways: 502; a file could not be opened: 500", "look at the server: its program speaks bad HTTP; or at the rights of the folder"],
  ["PD", "the time for the whole (`timeouts.total`) was over within the answer, or a file became shorter", "raise `total`, or find out what holds the answer up"],
  ["RQ", "shed: this node has more to do than it can, and the route is not important enough: 503", "more nodes or processors; see docs/choosing.md"],
  ["RC", "no descriptor, port or memory for a connection: 503", "raise the limit of open files; see docs/running.md"],
  ["SC", "no server may be used, or the connection was refused: 503", "`evenkeel status` says which servers are down and why"],
  ["SH", "the server closed or reset before its answer began: 502, or gave the request back: 503", "look at the server's log: it crashed, restarted, or closes idle connections before this node does (`timeouts.keep_alive`)"],
  ["SD", "the server broke off within its answer or the stream", "look at the server's log"],
  ["sQ", "no server had room within `queue.wait`: 503", "as `PQ`"],
  ["sC", "the connection was not made in `timeouts.connect`: 504", "the server, or a firewall on the way, drops packets; or its backlog is full"],
  ["sH", "the answer did not begin in `timeouts.first_byte` or `total`: 504", "the server is too slow: `evenkeel why slow` says which requests"],
  ["sD", "the server sent or took nothing for `timeouts.idle` within the answer or the stream", "look at the server; raise `idle` if it may pause for so long"],
  ["KD", "the node was stopped, and the time to finish was over", "raise `[node] drain`"],
  ["I-", "a defect of this program; the connection was ended, the node goes on", "report it, with the lines around `connection-panicked` on stderr"],
];

export const CODES: readonly Code[] = ROWS.map(([code, meaning, advice]) => ({ code, meaning, advice }));

/** The figure that counts those that ended with a code. */
export function figureOf(code: string): string {
  return `ended_${code}`;
}

/** Those that have occurred, what the client did last. */
export function occurred(ended: Readonly<Record<string, number>> | undefined): string[] {
  const isClients = (code: string): boolean => code.startsWith("C") || code.startsWith("c");
  return Object.keys(ended ?? {}).sort((one, other) => Number(isClients(one)) - Number(isClients(other)) || one.localeCompare(other, "en"));
}

const KNOWN = new Map(CODES.map((it) => [it.code, it]));

/** What a code means; of one that this page does not know, that it does not. */
export function codeOf(code: string): Code {
  if (code === "--") return { code, meaning: "it ended as it should", advice: "" };
  return KNOWN.get(code) ?? { code, meaning: "a code that this page does not know", advice: "" };
}
