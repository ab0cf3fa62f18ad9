"use strict";
/* The page: asks the API once a second while it is seen, and shows what came. */

const state = {
    overview: null,
    queues: new Map(),   /* key -> {row, key, rates, ins, outs, depths} */
    total: 0,            /* queues there are */
    samples: new Map(),  /* what a rate is the difference of */
    tiles: new Map(),
    times: [],           /* of the tiles' samples */
    waits: [],           /* distributions of waiting, the newest last */
    sort: {key: "length", down: true},
    filter: "",
    all: false,          /* show more than ROWS rows */
    order: [],           /* keys of the queues as they were sorted last */
    sorted: 0,           /* when that was */
    paused: false,
    open: null,          /* key of the queue whose sheet is open */
    turn: 0,
};
const ROWS = 60;
const SORT_MS = 5000; /* rows change places this often at most, unless the reader asks */
const TOKEN = "zferry-token";

/* -- asking ------------------------------------------------------------------------------------ */

class Refused extends Error {
    constructor(status, words) {
        super(words);
        this.status = status;
    }
}

async function ask(path, body) {
    const headers = {};
    const token = sessionStorage.getItem(TOKEN);
    if (token)
        headers.Authorization = "Bearer " + token;
    if (body !== undefined)
        headers["Content-Type"] = "application/json";
    const how = {headers, cache: "no-store"};
    if (body !== undefined)
        Object.assign(how, {method: "POST", body: JSON.stringify(body)});
    const answer = await fetch("api/v1/" + path, how);
    const value = await answer.json().catch(() => ({}));
    if (!answer.ok)
        throw new Refused(answer.status, value.error || "HTTP " + answer.status);
    return value;
}

/* Asks again with a token that the reader types in, as long as one is wanted. */
async function askWithToken(path, body) {
    let wrong = false;
    for (;;) {
        if (wrong || (body !== undefined && !sessionStorage.getItem(TOKEN)))
            if (!await askToken(wrong))
                return null;
        try {
            return await ask(path, body);
        } catch (error) {
            if (error.status !== 401)
                throw error;
            wrong = Boolean(sessionStorage.getItem(TOKEN));
            sessionStorage.removeItem(TOKEN);
            showLock();
            if (!wrong && body === undefined && !await askToken(false))
                return null;
        }
    }
}

/* A question; resolves to what was typed (or true), or null. */
function question({title, words, yes, danger, token}) {
    const dialog = byId("ask");
    const field = byId("ask-token");
    say(byId("ask-title"), title);
    say(byId("ask-text"), words);
    say(byId("ask-yes"), yes);
    byId("ask-yes").className = danger ? "primary danger" : "primary";
    field.hidden = !token;
    field.value = "";
    dialog.showModal();
    (token ? field : byId("ask-no")).focus();
    return new Promise(resolve => {
        const end = value => {
            byId("ask-yes").onclick = byId("ask-no").onclick = dialog.oncancel = field.onkeydown = null;
            dialog.close();
            resolve(value);
        };
        byId("ask-yes").onclick = () => end(token ? field.value.trim() || null : true);
        byId("ask-no").onclick = () => end(null);
        dialog.oncancel = () => end(null);
        field.onkeydown = event => {
            if (event.key === "Enter") {
                event.preventDefault();
                byId("ask-yes").click();
            }
        };
    });
}

async function askToken(wrong) {
    const token = await question({
        title: wrong ? "That was not the token" : "The token, please",
        words: "Changes here want the token that the admin endpoint was started with. It is kept in this tab only.",
        yes: "Unlock", token: true});
    if (token)
        sessionStorage.setItem(TOKEN, token);
    showLock();
    return Boolean(token);
}

function showLock() {
    const has = Boolean(sessionStorage.getItem(TOKEN));
    say(byId("lock"), has ? "Lock" : "Unlock");
    byId("lock").hidden = state.overview !== null && !state.overview.can_change;
}

