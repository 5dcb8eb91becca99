// A model hub that fails in the way it is told to, for test_pull.sh.
//
//   node hub.mjs FOLDER
//
// Serves FOLDER/ORG/REPO/FILE as a hub does: /api/models/..., and /ORG/REPO/resolve/REV/FILE, which leads
// to /cdn/... at another origin (localhost for 127.0.0.1). FOLDER/mode says what goes wrong, "MODE N": N
// is how many times. FOLDER/port gets the port, FOLDER/log a line for each request for bytes:
// PATH, range, whether a key came.
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const root = process.argv[2];
let mode = '', left = 0;

function fault(...names) {
    const text = existsSync(join(root, 'mode')) ? readFileSync(join(root, 'mode'), 'utf8').trim() : '';
    if (text !== mode) {
        mode = text;
        left = Number(text.split(' ')[1] ?? Infinity);
    }
    if (!names.includes(text.split(' ')[0]) || left <= 0) return false;
    left--;
    return true;
}

function list(folder, below = '') {
    return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((e) =>
        e.isDirectory() ? list(folder, join(below, e.name)) : [join(below, e.name)]);
}

function describe(folder) {
    return list(folder).map((rfilename) => {
        const bytes = readFileSync(join(folder, rfilename));
        let sha256 = createHash('sha256').update(bytes).digest('hex');
        if (fault('badsum')) sha256 = 'f'.repeat(64);
        return { rfilename, size: bytes.length, lfs: { sha256, size: bytes.length, pointerSize: 135 } };
    });
}

function api(path, request, response) {
    const [, org, repo] = path.match(/^\/api\/models\/([^/]+)\/([^/]+)\/revision\//);
    const folder = join(root, org, repo);
    if (fault('api500')) return response.writeHead(500).end();
    if (fault('notjson')) return response.end('<html>');
    if (repo === 'gated' && request.headers.authorization !== 'Bearer key') return response.writeHead(401).end();
    if (!existsSync(folder) || !statSync(folder).isDirectory()) return response.writeHead(404).end();
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ sha: 'c0ffee', siblings: describe(folder) }));
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function send(response, bytes, pause) {
    for (let at = 0; at < bytes.length && !response.destroyed; at += 65536) {
        response.write(bytes.subarray(at, at + 65536));
        if (pause) await wait(pause);
    }
    response.end();
}

function file(path, request, response) {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    appendFileSync(join(root, 'log'), `${path} ${range ? range[0] : '-'} ${request.headers.authorization ?? 'nokey'}\n`);
    const name = join(root, path);
    if (!existsSync(name) || !statSync(name).isFile()) return response.writeHead(404).end();
    let bytes = readFileSync(name);
    const size = bytes.length, probe = range && range[2] === '0';
    response.setHeader('etag', '"one"');
    if (fault('html')) return response.end('<html>log in</html>');
    if (fault('429')) return response.writeHead(429, { 'retry-after': '1' }).end();
    if (fault('500')) return response.writeHead(500).end();
    if (fault('refuse')) return request.socket.destroy();
    if (mode.startsWith('norange') || !range) {
        response.writeHead(200, { 'content-length': size });
        if (!probe && fault('norangecut')) {
            response.write(bytes.subarray(0, 100000));
            return void wait(50).then(() => request.socket.destroy());
        }
        return void send(response, bytes);
    }
    let from = Number(range[1]), to = Math.min(Number(range[2]), size - 1);
    bytes = bytes.subarray(from, to + 1);
    const headers = { 'content-range': `bytes ${from}-${to}/${size}`, 'content-length': bytes.length };
    if (!probe && fault('wrongrange')) headers['content-range'] = `bytes ${from + 1}-${to + 1}/${size}`;
    if (!probe && fault('changed')) headers['content-range'] = `bytes ${from}-${to}/${size + 1}`;
    if (!probe && fault('whole')) {
        bytes = readFileSync(name);
        return response.writeHead(200, { 'content-length': size }).end(bytes);
    }
    if (!probe && fault('long')) {
        bytes = Buffer.concat([bytes, Buffer.alloc(1000)]);
        headers['content-length'] = bytes.length;
    }
    if (!probe && fault('short')) {
        bytes = bytes.subarray(0, Math.ceil(bytes.length / 2));
        headers['content-length'] = bytes.length;
    }
    if (!probe && fault('damage')) {
        bytes = Buffer.from(bytes);
        bytes[bytes.length >> 1] ^= 1;
    }
    response.writeHead(206, headers);
    if (!probe && fault('reset')) {
        response.write(bytes.subarray(0, 40000));
        return void wait(20).then(() => request.socket.destroy());
    }
    if (!probe && fault('stall')) return void response.write(bytes.subarray(0, 10000));
    void send(response, bytes, !probe && fault('slow') ? 15 : 0);
}

const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url.split('?')[0]);
    const resolve = /^\/([^/]+)\/([^/]+)\/resolve\/[^/]+\/(.+)$/.exec(path);
    if (path.startsWith('/api/')) return api(path, request, response);
    if (resolve) {
        const to = `http://localhost:${server.address().port}/cdn/${resolve[1]}/${resolve[2]}/${resolve[3]}?sig=1`;
        return response.writeHead(302, { location: to }).end();
    }
    if (path.startsWith('/cdn/')) return file(path.slice(4), request, response);
    if (path.startsWith('/moved/')) return response.writeHead(302, { location: path.slice(6) }).end();
    return file(path, request, response);
});
server.listen(0, '127.0.0.1', () => writeFileSync(join(root, 'port'), `${server.address().port}\n`));
