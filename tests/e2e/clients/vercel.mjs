// Vercel's AI SDK against an engine: node vercel.mjs URL KEY
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai';
import { z } from 'zod';
import { becomesIdle, city, equal, failure, finish, ok, question } from './check.mjs';

const [url, key] = process.argv.slice(2);
const provider = (apiKey, more) => createOpenAICompatible({ name: 'hearth', baseURL: `${url}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true, ...more });
const model = provider(key)('ember');
const common = { model, prompt: question, temperature: 0, maxOutputTokens: 60, maxRetries: 0 };

const answer = await generateText(common);
ok('text', answer.text.startsWith('Hearth'));
equal('finishReason', answer.finishReason, 'stop');
const stream = streamText(common);
let text = '';
for await (const delta of stream.textStream)
    text += delta;
equal('streamed text', text, answer.text);
equal('usage', (await stream.usage).outputTokens, answer.usage.outputTokens);
equal('stop', (await generateText({ ...common, stopSequences: ['models'] })).text.includes('models'), false);

const said = [];
const tools = { weather: tool({ description: 'The weather', inputSchema: city, execute: ({ city }) => { said.push(city); return `It rains in ${city}.`; } }) };
const withTools = { ...common, maxOutputTokens: 200, tools, toolChoice: 'required' };
const called = await generateText(withTools);
equal('tool', called.toolCalls[0].toolName, 'weather');
ok('input', city.safeParse(called.toolCalls[0].input).success && said.includes(called.toolCalls[0].input.city));
ok('result', called.toolResults[0].output.startsWith('It rains in'));
const calls = await streamText({ ...withTools, toolChoice: { type: 'tool', toolName: 'weather' } }).toolCalls;
ok('streamed input', calls.length > 0 && calls.every(c => city.safeParse(c.input).success));
// The first step must call, the second answers with what the tool said.
const steps = await generateText({ ...withTools, stopWhen: stepCountIs(2), prepareStep: ({ stepNumber }) => stepNumber > 0 ? { toolChoice: 'none' } : {} });
equal('steps', steps.steps.map(s => s.toolCalls.length > 0), [true, false]);
ok('answer to a result', steps.text.length > 0);

const schema = z.object({ kind: z.enum(['program', 'stone']), sure: z.boolean() });
ok('object', schema.safeParse((await generateObject({ ...common, schema })).object).success);
const parts = streamObject({ ...common, schema });
for await (const part of parts.partialObjectStream)
    ok('partial object', typeof part === 'object');
ok('streamed object', schema.safeParse(await parts.object).success);

const vectors = await embedMany({ model: provider(key).embeddingModel('ember'), values: ['a', 'b'], maxRetries: 0 });
ok('embeddings', vectors.embeddings.length === 2 && vectors.embeddings.flat().every(Number.isFinite));

const wrong = await failure(generateText({ ...common, model: provider('wrong')('ember') }));
equal('wrong key', [wrong.statusCode, wrong.message], [401, 'Invalid API Key']);
const bad = await failure(generateText({ ...common, temperature: -1 }));
ok('bad field', bad.statusCode === 400 && bad.message.includes('temperature'));

const controller = new AbortController();
const transformRequestBody = body => ({ ...body, ignore_eos: true });
const endless = streamText({ ...common, model: provider(key, { transformRequestBody })('ember'), maxOutputTokens: 1500, abortSignal: controller.signal });
let aborted = false;
for await (const part of endless.fullStream) {
    if (part.type === 'text-delta')
        controller.abort();
    aborted = aborted || part.type === 'abort';
}
ok('aborted', aborted);
ok('an aborted stream frees its slot', await becomesIdle(url, key));
finish();