let toastTimer = 0;

function toast(words) {
    byId("toast").textContent = words;
    byId("toast").hidden = false;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => { byId("toast").hidden = true; }, 4000);
}

/* -- rates ------------------------------------------------------------------------------------- */

/* The growth of a total in a second, since it was last looked at; null: not known yet. When the
 * device was not asked since, the last answer stays. */
function growth(key, total, at) {
    const before = state.samples.get(key);
    if (before === undefined || total < before.total) {
        state.samples.set(key, {total, at, rate: null});
        return null;
    }
    if (at > before.at)
        state.samples.set(key, {total, at, rate: (total - before.total) * 1000 / (at - before.at)});
    return state.samples.get(key).rate;
}

function deviceRate(device, figure) {
    const value = device.figures[figure];
    return value === undefined ? null : growth(`d/${device.name}/${figure}`, value, device.looked_ms);
}

function keep(list, value) {
    list.push(value);
    if (list.length > KEPT)
        list.shift();
}

/* -- tiles ------------------------------------------------------------------------------------- */

const TILES = [
    {key: "in", label: "In", unit: "records/s", kind: "in", show: rate},
    {key: "out", label: "Out", unit: "deliveries/s", kind: "out", show: rate},
    {key: "records", label: "Records kept", unit: "", kind: "depth", show: count},
    {key: "dead", label: "Dead letters", unit: "", kind: "bad", show: count},
    {key: "wait", label: "Waiting, 99 %", unit: "", kind: "accent", show: v => v === null ? "\u2013" : "\u2264 " + age(v)},
    {key: "memory", label: "Memory for records", unit: "", kind: "out", show: bytes},
];

function makeTiles() {
    for (const tile of TILES) {
        const value = el("span", {}, "\u2013");
        const box = el("div", {class: "spark"});
        const node = el("div", {class: "tile", id: "tile-" + tile.key},
            el("div", {class: "label"}, tile.label),
            el("div", {class: "value"}, value, " ", el("small", {}, tile.unit)), box);
        byId("tiles").append(node);
        state.tiles.set(tile.key, {node, value, values: [], chart: new TileChart(box, tile.kind)});
    }
}

function sum(list) {
    return list.reduce((a, b) => a + (b || 0), 0);
}

/* The time in ms within which 99 of 100 records of the last seconds were first delivered; null: none
 * were. Distributions are totals: what was added since then is looked at. */
function waiting(devices) {
    const now = new Map();
    for (const device of devices)
        for (const [name, value] of Object.entries(device.figures))
            if (name.startsWith("wait_ms.le.")) {
                const bound = name === "wait_ms.le.inf" ? Infinity : Number(name.slice(11));
                now.set(bound, (now.get(bound) || 0) + value);
            }
    state.waits.push(now);
    if (state.waits.length > 15)
        state.waits.shift();
    const before = state.waits[0];
    const added = [...now].map(([bound, value]) => [bound, value - (before.get(bound) || 0)]).sort((a, b) => a[0] - b[0]);
    const all = added.length > 0 ? added[added.length - 1][1] : 0;
    if (all <= 0)
        return null;
    const bound = added.find(a => a[1] >= .99 * all)[0];
    return bound === Infinity ? added[added.length - 2][0] : bound;
}

/* Plain ZeroMQ's publications count as well. */
function showTiles() {
    const devices = state.overview.devices.filter(d => d.answers);
    const entries = [...state.queues.values()];
    const figures = {
        in: sum(devices.map(d => deviceRate(d, "posted"))) + sum(devices.map(d => deviceRate(d, "plain_in"))),
        out: sum(devices.map(d => deviceRate(d, "delivered"))) + sum(devices.map(d => deviceRate(d, "plain_out"))),
        records: sum(devices.map(d => d.figures.records)),
        dead: sum(deadOf(entries).map(d => d.length)),
        wait: waiting(devices),
        memory: sum(devices.map(d => (d.figures.bytes || 0) + (d.figures.overhead || 0))),
    };
    keep(state.times, Date.now() / 1000);
    for (const {key, show} of TILES) {
        const tile = state.tiles.get(key);
        keep(tile.values, figures[key]);
        say(tile.value, show(figures[key]));
        tile.chart.draw(state.times, tile.values);
    }
    state.tiles.get("dead").node.classList.toggle("alarm", figures.dead > 0);
}

