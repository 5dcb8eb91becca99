// What a user's hands do to a window, without a window manager: node x11.mjs NUMBER COMMAND...
//   close        asks the program's window to close, as its cross does
//   asks         waits for the program's question, a window that belongs to another
//   KEYS         into the question: "alt+k", "escape"
// Speaks the X protocol itself (X.org, "X Window System Protocol", version 11; XTEST for the keys).
import { connect } from 'node:net';

const [number, ...commands] = process.argv.slice(2);
const socket = connect(`/tmp/.X11-unix/X${number}`);
let got = Buffer.alloc(0);
let wake = () => {};
socket.on('data', (bytes) => {
    got = Buffer.concat([got, bytes]);
    wake();
});
async function take(n) {
    while (got.length < n) await new Promise((resolve) => (wake = resolve));
    const bytes = got.subarray(0, n);
    got = got.subarray(n);
    return bytes;
}

function request(opcode, detail, ...words) {
    const body = Buffer.concat(words.map((word) => {
        if (Buffer.isBuffer(word)) return word;
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32LE(word);
        return bytes;
    }));
    const head = Buffer.from([opcode, detail, 0, 0]);
    head.writeUInt16LE(1 + body.length / 4, 2);
    socket.write(Buffer.concat([head, body]));
}
/** The next reply; events and errors (a window that is gone) are passed over, an error is null. */
async function reply() {
    for (;;) {
        const head = await take(32);
        if (head[0] === 0) return null;
        if (head[0] === 1) return Buffer.concat([head, await take(4 * head.readUInt32LE(4))]);
    }
}
const padded = (text) => Buffer.concat([Buffer.from(text), Buffer.alloc((4 - (text.length % 4)) % 4)]);
const named = (text) => {
    const length = Buffer.alloc(4);
    length.writeUInt16LE(text.length);
    return [length, padded(text)];
};
const atom = async (name) => (request(16, 0, ...named(name)), (await reply()).readUInt32LE(8));
const children = async (window) => {
    request(15, 0, window);
    const answer = await reply();
    return answer ? Array.from({ length: answer.readUInt16LE(16) }, (_, i) => answer.readUInt32LE(32 + 4 * i)) : [];
};
const has = async (window, property) => {
    request(20, 0, window, property, 0, 0, 16);
    return ((await reply())?.readUInt32LE(16) ?? 0) > 0;
};
const shown = async (window) => (request(3, 0, window), (await reply())?.[26] === 2);

socket.write(Buffer.from([0x6c, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
const setup = await take(8);
const about = await take(4 * setup.readUInt16LE(6));
const root = about.readUInt32LE(32 + ((about.readUInt16LE(16) + 3) & ~3) + 8 * about[21]);
const [firstCode, lastCode] = [about[26], about[27]];
const [protocols, deleteWindow, transient] = [await atom('WM_PROTOCOLS'), await atom('WM_DELETE_WINDOW'), await atom('WM_TRANSIENT_FOR')];
request(98, 0, ...named('XTEST'));
const xtest = (await reply())[9];

async function find(isQuestion) {
    for (const end = Date.now() + 60_000; Date.now() < end;) {
        for (const window of await children(root))
            if ((await shown(window)) && (await has(window, protocols)) && (await has(window, transient)) === isQuestion) return window;
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(isQuestion ? 'nothing is asked' : 'there is no window');
}

function close(window) {
    const event = Buffer.alloc(32);
    event[0] = 33;
    event[1] = 32;
    event.writeUInt32LE(window, 4);
    event.writeUInt32LE(protocols, 8);
    event.writeUInt32LE(deleteWindow, 12);
    request(25, 0, window, 0, event);
}

async function press(window, keys) {
    const symbols = { alt: 0xffe9, escape: 0xff1b };
    const width = Buffer.from([firstCode, lastCode - firstCode + 1, 0, 0]);
    request(101, 0, width);
    const map = await reply();
    const code = (name) => {
        for (let i = 0; i < map.readUInt32LE(4); i++)
            if (map.readUInt32LE(32 + 4 * i) === (symbols[name] ?? name.charCodeAt(0))) return firstCode + Math.floor(i / map[1]);
        throw new Error(`there is no key ${name}`);
    };
    const fake = (type, detail) => {
        const body = Buffer.alloc(32);
        body[0] = type;
        body[1] = detail;
        request(xtest, 2, body);
    };
    request(42, 1, window, 0); // the focus
    const codes = keys.split('+').map(code);
    for (const one of codes) fake(2, one);
    for (const one of codes.reverse()) fake(3, one);
}

for (const command of commands) {
    if (command === 'close') close(await find(false));
    else if (command === 'asks') await find(true);
    else await press(await find(true), command);
}
request(43, 0); // a question, so that all before it has been done
await reply();
socket.end();
