"use strict";
/* Building elements, writing numbers, drawing lines and the picture of the devices. Texts from
 * outside only ever become text nodes. */

const SVG = "http://www.w3.org/2000/svg";

/* Fills an element: attributes (on...: listeners), then children (texts, elements, null). */
function dress(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
        if (key.startsWith("on"))
            node.addEventListener(key.slice(2), value);
        else if (value === true)
            node.setAttribute(key, "");
        else if (value !== false && value !== null && value !== undefined)
            node.setAttribute(key, value);
    }
    for (const child of children)
        if (child !== null && child !== undefined)
            node.append(child);
    return node;
}

function el(tag, attributes, ...children) {
    return dress(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
    return dress(document.createElementNS(SVG, tag), attributes, children);
}

function byId(id) {
    return document.getElementById(id);
}

/* Changes a text only if it has to: nothing is laid out again otherwise. */
function say(node, text) {
    if (node.textContent !== text)
        node.textContent = text;
}

/* -- words ------------------------------------------------------------------------------------- */

function count(n) {
    if (n < 10000)
        return n.toLocaleString("en");
    const units = ["", "k", "M", "G", "T", "P"];
    let i = 0;
    while (n >= 1000 && i < units.length - 1) {
        n /= 1000;
        i++;
    }
    return (n >= 100 ? n.toFixed(0) : n.toFixed(1)) + units[i];
}

function rate(n) {
    if (n === null || n === undefined)
        return "\u2013";
    if (n === 0)
        return "0";
    return n < 10 ? n.toFixed(1) : count(Math.round(n));
}

function bytes(n) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    while (n >= 1024 && i < units.length - 1) {
        n /= 1024;
        i++;
    }
    return (i === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)) + " " + units[i];
}

function age(ms) {
    if (ms < 1000)
        return ms + " ms";
    const s = ms / 1000;
    if (s < 120)
        return s.toFixed(s < 10 ? 1 : 0) + " s";
    if (s < 7200)
        return Math.round(s / 60) + " min";
    return s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
}

function rawBytes(base64) {
    return Uint8Array.from(atob(base64), c => c.charCodeAt(0));
}

/* A value that may be bytes: {"base64": ...} is shown with \xNN for what is no plain letter. */
function text(value) {
    if (value === null || value === undefined)
        return "";
    if (typeof value !== "object")
        return String(value);
    let shown = "";
    for (const byte of rawBytes(value.base64 || ""))
        shown += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "\\x" + byte.toString(16).padStart(2, "0");
    return shown;
}

/* Bytes as people read them: 16 in a line, and their letters. */
function dump(value) {
    const data = rawBytes(value.base64 || "");
    const lines = [];
    for (let i = 0; i < data.length; i += 16) {
        const part = [...data.slice(i, i + 16)];
        const hex = part.map(b => b.toString(16).padStart(2, "0")).join(" ").padEnd(3 * Math.min(16, data.length));
        lines.push(hex + "  " + part.map(b => b >= 32 && b < 127 ? String.fromCharCode(b) : ".").join(""));
    }
    return lines.join("\n");
}

/* "1 queue", "2 queues". */
function many(n, word) {
    return count(n) + " " + word + (n === 1 ? "" : "s");
}

/* -- lines ------------------------------------------------------------------------------------- */

const KEPT = 120; /* samples: two minutes */

function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

/* Two lines in a cell of a table. */
class Spark {
    constructor() {
        this.first = svg("path", {});
        this.second = svg("path", {class: "out"});
        this.node = svg("svg", {class: "spark", viewBox: "0 0 96 22", preserveAspectRatio: "none",
                                "aria-hidden": "true"}, this.second, this.first);
    }

    draw(a, b) {
        const most = Math.max(1e-9, ...a.map(v => v || 0), ...b.map(v => v || 0));
        this.first.setAttribute("d", this.path(a, most));
        this.second.setAttribute("d", this.path(b, most));
    }

    path(values, most) {
        const shown = values.slice(-60);
        let d = "";
        shown.forEach((v, i) => {
            if (v === null)
                return;
            const x = 96 - (shown.length - 1 - i) * 96 / 59;
            d += (d ? "L" : "M") + x.toFixed(1) + " " + (20.5 - 19 * v / most).toFixed(1);
        });
        return d;
    }
}

/* A line without axes, in a tile. */
class TileChart {
    constructor(box, kind) {
        this.box = box;
        this.kind = kind;
        this.plot = null;
    }

    draw(times, values) {
        const width = this.box.clientWidth;
        if (width === 0 || times.length < 2)
            return;
        if (this.plot === null)
            this.plot = new uPlot(this.options(width), [times, values], this.box);
        else
            this.plot.setData([times, values]);
        if (this.plot.width !== width)
            this.plot.setSize({width, height: 44});
    }

    options(width) {
        const stroke = () => colour(this.kind);
        return {
            width, height: 44, pxAlign: false, legend: {show: false}, cursor: {show: false}, padding: [4, 0, 0, 0],
            scales: {x: {range: (u, least, most) => [most - KEPT, most]},
                     y: {range: (u, least, most) => [0, Math.max(most * 1.15, 1)]}},
            axes: [{show: false}, {show: false}],
            series: [{}, {stroke, width: 1.75, fill: () => stroke() + "22", points: {show: false}}],
        };
    }
}