/* -- queues ------------------------------------------------------------------------------------ */

function keyOf(row) {
    return row.device + "/" + row.path;
}

function takeQueues(list) {
    const seen = new Set();
    for (const row of list.queues) {
        const key = keyOf(row);
        const at = list.looked[row.device];
        const entry = state.queues.get(key) || {key, ins: [], outs: [], depths: [], times: []};
        seen.add(key);
        entry.row = row;
        entry.in = growth(`q/${key}/in`, row.posted, at);
        entry.out = growth(`q/${key}/out`, row.delivered, at);
        keep(entry.times, Date.now() / 1000);
        keep(entry.ins, entry.in);
        keep(entry.outs, entry.out);
        keep(entry.depths, row.length);
        state.queues.set(key, entry);
    }
    for (const key of state.queues.keys())
        if (!seen.has(key))
            state.queues.delete(key);
    state.total = list.total;
}

const COLUMNS = [
    {key: "name", label: "Queue", value: e => text(e.row.queue)},
    {key: "device", label: "Device", low: true, value: e => e.row.device, left: true},
    {key: "length", label: "Length", value: e => e.row.length, show: e => count(e.row.length)},
    {key: "oldest", label: "Oldest", low: true, value: e => e.row.oldest_ms, show: e => e.row.length ? age(e.row.oldest_ms) : "\u2013"},
    {key: "leased", label: "Leased", low: true, value: e => e.row.leased, show: e => count(e.row.leased)},
    {key: "delayed", label: "Delayed", low: true, value: e => e.row.delayed, show: e => count(e.row.delayed)},
    {key: "workers", label: "Workers", value: e => e.row.workers, show: e => count(e.row.workers), warn: isUnserved},
    {key: "in", label: "In/s", value: e => e.in || 0, show: e => rate(e.in)},
    {key: "out", label: "Out/s", value: e => e.out || 0, show: e => rate(e.out)},
    {key: "spark", label: "Last minute", low: true},
];

/* Records wait, and nobody is there to take them. */
function isUnserved(entry) {
    return entry.row.kind === "queue" && entry.row.workers === 0 && entry.row.length > 0 && !isDeadLetter(entry);
}

function isDeadLetter(entry) {
    return deadNames.has(entry.row.device + "/" + text(entry.row.queue));
}

let deadNames = new Set();

function findDeadNames(entries) {
    deadNames = new Set(entries.filter(e => e.row.dead_letter !== null)
        .map(e => e.row.device + "/" + text(e.row.dead_letter)));
}

function makeQueueHead() {
    const row = el("tr");
    for (const column of COLUMNS) {
        const label = column.value === undefined ? column.label
            : el("button", {type: "button", onclick: () => sortBy(column.key)}, column.label);
        row.append(el("th", {scope: "col", class: (column.low ? "low " : "") + (column.left ? "left" : ""),
                             "data-key": column.key}, label));
    }
    byId("queue-table").tHead.append(row);
}

function sortBy(key) {
    const words = key === "name" || key === "device";
    state.sort = {key, down: state.sort.key === key ? !state.sort.down : !words};
    state.sorted = 0;
    showQueues();
}

function compare(a, b) {
    const column = COLUMNS.find(c => c.key === state.sort.key);
    const x = column.value(a);
    const y = column.value(b);
    const order = typeof x === "string" ? x.localeCompare(y) : x - y;
    return (state.sort.down ? -order : order) || a.key.localeCompare(b.key);
}

