// LangChain's client for OpenAI against an engine: node langchain.mjs URL KEY
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod';
import { becomesIdle, city, equal, failure, finish, ok, question } from './check.mjs';

const [url, key] = process.argv.slice(2);
const options = { model: 'ember', temperature: 0, maxTokens: 60, maxRetries: 0, apiKey: key, configuration: { baseURL: `${url}/v1` } };
const model = new ChatOpenAI(options);
const asked = [new HumanMessage(question)];

const message = await model.invoke(asked);
ok('chat', message.content.startsWith('Hearth'));
equal('finish_reason', message.response_metadata.finish_reason, 'stop');
let whole;
for await (const chunk of await model.stream(asked))
    whole = whole ? whole.concat(chunk) : chunk;
equal('streamed', whole.content, message.content);
equal('usage', whole.usage_metadata.output_tokens, message.usage_metadata.output_tokens);
equal('batch', (await model.batch([asked, asked])).map(m => m.content), [message.content, message.content]);

const weather = tool(({ city }) => `It rains in ${city}.`, { name: 'weather', description: 'The weather', schema: city });
const withTools = new ChatOpenAI({ ...options, maxTokens: 200 }).bindTools([weather], { tool_choice: 'required', parallel_tool_calls: false });
const called = await withTools.invoke(asked);
equal('tool', called.tool_calls.map(c => c.name), ['weather']);
ok('arguments', city.safeParse(called.tool_calls[0].args).success);
const result = await weather.invoke(called.tool_calls[0]);
ok('tool result', result instanceof ToolMessage && /Rome|Oslo/.test(result.content));
ok('answer to a result', (await model.invoke([...asked, new AIMessage(called), result])).content.length > 0);
let calls;
for await (const chunk of await withTools.stream(asked))
    calls = calls ? calls.concat(chunk) : chunk;
equal('streamed tool', calls.tool_calls.map(c => [c.name, city.safeParse(c.args).success]), [['weather', true]]);

const roomy = new ChatOpenAI({ ...options, maxTokens: 200 }); // what the model never learnt to write takes many tokens
const shape = z.object({ kind: z.enum(['program', 'stone']), sure: z.boolean() });
for (const method of ['jsonSchema', 'functionCalling'])
    ok(method, shape.safeParse(await roomy.withStructuredOutput(shape, { method, name: 'shape' }).invoke(asked)).success);

const vectors = await new OpenAIEmbeddings(options).embedDocuments(['a', 'b']);
ok('embeddings', vectors.length === 2 && vectors.flat().every(Number.isFinite));

equal('wrong key', (await failure(new ChatOpenAI({ ...options, apiKey: 'wrong' }).invoke(asked))).status, 401);
equal('bad field', (await failure(new ChatOpenAI({ ...options, temperature: -1 }).invoke(asked))).status, 400);

const controller = new AbortController();
const endless = new ChatOpenAI({ ...options, maxTokens: 1500, modelKwargs: { ignore_eos: true } });
const aborted = await failure((async () => {
    for await (const chunk of await endless.stream(asked, { signal: controller.signal }))
        if (chunk.content)
            controller.abort();
})());
ok('aborted', aborted.name);
ok('an aborted stream frees its slot', await becomesIdle(url, key));
finish();