/* A queue's rates and depth, with axes. */
class QueueChart {
    constructor(box) {
        this.box = box;
        this.plot = null;
    }

    clear() {
        if (this.plot !== null)
            this.plot.destroy();
        this.plot = null;
    }

    draw(data) {
        const width = this.box.clientWidth;
        if (width === 0 || data[0].length < 2)
            return;
        if (this.plot === null)
            this.plot = new uPlot(this.options(width), data, this.box);
        else
            this.plot.setData(data);
        if (this.plot.width !== width)
            this.plot.setSize({width, height: 180});
    }

    options(width) {
        const ink = () => colour("quiet");
        const grid = {stroke: () => colour("line"), width: 1};
        const axis = {stroke: ink, grid, ticks: grid, font: "11px system-ui, sans-serif"};
        const line = (label, name, scale, show) => ({label, scale, stroke: () => colour(name), width: 1.75,
            points: {show: false}, value: (u, v) => v === null || v === undefined ? "\u2013" : show(v)});
        const up = (u, least, most) => [0, Math.max((most || 0) * 1.15, 1)];
        return {
            width, height: 180, padding: [10, 4, 0, 0],
            scales: {x: {range: (u, least, most) => [most - KEPT, most]}, rate: {range: up}, depth: {range: up}},
            axes: [{...axis, size: 30, values: (u, ticks) => ticks.map(t => new Date(t * 1000).toLocaleTimeString("en-GB"))},
                   {...axis, scale: "rate", size: 46, values: (u, ticks) => ticks.map(t => count(t))},
                   {...axis, scale: "depth", side: 1, size: 46, grid: {show: false},
                    values: (u, ticks) => ticks.map(t => count(t))}],
            series: [{value: (u, t) => t ? new Date(t * 1000).toLocaleTimeString("en-GB") : "\u2013"},
                     line("in/s", "in", "rate", rate), line("out/s", "out", "rate", rate),
                     line("length", "depth", "depth", count)],
        };
    }
}

/* -- the picture ------------------------------------------------------------------------------- */

const NODE = {width: 204, height: 82, across: 96, down: 26};

/* An endpoint without what is not of the address; on this machine it is the port that tells. */
function addressOf(endpoint) {
    const plain = text(endpoint).replace(/^>/, "").replace(/\|.*$/, "");
    const port = plain.match(/^tcp:\/\/(?:\*|0\.0\.0\.0|127\.[0-9.]+|localhost|\[::1?\]):(\d+)$/);
    return port ? "this machine, port " + port[1] : plain;
}

/* Devices and what they are joined to: nodes {id, name, kind, lines, state} and edges {from, to,
 * label, state, arrow}. */
function graphOf(devices, rates) {
    const nodes = new Map();
    const edges = [];
    const owner = new Map();
    for (const device of devices) {
        for (const endpoint of device.endpoints)
            owner.set(addressOf(endpoint), "d:" + device.name);
        nodes.set("d:" + device.name, {id: "d:" + device.name, name: device.name, kind: device.kind,
            lines: linesOf(device, rates), state: device.answers ? "good" : "bad"});
    }
    for (const device of devices)
        device.joins.forEach((join, i) => {
            const other = owner.get(addressOf(join)) || "x:" + addressOf(join);
            if (!nodes.has(other))
                nodes.set(other, {id: other, name: text(join).replace(/^>/, "").replace(/\|.*$/, ""), kind: "elsewhere", lines: [], state: "outside"});
            edges.push(edgeOf(device, other, i, rates));
        });
    return {nodes: [...nodes.values()], edges};
}

function edgeOf(device, other, i, rates) {
    const own = "d:" + device.name;
    const isSource = device.kind === "link" && i === 0 && device.joins.length > 1;
    const flow = device.kind === "link" ? rates(device, "confirmed") : null;
    const connected = device.figures[isSource ? "connected_from" : "connected_to"];
    const state = connected === 0 ? "bad" : flow > 0 ? "flows" : "";
    const label = !isSource && flow > 0 ? rate(flow) + "/s" : "";
    return {from: isSource ? other : own, to: isSource ? own : other, label, state};
}

function linesOf(device, rates) {
    const f = device.figures;
    if (!device.answers)
        return ["does not answer"];
    if (device.kind === "link")
        return [count(f.backlog || 0) + " waiting \u00b7 " + rate(rates(device, "confirmed")) + "/s"];
    const moved = rate(rates(device, "posted")) + "/s in \u00b7 " + rate(rates(device, "delivered")) + "/s out";
    const plain = f.plain_in !== undefined && (f.plain_in > 0 || f.plain_subscriptions > 0);
    return [many(f.sessions || 0, "session") + " \u00b7 " + many(f.queues || 0, "queue"),
            plain ? rate(rates(device, "plain_in")) + "/s in \u00b7 " + rate(rates(device, "plain_out")) + "/s out (plain)" : moved];
}