function makeQueueRow(entry) {
    const name = el("button", {type: "button", class: "link"});
    const badge = el("span", {class: "badge"});
    entry.cells = {};
    entry.spark = new Spark();
    entry.node = el("tr", {class: "go", "data-queue": entry.row.path, onclick: () => openSheet(entry.key)});
    for (const column of COLUMNS) {
        const cell = el("td", {class: column.low ? "low" : column.left ? "left" : ""});
        if (column.left)
            cell.classList.add("left");
        if (column.key === "name")
            cell.append(name, badge);
        if (column.key === "spark")
            cell.append(entry.spark.node);
        entry.cells[column.key] = cell;
        entry.node.append(cell);
    }
    say(name, text(entry.row.queue));
    name.title = text(entry.row.queue);
    entry.badge = badge;
}

function fillQueueRow(entry) {
    const kind = isDeadLetter(entry) ? "dead letters" : entry.row.kind;
    if (entry.node === undefined)
        makeQueueRow(entry);
    entry.badge.hidden = kind === "queue";
    say(entry.badge, kind);
    for (const column of COLUMNS) {
        const cell = entry.cells[column.key];
        if (column.key === "name" || column.key === "spark")
            continue;
        const shown = column.show ? column.show(entry) : column.value(entry);
        say(cell, shown);
        cell.classList.toggle("zero", shown === "0" || shown === "\u2013");
        cell.classList.toggle("warn", Boolean(column.warn && column.warn(entry)));
    }
    entry.spark.draw(entry.ins, entry.outs);
}

/* All queues in their order. New ones come last until it is sorted again. */
function inOrder() {
    if (performance.now() - state.sorted > SORT_MS || state.sorted === 0) {
        state.order = [...state.queues.values()].sort(compare).map(e => e.key);
        state.sorted = performance.now();
    }
    const known = new Set(state.order);
    state.order.push(...[...state.queues.keys()].filter(key => !known.has(key)));
    state.order = state.order.filter(key => state.queues.has(key));
    return state.order.map(key => state.queues.get(key));
}

/* Rows stay where they are as long as their order does: focus and hover are kept. Dead letters have
 * a table of their own, and are seen here only when they are looked for. */
function showQueues() {
    const wanted = state.filter.toLowerCase();
    const entries = inOrder().filter(e => wanted ? text(e.row.queue).toLowerCase().includes(wanted) : !isDeadLetter(e));
    const shown = state.all ? entries : entries.slice(0, ROWS);
    const body = byId("queue-table").tBodies[0];
    shown.forEach(fillQueueRow);
    const rows = shown.map(e => e.node);
    if (rows.length !== body.rows.length || rows.some((row, i) => row !== body.rows[i]))
        body.replaceChildren(...rows);
    for (const head of byId("queue-table").tHead.rows[0].cells) {
        if (head.dataset.key === state.sort.key)
            head.setAttribute("aria-sort", state.sort.down ? "descending" : "ascending");
        else
            head.removeAttribute("aria-sort");
    }
    const several = new Set([...state.queues.values()].map(e => e.row.device)).size > 1;
    for (const cell of byId("queue-table").querySelectorAll("tr > :nth-child(2)"))
        cell.hidden = !several;
    byId("more").hidden = state.all || entries.length <= ROWS;
    say(byId("more"), "Show all " + count(entries.length));
    say(byId("queues-note"), noteOf(entries.length));
}

function noteOf(matching) {
    const known = state.queues.size;
    const words = matching === known ? count(known) : `${count(matching)} of ${count(known)}`;
    return state.total > known ? `${words} of ${count(state.total)}, the first by name` : words;
}

/* -- dead letters ------------------------------------------------------------------------------ */

