// OpenAI's own client against an engine: node openai.mjs URL KEY
import OpenAI from 'openai';
import { becomesIdle, equal, failure, finish, ok, question } from './check.mjs';

const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const messages = [{ role: 'user', content: question }];
const common = { model: 'ember', temperature: 0, max_tokens: 60 };

const models = await client.models.list();
equal('models', models.data.map(m => m.id), ['ember']);
equal('model', (await client.models.retrieve('ember')).id, 'ember');
equal('no model', (await failure(client.models.retrieve('none'))).status, 404);

const chat = await client.chat.completions.create({ ...common, messages });
const answer = chat.choices[0].message.content;
ok('chat', answer.startsWith('Hearth'));
equal('finish_reason', chat.choices[0].finish_reason, 'stop');

let text = '';
let usage;
const stream = await client.chat.completions.create({ ...common, messages, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    usage = chunk.usage ?? usage;
}
equal('streamed chat', text, answer);
equal('usage', usage.completion_tokens, chat.usage.completion_tokens);

const helper = client.chat.completions.stream({ ...common, messages });
equal('stream helper', (await helper.finalChatCompletion()).choices[0].message.content, answer);

const tools = [{
    type: 'function',
    function: { name: 'weather', parameters: { type: 'object', properties: { city: { enum: ['Rome', 'Oslo'] } }, required: ['city'], additionalProperties: false } },
}];
const called = await client.chat.completions.create({ ...common, max_tokens: 200, messages, tools, tool_choice: 'required', parallel_tool_calls: false });
const call = called.choices[0].message.tool_calls[0];
equal('tool', call.function.name, 'weather');
ok('arguments', ['Rome', 'Oslo'].includes(JSON.parse(call.function.arguments).city));
const calledStream = client.chat.completions.stream({ ...common, max_tokens: 200, messages, tools, tool_choice: { type: 'function', function: { name: 'weather' } }, parallel_tool_calls: false });
const final = (await calledStream.finalChatCompletion()).choices[0].message;
ok('streamed arguments', ['Rome', 'Oslo'].includes(JSON.parse(final.tool_calls[0].function.arguments).city));

const schema = { type: 'object', properties: { kind: { enum: ['program', 'stone'] } }, required: ['kind'], additionalProperties: false };
const shaped = await client.chat.completions.create({ ...common, messages, response_format: { type: 'json_schema', json_schema: { name: 'k', schema, strict: true } } });
ok('json_schema', ['program', 'stone'].includes(JSON.parse(shaped.choices[0].message.content).kind));

const completion = await client.completions.create({ ...common, prompt: 'Hearth is', max_tokens: 5, logprobs: 2 });
equal('completion', completion.choices[0].logprobs.tokens.length, completion.usage.completion_tokens);

const response = await client.responses.create({ model: 'ember', input: question, temperature: 0, max_output_tokens: 60 });
equal('response', response.output_text, answer);
let delta = '';
for await (const event of await client.responses.create({ model: 'ember', input: question, temperature: 0, max_output_tokens: 60, stream: true }))
    if (event.type === 'response.output_text.delta')
        delta += event.delta;
equal('streamed response', delta, answer);

const vectors = await client.embeddings.create({ model: 'ember', input: ['a', 'b'] });
equal('embeddings', vectors.data.length, 2);
ok('decoded', vectors.data[0].embedding.every(Number.isFinite) && vectors.data[0].embedding.length > 8);

const wrong = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'wrong', maxRetries: 0 });
ok('wrong key', (await failure(wrong.chat.completions.create({ ...common, messages }))) instanceof OpenAI.AuthenticationError);
ok('bad field', (await failure(client.chat.completions.create({ ...common, messages, temperature: -1 }))) instanceof OpenAI.BadRequestError);

const controller = new AbortController();
const endless = await client.chat.completions.create({ model: 'ember', messages, stream: true, max_tokens: 1500, ignore_eos: true }, { signal: controller.signal });
for await (const chunk of endless) {
    if (chunk.choices[0]?.delta?.content)
        controller.abort();
}
ok('an aborted stream frees its slot', await becomesIdle(url, key));
finish();
