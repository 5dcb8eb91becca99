// Anthropic's own client against an engine: node anthropic.mjs URL KEY
import Anthropic from '@anthropic-ai/sdk';
import { equal, failure, finish, ok, question } from './check.mjs';

const [url, key] = process.argv.slice(2);
const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const common = { model: 'ember', temperature: 0, max_tokens: 60, messages: [{ role: 'user', content: question }] };

const message = await client.messages.create(common);
const answer = message.content[0].text;
ok('message', answer.startsWith('Hearth'));
equal('stop_reason', message.stop_reason, 'end_turn');

const stream = client.messages.stream(common);
let text = '';
stream.on('text', delta => { text += delta; });
const final = await stream.finalMessage();
equal('streamed text', text, answer);
equal('final text', final.content[0].text, answer);
equal('usage', final.usage.output_tokens, message.usage.output_tokens);

const stopped = await client.messages.create({ ...common, stop_sequences: ['models'] });
equal('stop_sequence', [stopped.stop_reason, stopped.stop_sequence], ['stop_sequence', 'models']);

const tools = [{ name: 'weather', input_schema: { type: 'object', properties: { city: { enum: ['Rome', 'Oslo'] } }, required: ['city'], additionalProperties: false } }];
const only = { type: 'tool', name: 'weather', disable_parallel_tool_use: true };
const called = await client.messages.create({ ...common, max_tokens: 200, tools, tool_choice: only });
const use = called.content.find(c => c.type === 'tool_use');
ok('tool_use', use && use.name === 'weather' && ['Rome', 'Oslo'].includes(use.input.city));
const calledStream = await client.messages.stream({ ...common, max_tokens: 200, tools, tool_choice: only }).finalMessage();
ok('streamed tool_use', ['Rome', 'Oslo'].includes(calledStream.content.find(c => c.type === 'tool_use').input.city));

const count = await client.messages.countTokens({ model: 'ember', messages: common.messages });
const used = message.usage;
equal('count', count.input_tokens, used.input_tokens + used.cache_read_input_tokens + used.cache_creation_input_tokens);

const wrong = new Anthropic({ baseURL: url, apiKey: 'wrong', maxRetries: 0 });
ok('wrong key', (await failure(wrong.messages.create(common))) instanceof Anthropic.AuthenticationError);
ok('bad field', (await failure(client.messages.create({ ...common, max_tokens: -5 }))) instanceof Anthropic.BadRequestError);
finish();