/* The column of each node: behind all that lead to it; circles end at the number of nodes. */
function columnsOf(graph) {
    const column = new Map(graph.nodes.map(n => [n.id, 0]));
    for (let round = 0; round < graph.nodes.length; round++) {
        let moved = false;
        for (const edge of graph.edges) {
            const wanted = column.get(edge.from) + 1;
            if (column.get(edge.to) < wanted && wanted < graph.nodes.length) {
                column.set(edge.to, wanted);
                moved = true;
            }
        }
        if (!moved)
            break;
    }
    return column;
}

/* Those that nothing is joined to fill rows of their own below. */
function placesOf(graph, room) {
    const upright = room < 700;
    const step = {x: NODE.width + (upright ? 22 : NODE.across), y: NODE.height + (upright ? 46 : NODE.down)};
    const joined = new Set(graph.edges.flatMap(e => [e.from, e.to]));
    const column = columnsOf(graph);
    const used = [];
    const places = new Map();
    const put = (node, x, y) => places.set(node.id, {x: 10 + x * step.x, y: 10 + y * step.y});
    for (const node of graph.nodes.filter(n => joined.has(n.id))) {
        const c = column.get(node.id);
        used[c] = (used[c] || 0) + 1;
        put(node, upright ? used[c] - 1 : c, upright ? c : used[c] - 1);
    }
    let row = joined.size === 0 ? 0 : upright ? used.length : Math.max(...used.map(n => n || 0));
    const wide = Math.max(1, Math.floor((room - 20 + 22) / (NODE.width + 22)));
    graph.nodes.filter(n => !joined.has(n.id)).forEach((node, i) =>
        places.set(node.id, {x: 10 + (i % wide) * (NODE.width + 22), y: 10 + (row + Math.floor(i / wide)) * step.y}));
    return {places, upright};
}

function clip(words, most) {
    return words.length > most ? words.slice(0, most - 1) + "\u2026" : words;
}

function drawNode(node, at) {
    const small = node.state === "outside";
    const group = svg("g", {class: "node " + node.state, transform: `translate(${at.x} ${at.y})`},
        svg("title", {}, node.name),
        svg("rect", {class: "body", width: NODE.width, height: NODE.height, rx: 10}),
        small ? null : svg("rect", {class: "bar", x: 0, y: 14, width: 4, height: NODE.height - 28, rx: 2}),
        svg("text", {class: "kind", x: 16, y: 22}, node.kind.toUpperCase()),
        svg("text", {class: small ? "" : "name", x: 16, y: 41}, clip(node.name, small ? 27 : 22)));
    node.lines.forEach((line, i) => group.append(svg("text", {class: "dim", x: 16, y: 58 + 15 * i}, clip(line, 31))));
    return group;
}

function drawEdge(edge, places, upright) {
    const a = places.get(edge.from);
    const b = places.get(edge.to);
    const from = upright ? {x: a.x + NODE.width / 2, y: a.y + NODE.height} : {x: a.x + NODE.width, y: a.y + NODE.height / 2};
    const to = upright ? {x: b.x + NODE.width / 2, y: b.y} : {x: b.x, y: b.y + NODE.height / 2};
    const bend = upright ? [0, 24] : [Math.max(36, Math.abs(to.x - from.x) / 2), 0];
    const d = `M${from.x} ${from.y}C${from.x + bend[0]} ${from.y + bend[1]} ${to.x - bend[0]} ${to.y - bend[1]} ${to.x} ${to.y}`;
    const middle = {x: (from.x + to.x) / 2 + (upright ? 10 : 0), y: (from.y + to.y) / 2 + (upright ? 4 : -7)};
    const line = svg("path", {class: "edge " + edge.state, d, "marker-end": "url(#tip)"});
    line.style.animationDelay = -(performance.now() % 700) + "ms"; /* goes on where the last one was */
    return svg("g", {}, line,
        edge.label ? svg("text", {class: "dim", x: middle.x, y: middle.y, "text-anchor": upright ? "start" : "middle"}, edge.label) : null);
}

function drawMap(box, devices, rates) {
    const graph = graphOf(devices, rates);
    const {places, upright} = placesOf(graph, box.clientWidth || 600);
    const width = Math.max(NODE.width, ...[...places.values()].map(p => p.x + NODE.width)) + 10;
    const height = Math.max(0, ...[...places.values()].map(p => p.y + NODE.height)) + 10;
    const tip = svg("marker", {id: "tip", viewBox: "0 0 8 8", refX: 7.5, refY: 4, markerWidth: 8, markerHeight: 8,
                               markerUnits: "userSpaceOnUse", orient: "auto"},
                    svg("path", {d: "M0 .8 7.5 4 0 7.2z", fill: "context-stroke"}));
    box.replaceChildren(svg("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
                                    "aria-label": "Devices and how they are joined"},
        svg("defs", {}, tip),
        ...graph.edges.map(e => drawEdge(e, places, upright)),
        ...graph.nodes.map(n => drawNode(n, places.get(n.id)))));
}