/* Queues that have some: a dead-letter queue that nobody points at is a queue like any other. */
function deadOf(entries) {
    const lengths = new Map(entries.map(e => [e.row.device + "/" + text(e.row.queue), e.row.length]));
    return entries.filter(e => e.row.dead_letter !== null && !isDeadLetter(e) && e.row.dead > 0)
        .map(e => ({entry: e, length: lengths.get(e.row.device + "/" + text(e.row.dead_letter)) || 0}))
        .filter(d => d.length > 0);
}

function showDead() {
    const dead = deadOf([...state.queues.values()]).sort((a, b) => b.length - a.length);
    const body = byId("dead-table").tBodies[0];
    byId("dead").classList.toggle("empty", dead.length === 0);
    say(byId("dead-note"), dead.length > 0 ? count(sum(dead.map(d => d.length))) : "");
    const rows = dead.slice(0, 50).map(({entry, length}) => {
        if (entry.deadNode === undefined) {
            entry.deadCount = el("td", {class: "alarm count"});
            entry.deadRate = el("td", {});
            entry.deadNode = el("tr", {class: "go", "data-dead": entry.row.path, onclick: () => openSheet(entry.key)},
                el("td", {}, el("button", {type: "button", class: "link"}, text(entry.row.queue))),
                entry.deadRate, entry.deadCount);
        }
        say(entry.deadCount, count(length));
        say(entry.deadRate, count(entry.row.dead) + " since the queue was made");
        entry.deadRate.className = "quiet";
        return entry.deadNode;
    });
    if (rows.length !== body.rows.length || rows.some((row, i) => row !== body.rows[i]))
        body.replaceChildren(...rows);
}

/* -- streams ----------------------------------------------------------------------------------- */

function showStreams() {
    const entries = [...state.queues.values()];
    const streams = entries.filter(e => e.row.kind === "stream").sort((a, b) => a.key.localeCompare(b.key));
    byId("streams").classList.toggle("empty", streams.length === 0);
    say(byId("streams-note"), streams.length > 0 ? count(streams.length) : "");
    byId("stream-list").replaceChildren(...streams.slice(0, 40).map(stream => streamNode(stream, entries)));
}

function streamNode(stream, entries) {
    const row = stream.row;
    const groups = entries.filter(e => e.row.kind === "group" && e.row.device === row.device &&
        text(e.row.stream) === text(row.queue));
    const figures = [count(row.length) + " records", bytes(row.bytes), rate(stream.in) + "/s in",
        many(row.subscribers, "subscriber")].join(" \u00b7 ");
    return el("div", {class: "stream", "data-stream": row.path},
        el("div", {class: "top"}, el("b", {}, text(row.queue)), el("span", {class: "quiet"}, figures)),
        ...groups.slice(0, 30).map(group => groupNode(group, row)));
}

/* The bar is the part of what is kept that the group has not finished. */
function groupNode(group, stream) {
    const lag = group.row.lag;
    const part = stream.length > 0 ? Math.min(1, lag / stream.length) : 0;
    const bar = el("i", {class: part > .9 && lag > 100 ? "bad" : part > .5 && lag > 100 ? "warn" : ""});
    bar.style.width = (part * 100).toFixed(1) + "%";
    const missed = group.row.missed > 0 ? `, ${count(group.row.missed)} missed` : "";
    return el("div", {class: "group", title: `${many(group.row.workers, "worker")}, ${count(group.row.leased)} leased`},
        el("span", {class: "name"}, text(group.row.group)), el("span", {class: "meter"}, bar),
        el("span", {class: "quiet"}, `lag ${count(lag)}${missed} \u00b7 ${rate(group.out)}/s`));
}

/* -- journal, peers ---------------------------------------------------------------------------- */

