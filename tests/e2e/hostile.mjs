// Everything that is wrong, against every route of the engine at URL, while another client streams one answer after
// the other: none of its streams may break, pause for good or differ from what it was told when it was alone.
// Every complete request gets an answer that is no 500 and, unless it streams, JSON; cut ones get one or an end.
//     node hostile.mjs URL SOURCE [SEED [ROUNDS]]
import { readFileSync } from 'node:fs'
import net from 'node:net'

const [url, source, seed = '1', rounds = '400'] = process.argv.slice(2)
const { hostname, port } = new URL(url)
const PATIENCE_MS = 60000 // a hang, not a slow machine

// ---- chance: the same for the same seed ----
let state = Number(seed) * 2654435761 >>> 0 || 1
const draw = n => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; state >>>= 0; return state % n }
const one = list => list[draw(list.length)]
const times = (n, make) => Array.from({ length: n }, make)

// ---- what there is to ask, from the tables of the source ----
const routes = [...readFileSync(source + '/app/worker/routes.c', 'utf8').matchAll(/\{HTTP_(\w+), "([^"]+)"/g)].map(m => ({ method: m[1], path: m[2].replace('*', '0') }))
const fields = [...readFileSync(source + '/app/protocol/request_fields.def', 'utf8').matchAll(/^(?:FIELD\(\w, |[A-Z]+\()(\w+),/gm)].map(m => m[1])
fields.push(...[...readFileSync(source + '/include/hearth/sampler_options.def', 'utf8').matchAll(/^X\(\w, (\w+),/gm)].map(m => m[1]))
if (routes.length < 30 || fields.length < 100) throw new Error('the tables were not found')

const short = { max_tokens: 2, temperature: 0 }
const talk = [{ role: 'user', content: 'Hi' }]
function bodyOf(path) {
    if (/chat\/completions\/control/.test(path)) return { id: 'x', action: 'reasoning_end' }
    if (/chat\/completions|apply-template/.test(path)) return { messages: talk, ...short }
    if (/messages/.test(path)) return { messages: talk, model: 'm', ...short }
    if (/responses/.test(path)) return { input: 'Hi', max_output_tokens: 2 }
    if (/infill/.test(path)) return { input_prefix: 'a', input_suffix: 'b', ...short }
    if (/completion/.test(path)) return { prompt: 'Hi', ...short }
    if (/embed/.test(path)) return { input: 'Hi' }
    if (/rerank/.test(path)) return { query: 'a', documents: ['b', 'c'] }
    if (/detokenize/.test(path)) return { tokens: [1, 2] }
    if (/tokenize/.test(path)) return { content: 'Hi' }
    if (/slots/.test(path)) return { filename: 'x' }
    if (/lora.*load/.test(path)) return { filename: 'x' }
    if (/lora/.test(path)) return []
    return {}
}

// ---- values of every wrong kind: JSON texts ----
const nested = (n, open = '[', close = ']') => open.repeat(n) + close.repeat(n)
const wrong = ['null', 'true', 'false', '0', '-1', '1', '1.5', '-0.0', '1e308', '-1e308', '1e400', '9223372036854775807', '9223372036854775808',
    '-9223372036854775809', '18446744073709551616', '4294967296', '2147483648', '""', '"x"', '"\\u0000"', '"\\ud800"', '"\u{1F600}"', '"a\\nb"',
    JSON.stringify('x'.repeat(5000)), '[]', '{}', '[[]]', '[null]', '["a",1,null]', '[-1]', '[99999999]', '[{"a":1}]', '{"a":{"b":[1]}}',
    '{"type":"x"}', '{"":""}', nested(40), nested(200), nested(3000), nested(100, '{"a":', '}').replace('}', '1}'), 'NaN', '[1,]', "'x'", '[' + '1,'.repeat(3000) + '1]']
function schema(depth = 0) {
    const inner = () => depth > 4 ? {} : schema(depth + 1)
    return one([
        () => ({ type: one(['object', 'array', 'string', 'integer', 'number', 'boolean', 'null', 'nothing', 7, ['string', 'null']]) }),
        () => ({ type: 'object', properties: Object.fromEntries(times(draw(5), (_, i) => [one(['a', 'é', '"', '\\', ''] ) + i, inner()])), required: ['a0', 'z'] }),
        () => ({ type: 'array', items: inner(), minItems: one([0, 3, 1e9, -1]), maxItems: one([0, 2, 1e9]) }),
        () => ({ type: 'string', pattern: one(['^a+$', '(((((a*)*)*)*)*)', '[', '(?=x)', '\\', '^[^"]{1,99999}$', 'a{1000}{1000}']) }),
        () => ({ type: 'string', minLength: one([0, 5, 1e9]), maxLength: one([0, 5, -1]), format: one(['date', 'uuid', 'nothing']) }),
        () => ({ type: 'integer', minimum: one([-5, 1e300, 'x']), maximum: one([5, -1e300]), multipleOf: one([1, 0]) }),
        () => ({ enum: one([[], [1, 'a', null], times(300, (_, i) => 'v' + i)]) }),
        () => ({ const: one([1, 'a', {}, [nested]]) }),
        () => ({ $ref: one(['#', '#/$defs/a', '#/nowhere', 'http://example.com/x', '#/%', 7]), $defs: { a: inner() } }),
        () => ({ [one(['anyOf', 'oneOf', 'allOf'])]: times(draw(4), inner) }),
        () => one([true, false, null, 3, 'x', []]),
    ])()
}
const grammars = ['root ::= "a"', 'root ::= root', 'root ::= "a" root | ""', 'root ::= (', 'root ::= [^', 'root ::= "a"{1,99999999}', 'x ::= "a"',
    'root ::= ' + '('.repeat(2000) + '"a"' + ')'.repeat(2000), 'root ::= <[99999999]>', 'root ::= <nothing>', 'root ::= [\\U0010FFFF-\\x00]', '\u0001', 'root ::= "\\', 'root ::= a b c']
const kwargs = [{ enable_thinking: 'maybe' }, { messages: 'mine' }, { tools: 7 }, { add_generation_prompt: {} }, { bos_token: [] }, { a: 1e308 }, { ['x'.repeat(3000)]: 1 }]
const tools = () => times(draw(4), () => one([{ type: 'function', function: { name: one(['f', 'g', '', 'é', 'a b', 'x'.repeat(300)]), parameters: schema() } }, {}, 7, { type: 'other' }]))

// A body as text: some member replaced, or the text itself spoiled.
function spoil(path) {
    const body = bodyOf(path)
    const kind = draw(8)
    if (kind === 0) return Buffer.from(withField(body, one(fields), one(wrong)))
    if (kind === 1) Object.assign(body, one([{ json_schema: schema() }, { grammar: one(grammars) }, { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: schema() } } },
        { text: { format: { type: 'json_schema', name: 'n', schema: schema() } } }, { tools: tools(), tool_choice: one(['auto', 'required', 'none', { type: 'function', function: { name: 'f' } }]) }]))
    if (kind === 2) Object.assign(body, { chat_template_kwargs: one(kwargs), messages: times(draw(4), () => ({ role: one(['user', 'assistant', 'system', 'tool', 'developer', '', 7]),
        content: one(['', 'a', '<|im_end|>', null, 7, [{ type: 'text', text: 'x' }], [{ type: 'image_url', image_url: { url: 'data:,' } }], [7]]), tool_calls: one([undefined, [], [7], [{ id: 'i', function: { name: 'f', arguments: '{' } }]]) })) })
    const text = Buffer.from(JSON.stringify(body))
    if (kind === 3) return text.subarray(0, draw(text.length + 1))
    if (kind === 4) for (let i = draw(4); i >= 0 && text.length > 0; i--) text[draw(text.length)] = draw(256)
    if (kind === 5) return Buffer.concat([text, Buffer.from(one([' ', '}', '{}', '\0', 'x', '\xff']), 'latin1')])
    if (kind === 6) return Buffer.from(JSON.stringify({ ...body, prompt: '@', content: '@', input: '@' }).replace(/@/g, one(['\xff\xfe', '\xed\xa0\x80', '\xc0\x80', '\xf5\x80\x80\x80'])), 'latin1')
    return text
}
const withField = (body, name, text) => Array.isArray(body) ? text : JSON.stringify({ ...body, [name]: '@@' }).replace('"@@"', () => text)

// ---- one exchange over a socket of its own ----
function exchange(bytes, { cutAt, leave } = {}) {
    return new Promise((resolve, reject) => {
        const parts = []
        const socket = net.connect({ host: hostname, port })
        const watchdog = setTimeout(() => { socket.destroy(); reject(new Error('no answer and no end')) }, PATIENCE_MS)
        const end = () => { clearTimeout(watchdog); resolve(Buffer.concat(parts)) }
        socket.on('error', end).on('close', end).on('data', part => { parts.push(part); if (leave) socket.destroy() })
        socket.write(cutAt === undefined ? bytes : bytes.subarray(0, cutAt))
        if (cutAt !== undefined) setImmediate(() => one([() => socket.destroy(), () => socket.end(), () => socket.resetAndDestroy()])())
    })
}
const request = (method, path, body, headers = '') => Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n`, 'latin1'), body])

function check(answer, what) {
    const text = answer.toString('utf8')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1])
    const complain = why => { throw new Error(`${why}\n  asked: ${what.toString('latin1').slice(0, 600)}\n  told: ${text.slice(0, 400)}`) }
    if (!status) complain('no answer')
    if (status === 500) complain('an internal error')
    if (!/^content-type: application\/json/im.test(text)) return status
    const body = text.slice(text.indexOf('\r\n\r\n') + 4)
    try { JSON.parse(body) } catch { complain('no JSON') }
    if (status >= 400 && !/"message":"[^"]/.test(body)) complain('an error without a message')
    return status
}

// ---- broken HTTP ----
const heads = ['', '\r\n\r\n', 'GET\r\n\r\n', 'GET /health\r\n\r\n', 'GET /health HTTP/9.9\r\n\r\n', 'GET /health HTTP/1.1\r\n\r\n', 'BREW /health HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 'GET /health HTTP/1.1\nHost: localhost\n\n', 'GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n', 'GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n',
    'GET /%00%ff/../.. HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET /' + 'a'.repeat(70000) + ' HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET /health HTTP/1.1\r\nHost: localhost\r\n' + 'X: y\r\n'.repeat(20000) + '\r\n',
    'GET /health HTTP/1.1\r\nHost: localhost\r\nX: ' + 'y'.repeat(100000) + '\r\n\r\n', 'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n', 'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n',
    'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
    'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}', 'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n',
    'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'GET http://[::1 HTTP/1.1\r\n\r\n', '\0'.repeat(5000)]

// ---- the other client ----
const asked = { prompt: 'Once upon a time', n_predict: 60, temperature: 0.9, seed: 7, ignore_eos: true, stream: true }
async function stream() {
    const answer = await fetch(url + '/completion', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(asked), signal: AbortSignal.timeout(PATIENCE_MS) })
    const events = (await answer.text()).split('\n\n').filter(e => e.startsWith('data: ')).map(e => JSON.parse(e.slice(6)))
    if (answer.status !== 200 || !events.at(-1)?.stop || events.some(e => e.error)) throw new Error('a stream broke: ' + JSON.stringify(events.at(-1)))
    return events.map(e => e.content).join('')
}

const alone = await stream()
let isOver = false, nStreams = 0
const other = (async () => {
    while (!isOver || nStreams < 3) {
        const text = await stream()
        if (text !== alone) throw new Error(`beside others a stream told '${text}', alone '${alone}'`)
        nStreams++
    }
})()
other.catch(() => {}) // told below

const statuses = {}
const count = status => { statuses[status] = (statuses[status] ?? 0) + 1 }
const posts = routes.filter(r => r.method === 'POST')
const work = []
for (const { path } of posts) for (const field of fields) work.push(() => request('POST', path, Buffer.from(withField(bodyOf(path), field, one(wrong)))))
for (let i = 0; i < Number(rounds); i++) {
    work.push(() => { const { path } = one(posts); return request('POST', path + one(['', '', '?action=save', '?action=' + '%'.repeat(draw(9)), '?' + 'a=b&'.repeat(draw(500))]), spoil(path)) })
    work.push(() => { const { path } = one(routes); return request(one(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']), path, Buffer.alloc(0), one(['', 'Accept: x\r\n', 'Origin: null\r\n', 'Origin: http://localhost:1\r\n'])) })
}
const cuts = []
for (let i = 0; i < Number(rounds); i++) cuts.push(() => {
    const { path } = one(posts)
    const bytes = request('POST', path, Buffer.from(JSON.stringify({ ...bodyOf(path), max_tokens: 500, ignore_eos: true, stream: true })))
    return draw(2) ? exchange(bytes, { cutAt: draw(bytes.length + 1) }) : exchange(bytes, { leave: true })
})
for (const head of heads) cuts.push(() => { const bytes = Buffer.from(head, 'latin1'); return exchange(bytes, { cutAt: bytes.length }) })

async function go(list, what) {
    const workers = times(6, async () => {
        for (let make; (make = list.shift()) !== undefined;) await what(make)
    })
    await Promise.all(workers)
}
try {
    await go(work, async make => { const bytes = make(); const isHead = bytes.subarray(0, 4).toString() === 'HEAD'; const told = await exchange(bytes); if (!isHead) count(check(told, bytes)) })
    await go(cuts, make => make())
} finally {
    isOver = true
}
await other
const { status } = await fetch(url + '/health')
if (status !== 200) throw new Error('not well afterwards: ' + status)
console.log(`${Object.values(statuses).reduce((a, b) => a + b)} answers ${JSON.stringify(statuses)}, ${nStreams} streams beside them`)
