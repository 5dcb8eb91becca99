// The report of bench/peer, in Markdown, printed as the results come in.
'use strict';
const fs = require('node:fs');
const os = require('node:os');
const { capture } = require('./peer_setup.js');

const print = text => process.stdout.write(`${text}\n`);

function median(values) {
    const sorted = [...values].sort((a, b) => a - b), n = sorted.length;
    return (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2;
}

function digits(value) {
    return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

const loadAverage = () => fs.readFileSync('/proc/loadavg', 'utf8').split(' ')[0];

function commit() {
    try {
        return capture('git', ['-C', __dirname, 'describe', '--always', '--dirty']).trim();
    } catch {
        return 'unknown';
    }
}

function printHead(o, hearth, peer, about, args) {
    const m = hearth.machine, giga = value => (value / 1e9).toFixed(value < 1e11 ? 1 : 0);
    const score = peer.scores.find(s => s.name === about.library);
    print(`## Hearth and llama.cpp, ${o.shape}${o.layers ? ` cut to ${o.layers} layers` : ''}, ${new Date().toISOString().slice(0, 10)}
`);
    print(`- Command: \`bench/peer ${args.join(' ')}\``.trimEnd());
    print(`- Machine: ${m.cpu}, ${os.cpus().length} CPUs, ${(os.totalmem() / 2 ** 30).toFixed(1)} GiB, Linux ${os.release()}; \
reads ${giga(m.read_bytes_per_second)} GB/s, int8 ${giga(m.int8_ops_per_second)} Gop/s (${m.isa}), \
float ${giga(m.float_ops_per_second)} Gop/s on ${m.n_threads} threads`);
    print(`- Hearth ${commit()}, ${hearth.isa}, ${hearth.n_threads} threads`);
    print(`- llama.cpp ${peer.release} (ggml ${about.version}, ${about.commit}) of node-llama-cpp ${peer.version}, \
${about.library} (score ${score.score}; the best here is ${peer.best.name}, ${peer.best.score}), ${about.n_threads} threads: ${about.system.trim()}`);
    print(`- ${o.turns} turns of ${o.repetitions} runs; each side alone in a fresh process, in turns; medians, with slowest and fastest run; \
load average at the start ${loadAverage()}
`);
    print(`| format | test | depth | Hearth t/s | llama.cpp t/s | ratio | of read | of int8 | of float |
|---|---|---|---|---|---|---|---|---|`);
}

function nameOf(test) {
    const kind = test.kind === 'prompt' ? 'pp' : 'tg';
    return `${kind}${test.tokens}${kind === 'tg' && test.at_once > 1 ? ` by ${test.at_once}` : ''}`;
}

// A test's results in all turns of one side.
function summary(turns, side, i) {
    const results = turns.map(turn => turn[side].results[i]);
    const speed = median(results.map(r => r.tokens_per_second));
    const text = `${digits(speed)} (${digits(Math.min(...results.map(r => r.min)))} to ${digits(Math.max(...results.map(r => r.max)))})`;
    return { speed, text };
}

function printSpeeds(type, turns, machine) {
    turns[0].hearth.results.forEach((test, i) => {
        const ours = summary(turns, 'hearth', i), theirs = summary(turns, 'peer', i);
        const share = (perToken, rate) => (rate ? `${(100 * perToken * ours.speed / rate).toFixed(1)} %` : '');
        print(`| ${type} | ${nameOf(test)} | ${test.depth} | ${ours.text} | ${theirs.text} | \
${(ours.speed / theirs.speed).toFixed(2)} | ${share(test.bytes_per_token, machine.read_bytes_per_second)} | \
${share(test.int_ops_per_token, machine.int8_ops_per_second)} | ${share(test.float_ops_per_token, machine.float_ops_per_second)} |`);
    });
}

// Of the processes of the first depth.
function printLoads(loads) {
    const of = (turns, side, field, scale) => median(turns.map(turn => turn[side][field])) / scale;
    print(`
| format | opened, ms: Hearth | llama.cpp | first token, ms: Hearth | llama.cpp | peak memory, MiB: Hearth | llama.cpp |
|---|---|---|---|---|---|---|`);
    for (const { type, turns } of loads) {
        const cells = [['load_ms', 1], ['first_token_ms', 1], ['peak_bytes', 2 ** 20]]
            .flatMap(([field, scale]) => ['hearth', 'peer'].map(side => of(turns, side, field, scale).toFixed(0)));
        print(`| ${type} | ${cells.join(' | ')} |`);
    }
    print(`
Load average at the end ${loadAverage()}.`);
}

module.exports = { printHead, printSpeeds, printLoads };