function figuresList(pairs) {
    return el("dl", {class: "figures"}, ...pairs.map(([name, value]) =>
        el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function journalNode(journal) {
    const part = journal.cap > 0 ? Math.min(1, journal.bytes / journal.cap) : 0;
    const bar = el("i", {class: part > .95 ? "bad" : part > .8 ? "warn" : ""});
    bar.style.width = (part * 100).toFixed(1) + "%";
    const trouble = journal.failed ? "has failed" : journal.full ? "is full" : "";
    return el("div", {class: "journal"},
        el("div", {class: "head"}, el("b", {}, journal.device), el("span", {class: "path quiet"}, text(journal.directory)),
            trouble ? el("span", {class: "pill bad"}, trouble) : null),
        el("div", {class: "meter"}, bar),
        figuresList([["On disk", `${bytes(journal.bytes)} of ${bytes(journal.cap)}`], ["Segments", count(journal.segments)],
            ["Written", bytes(growth("j/b/" + journal.device, journal.appended_bytes, journal.looked_ms) || 0) + "/s"],
            ["Syncs", rate(growth("j/s/" + journal.device, journal.syncs, journal.looked_ms)) + "/s"],
            ["Not durable yet", bytes(journal.under_way)], ["Records", count(journal.durable_records)]]));
}

function showJournals(list) {
    byId("journal").classList.toggle("empty", list.length === 0);
    byId("journal-list").replaceChildren(...list.map(journalNode));
}

function fillTable(table, heads, rows) {
    table.tHead.replaceChildren(el("tr", {}, ...heads.map(h => el("th", {class: "left", scope: "col"}, h))));
    table.tBodies[0].replaceChildren(...rows.map(cells => el("tr", {}, ...cells.map(c => el("td", {class: "left"}, c)))));
}

function showPeers(peers, offers) {
    byId("peers").classList.toggle("empty", peers.total === 0 && offers.total === 0);
    say(byId("peers-note"), peers.self ? `this is ${text(peers.self.name)}; ${many(peers.total, "other")} seen` : "");
    byId("peer-table").hidden = peers.total === 0;
    byId("offers-head").hidden = offers.total === 0;
    fillTable(byId("peer-table"), ["Node", "Endpoint", "Silent", "Groups"], peers.peers.slice(0, 100).map(peer => [
        text(peer.name) + (peer.zferry ? "" : " (Zyre)"), text(peer.endpoint),
        age(peer.silent_ms) + (peer.evasive ? ", evasive" : ""), peer.groups.map(text).join(", ")]));
    fillTable(byId("offer-table"), ["Offer", "Endpoint", "Node"], offers.offers.slice(0, 200).map(offer => [
        text(offer.what), text(offer.endpoint), text(offer.node) + (offer.own ? " (this one)" : "")]));
}

/* -- the sheet of a queue ---------------------------------------------------------------------- */

let sheetChart = null;

function openSheet(key) {
    const entry = state.queues.get(key);
    if (entry === undefined)
        return;
    state.open = key;
    sheetChart.clear();
    say(byId("sheet-name"), text(entry.row.queue));
    byId("letters").replaceChildren();
    byId("sheet-records").open = false;
    say(byId("sheet-dead-note"), "");
    byId("sheet").showModal();
    showSheet();
    showPolicy(entry).catch(error => toast(error.message));
    showLetters().catch(error => toast(error.message));
}

async function showPolicy(entry) {
    const whole = await ask(`queue/${entry.row.path}${query(entry.row)}`);
    const policy = Object.entries(whole.policy).map(([name, value]) => [name, text(value)]);
    byId("sheet-policy").querySelector("dl").replaceWith(figuresList(policy));
}

function query(row) {
    return "?device=" + encodeURIComponent(row.device);
}

function showSheet() {
    const entry = state.queues.get(state.open);
    if (entry === undefined || !byId("sheet").open)
        return;
    const row = entry.row;
    sheetChart.draw([entry.times, entry.ins, entry.outs, entry.depths]);
    say(byId("sheet-kind"), `${row.kind} at ${row.device}`);
    byId("sheet-figures").replaceWith(Object.assign(figuresList([
        ["Length", count(row.length)], ["Bytes", bytes(row.bytes)], ["Oldest", row.length ? age(row.oldest_ms) : "\u2013"],
        ["Leased", count(row.leased)], ["Delayed", count(row.delayed)], ["Workers", count(row.workers)],
        ["Posted", count(row.posted)], ["Delivered", count(row.delivered)], ["Acknowledged", count(row.acked)],
        ["Redelivered", count(row.redelivered)], ["Dead", count(row.dead)], ["Dropped", count(row.dropped)],
        ["Duplicates", count(row.duplicates)], ["Refused", count(row.refused)], ["Confirmed means", "sync " + row.sync],
    ]), {id: "sheet-figures"}));
    const locked = !state.overview.can_change;
    for (const button of byId("sheet").querySelectorAll(".actions button")) {
        button.disabled = locked;
        button.title = locked ? "No token was set up: nothing can be changed here" : "";
    }
    byId("sheet-actions").hidden = row.kind === "stream";
    byId("sheet-dead").hidden = row.dead_letter === null;
}

function letterNode(letter) {
    const attempts = letter.attempts === undefined ? letter.attempt : letter.attempts;
    const about = [`record ${letter.id}`, attempts > 0 ? many(attempts, "attempt") : "not delivered yet", bytes(letter.size)];
    for (const [name, value] of [["key", letter.key], ["topic", letter.topic], ["id", letter.dedup_id]])
        if (value !== undefined)
            about.push(`${name} ${text(value)}`);
    const binary = typeof letter.preview === "object";
    const why = letter.attempts === undefined ? null : el("div", {class: "why"}, text(letter.reason) || "no reason given");
    return el("div", {class: "letter"}, why,
        el("div", {class: "meta"}, about.join(" \u00b7 ")),
        el("pre", {}, (binary ? dump(letter.preview) : letter.preview) + (letter.size > 256 ? "\u2026" : "")));
}

async function showLetters() {
    const entry = state.queues.get(state.open);
    if (entry === undefined || entry.row.dead_letter === null)
        return;
    const key = state.open;
    const found = await ask(`dead/${entry.row.path}${query(entry.row)}&limit=20`);
    if (state.open !== key)
        return;
    const more = found.length > found.letters.length ? `, the oldest ${found.letters.length} shown` : "";
    say(byId("sheet-dead-note"), found.dead_letter === null ? "none are kept" : `${count(found.length)} in ${text(found.dead_letter)}${more}`);
    byId("letters").replaceChildren(...found.letters.map(letterNode));
    for (const id of ["requeue-one", "requeue-all", "discard-one", "discard-all"])
        byId(id).hidden = found.letters.length === 0;
}

/* When they are asked for: each look reads from the broker. */
async function showRecords() {
    const entry = state.queues.get(state.open);
    const details = byId("sheet-records");
    if (entry === undefined || !details.open)
        return;
    const found = await ask(`queue/${entry.row.path}/records${query(entry.row)}&limit=20`);
    const nodes = found.records.map(letterNode);
    details.querySelector("div").replaceChildren(...nodes.length > 0 ? nodes : [el("p", {class: "quiet"}, "None.")]);
}

/* Changes the open queue, and shows at once what came of it. */
async function change(verb, body, sure, done) {
    const entry = state.queues.get(state.open);
    if (entry === undefined || (sure && !await question({...sure(entry), danger: true})))
        return;
    try {
        const result = await askWithToken(`${verb(entry.row)}${query(entry.row)}`, body);
        if (result === null)
            return;
        toast(done(result));
        await look(true);
        await showLetters();
    } catch (error) {
        toast(error.message);
    }
}

const dead = what => row => `dead/${row.path}/${what}`;

function wireSheet() {
    const surely = words => entry => ({title: "Discard for good?", words: `${words} of ${text(entry.row.queue)} will be gone.`, yes: "Discard"});
    const requeued = r => `${count(r.requeued)} requeued`;
    const discarded = r => `${count(r.discarded)} discarded`;
    byId("requeue-one").onclick = () => change(dead("requeue"), {max: 1}, null, requeued);
    byId("requeue-all").onclick = () => change(dead("requeue"), {}, null, requeued);
    byId("discard-one").onclick = () => change(dead("discard"), {max: 1}, surely("The oldest dead letter"), discarded);
    byId("discard-all").onclick = () => change(dead("discard"), {}, surely("All dead letters"), discarded);
    byId("purge").onclick = () => change(row => `queue/${row.path}/purge`, {},
        entry => ({title: "Purge the queue?", words: `All records of ${text(entry.row.queue)} that are not at a worker will be gone.`, yes: "Purge"}),
        r => `${count(r.purged)} purged`);
    byId("sheet-records").ontoggle = () => showRecords().catch(error => toast(error.message));
    byId("sheet-close").onclick = () => byId("sheet").close();
    byId("sheet").onclose = () => { state.open = null; };
    byId("sheet").onclick = event => {
        if (event.target === byId("sheet") && event.clientX < byId("sheet").getBoundingClientRect().left)
            byId("sheet").close();
    };
}

/* -- looking ----------------------------------------------------------------------------------- */

function showHead() {
    const overview = state.overview;
    const pill = byId("health");
    pill.className = "pill " + (state.paused ? "warn" : overview.ready ? "good" : "bad");
    say(pill, state.paused ? "paused" : overview.ready ? "ready" : "not ready");
    say(byId("about"), `${overview.versions.zferry} \u00b7 up ${age(overview.uptime_ms)}`);
    byId("reload").hidden = !overview.can_reload || !overview.can_change;
    trouble(overview.ready ? "" : overview.why);
    say(byId("devices-note"), count(overview.devices.length));
    showLock();
}

function trouble(words) {
    byId("trouble").hidden = !words;
    say(byId("trouble"), words || "");
}

/* One look at all that changes; what changes slowly only every third time. */
async function look(now) {
    const [overview, list] = await Promise.all([askWithToken("overview"), ask("queues?limit=2000")]);
    if (overview === null)
        return;
    state.overview = overview;
    takeQueues(list);
    findDeadNames([...state.queues.values()]);
    showHead();
    showTiles();
    drawMap(byId("map"), overview.devices, deviceRate);
    showQueues();
    showDead();
    showStreams();
    showSheet();
    if (!now && state.turn++ % 3 !== 0)
        return;
    const [journals, peers, offers] = await Promise.all([ask("journal"), ask("peers?limit=200"), ask("directory?limit=500")]);
    showJournals(journals.journals);
    showPeers(peers, offers);
}

async function run() {
    for (;;) {
        const begin = performance.now();
        if (!state.paused && !document.hidden) {
            try {
                await look(false);
            } catch (error) {
                byId("health").className = "pill bad";
                say(byId("health"), "no answer");
                trouble(error instanceof Refused ? error.message : "The admin endpoint does not answer.");
            }
        }
        await new Promise(resolve => setTimeout(resolve, Math.max(200, 1000 - (performance.now() - begin))));
    }
}

function wire() {
    byId("filter").oninput = event => {
        state.filter = event.target.value;
        showQueues();
    };
    byId("more").onclick = () => {
        state.all = true;
        showQueues();
    };
    byId("pause").onclick = () => {
        state.paused = !state.paused;
        say(byId("pause"), state.paused ? "Go on" : "Pause");
        if (state.overview !== null)
            showHead();
    };
    byId("lock").onclick = async () => {
        if (sessionStorage.getItem(TOKEN))
            sessionStorage.removeItem(TOKEN);
        else
            await askToken(false);
        showLock();
    };
    byId("reload").onclick = async () => {
        try {
            const result = await askWithToken("reload", {});
            if (result !== null)
                toast(result.text || "reloaded");
        } catch (error) {
            toast(error.message);
        }
    };
    wireSheet();
}

sheetChart = new QueueChart(byId("sheet-chart"));
makeTiles();
makeQueueHead();
wire();
showLock();
run();
