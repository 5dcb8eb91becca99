// Twenty turns of an agent against the engine at URL, as agent frameworks make them: a system prompt with tools, and
// a conversation that grows by a question, a call, its result and an answer, and is sent whole every time.
// Prints how many of all prompt tokens came from the cache, in per cent.
//     node agent.mjs URL
const url = process.argv[2]
const tool = (name, description, properties) => ({ type: 'function', function: { name, description,
    parameters: { type: 'object', properties, required: Object.keys(properties), additionalProperties: false } } })
const tools = [
    tool('read_file', 'Reads a file of the project.', { path: { type: 'string', enum: ['src/main.c', 'README.md'] } }),
    tool('run', 'Runs a command and gives its output.', { command: { type: 'string', enum: ['make', 'make test'] } }),
]
const messages = [{ role: 'system', content: 'You are a coding agent. You work in a project of the user, step by step: look before you change, ' +
    'change one thing at a time, and run the tests after every change. Answer in few words. Never invent what a tool would say.' }]
const sum = { prompt: 0, cached: 0 }

async function ask(options) {
    const answer = await fetch(url + '/v1/chat/completions', { method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ model: 'any', messages, tools, temperature: 0, max_tokens: 80, ...options }) })
    const body = await answer.json()
    if (answer.status !== 200) throw new Error(JSON.stringify(body))
    sum.prompt += body.usage.prompt_tokens
    sum.cached += body.usage.prompt_tokens_details.cached_tokens
    if (process.env.VERBOSE) console.error(body.usage.prompt_tokens, body.usage.prompt_tokens_details.cached_tokens, JSON.stringify(body.choices[0].message))
    const { role, content, tool_calls } = body.choices[0].message
    messages.push({ role, content, ...tool_calls && { tool_calls } })
    return tool_calls ?? []
}

for (let turn = 1; turn <= 20; turn++) {
    messages.push({ role: 'user', content: `Step ${turn}: what does the project say about part ${turn * 7 % 20}? Look, then tell me.` })
    const calls = await ask({ tool_choice: 'required', parallel_tool_calls: false })
    if (calls.length !== 1) throw new Error(`turn ${turn}: ${calls.length} calls`)
    messages.push({ role: 'tool', tool_call_id: calls[0].id, content: `part ${turn}: ${turn * 37} lines, ${turn} functions, ` +
        `last changed on day ${turn * 3}\nall ${turn * 5} checks passed\n` })
    await ask({})
}
console.log((100 * sum.cached / sum.prompt).toFixed(2))
