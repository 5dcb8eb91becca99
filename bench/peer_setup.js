// Installs llama.cpp as the npm package node-llama-cpp ships it, and compiles peer_llama.c against the
// headers of that very release, which the package carries as a git bundle. Nothing is written outside of
// the cache folder.
'use strict';
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const PINNED = '3.22.1';

// Standard output of a program; what it says on standard error is the message if it fails.
function capture(program, args, options = {}) {
    const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
    if (result.error)
        throw result.error;
    if (result.status !== 0) {
        const why = result.signal ? `ended by ${result.signal}` : result.stderr.trim().slice(-2000);
        throw new Error(`${program} ${args.join(' ')}: ${why}`);
    }
    return result.stdout;
}

function checkOut(folder, note) {
    const source = path.join(folder, 'source');
    const bundle = path.join(folder, 'node_modules', 'node-llama-cpp', 'llama', 'gitRelease.bundle');
    if (!fs.existsSync(path.join(source, 'include', 'llama.h'))) {
        note('unpacking the headers of that release');
        fs.rmSync(source, { recursive: true, force: true });
        capture('git', ['clone', '--quiet', bundle, source]);
    }
    return source;
}

function compile(program, source, libraries) {
    const file = path.join(__dirname, 'peer_llama.c');
    const needed = fs.readdirSync(libraries)
        .filter(name => /^lib(llama|ggml|ggml-base)(\.v[\d.]+)?\.so$/.test(name))
        .map(name => path.join(libraries, name));
    capture(process.env.CC || 'cc', ['-std=gnu17', '-O2', file, '-o', program,
        '-isystem', path.join(source, 'include'), '-isystem', path.join(source, 'ggml', 'include'),
        ...needed, `-Wl,-rpath,${libraries}`, '-ldl']);
}

// { folder: of its libraries, program, version, release, scores: [{ name, score }], best }
function installPeer(cache, wanted, note) {
    const folder = path.join(cache, 'llama.cpp'), platform = `linux-${process.arch}`;
    const version = wanted === 'latest'
        ? capture('npm', ['view', 'node-llama-cpp', 'version']).trim() : wanted || PINNED;
    // The optional packages are the GPU libraries; the one for this processor is asked for by name.
    note(`fetching node-llama-cpp ${version} into ${folder}, unless it is there`);
    capture(path.join(__dirname, '..', 'tools', 'npm_fetch'),
        [folder, `node-llama-cpp@${version}`, `@node-llama-cpp/${platform}@${version}`]);
    const source = checkOut(folder, note);
    const libraries = path.join(folder, 'node_modules', '@node-llama-cpp', platform, 'bins', platform);
    const program = path.join(folder, 'peer_llama');
    compile(program, source, libraries);
    const scores = capture(program, [libraries]).trim().split('\n').map(line => {
        const [name, score] = line.split(' ');
        return { name, score: Number(score) };
    });
    const best = scores.reduce((a, b) => (b.score > a.score ? b : a));
    const info = path.join(folder, 'node_modules', 'node-llama-cpp', 'llama', 'binariesGithubRelease.json');
    return { folder: libraries, program, version, scores, best, release: JSON.parse(fs.readFileSync(info)).release };
}

module.exports = { capture, installPeer };
