// SPDX-License-Identifier: MIT
// Types of index.js. The parameters are those of src/params.def; a test compares the two.

/** A model that is loaded: what `initialize` gives. Opaque; freed by `release` or the collector. */
export type ContextHandle = { readonly [handle]: true };
declare const handle: unique symbol;

/** Every rejection but those of an AbortSignal. `code` is 'HEARTH_' and `status`; `parameter` is what was wrong. */
export interface HearthError extends Error {
  code: string;
  status: 'ENOMEM' | 'EINVAL' | 'EFORMAT' | 'ENOTFOUND' | 'EIO' | 'EUNSUPPORTED' | 'ECANCELED' | 'ECONTEXT' | 'ENOFIT' | 'EMISMATCH' | 'EINTERNAL' | 'EBUSY';
  parameter?: string;
}

export interface ProgressEvent { type: 'progress'; done: number; total: number }

export interface CallOptions {
  /** Cancels within one pass of the model; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
}

export type CacheType = 'f32' | 'f16' | 'q8_0';

export interface SetupParams {
  /** Path of the GGUF file, any part of a split set. */
  model: string;
  /** Positions of one request; 0: as many as fit. 2048 if absent, or what the model was trained with if that is less. */
  contextSize?: number;
  batchSize?: number;
  threads?: number;
  /** Requests that run at once; 0: chosen by the size of the cache. */
  parallel?: number;
  queue?: number;
  cacheTypeK?: CacheType;
  cacheTypeV?: CacheType;
  cacheBytes?: number;
  prefixCache?: boolean;
  drafts?: boolean;
  draftMax?: number;
  overrides?: string | string[];
  ignoreMemoryLimit?: boolean;
  /** Without effect: this build runs on the processor, and says so in `info().warnings`. */
  gpuLayers?: number;
  n_ctx?: number;
  n_batch?: number;
  n_threads?: number;
  n_gpu_layers?: number;
}

export interface Config extends SetupParams, CallOptions {
  diskCache?: string;
  /** A smaller model of the same vocabulary that guesses tokens. Never changes a result. */
  draftModel?: string;
  isa?: 'scalar' | 'avx2' | 'avx512' | 'amx' | 'neon';
  /** LoRA adapters: GGUF files made for this model. */
  adapters?: string | string[];
  adapterScales?: number[];
  /** Jinja in place of the model's template, or the name of a known format, as 'llama3'. */
  chatTemplate?: string;
  readAhead?: boolean;
}

export interface SamplingParams {
  seed?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  minKeep?: number;
  typicalP?: number;
  topNSigma?: number;
  xtcProbability?: number;
  xtcThreshold?: number;
  dynatempRange?: number;
  dynatempExponent?: number;
  repeatLastN?: number;
  repeatPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  dryMultiplier?: number;
  dryBase?: number;
  dryAllowedLength?: number;
  dryPenaltyLastN?: number;
  mirostat?: number;
  mirostatTau?: number;
  mirostatEta?: number;
  samplers?: string | string[];
  forbiddenTokens?: number[];
}

export interface WriteParams extends SamplingParams, CallOptions {
  /** Most tokens to write, 500 if absent; -1: until the model ends or the context is full. */
  maxTokens?: number;
  stopSequences?: string | string[];
  stopTokens?: string | string[];
  stop?: string | string[];
  /** GBNF. One of grammar, schema and regex. */
  grammar?: string;
  /** JSON Schema. */
  schema?: object | boolean;
  regex?: string;
  ignoreEos?: boolean;
  cachePrompt?: boolean;
  contextShift?: boolean;
  keep?: number;
  discard?: number;
  maxTimeMs?: number;
  topLogprobs?: number;
  adapterScales?: number[];
}

export interface GenerateParams extends WriteParams {
  /** The text to go on with: `input` or `tokens`. */
  input?: string;
  prompt?: string;
  tokens?: Int32Array | number[];
  special?: boolean;
  addSpecial?: boolean;
  parseSpecial?: boolean;
}

export interface ToolCall { id: string; type: 'function'; function: { name: string; arguments: string } }

export interface Message {
  role: string;
  content?: string | null;
  reasoning_content?: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
  name?: string;
}

export interface Tool { type: 'function'; function: { name: string; description?: string; parameters?: object } }

export interface ChatParams extends WriteParams {
  messages: Message[];
  tools?: Tool[];
  /** 'auto', 'none', 'required', or the name of a tool. */
  toolChoice?: string;
  parallelToolCalls?: boolean;
  templateVariables?: Record<string, unknown>;
  reasoning?: 'auto' | 'none';
  reasoningBudget?: number;
}

export interface Result {
  text: string;
  /** How many were written. */
  tokens: number;
  finishReason: 'stop' | 'stopSequence' | 'length' | 'context' | 'timeout' | 'toolCalls';
  stopSequence?: string;
  /** startTime and endTime as Date.now(); the rest in milliseconds. */
  timing: {
    startTime: number;
    endTime: number;
    elapsedTime: number;
    tokensPerSecond: number;
    queueTime: number;
    promptTime: number;
    generateTime: number;
  };
  usage: { promptTokens: number; completionTokens: number; totalTokens: number; cachedTokens: number };
}

export interface ChatResult extends Result {
  /** To be put behind the conversation's messages. */
  message: Message;
}

export interface Logprob { token: number; logprob: number }

export type AnswerEvent =
  | { type: 'token'; text: string; token?: number; logprob?: number; topLogprobs?: Logprob[] }
  | { type: 'reasoning'; text: string }
  | { type: 'logprob'; token: number; logprob: number; topLogprobs: Logprob[] }
  | { type: 'toolCall'; index: number; id: string; name: string }
  | { type: 'toolArguments'; index: number; text: string }
  | { type: 'toolEnd' | 'toolCut' | 'toolDropped'; index: number };

export interface AnswerStream<R extends Result> extends AsyncIterable<AnswerEvent> {
  readonly result: Promise<R>;
  on(type: 'token' | 'reasoning' | 'logprob' | 'toolCall' | 'toolArguments' | 'toolEnd' | 'toolCut' | 'toolDropped', listener: (event: AnswerEvent) => void): this;
  on(type: 'progress', listener: (event: ProgressEvent) => void): this;
  on(type: 'done', listener: (result: R) => void): this;
  on(type: 'error', listener: (error: Error) => void): this;
  off(type: string, listener: (value: any) => void): this;
  cancel(reason?: unknown): void;
}

export interface Plan {
  fits: boolean;
  contextSize: number;
  maxContextSize: number;
  batchSize: number;
  threads: number;
  parallel: number;
  weightBytes: number;
  cacheBytes: number;
  computeBytes: number;
  overheadBytes: number;
  totalBytes: number;
  availableBytes: number;
}

export interface Adapter {
  id: number;
  path: string;
  /** How strongly it is applied in calls that say nothing of it. */
  scale: number;
  rank: number;
  bytes: number;
}

export interface Info {
  modelPath: string;
  name: string;
  architecture: string;
  quantization: string;
  isa: string;
  pooling: string;
  size: number;
  parameters: number;
  contextLength: number;
  vocabularySize: number;
  embeddingSize: number;
  adapters: Adapter[];
  capabilities: Array<'chat' | 'inference' | 'embedding' | 'rerank'>;
  plan: Plan;
  warnings: string[];
}

export interface Stats {
  running: number;
  waiting: number;
  requests: number;
  done: number;
  failed: number;
  refused: number;
  promptTokens: number;
  cachedTokens: number;
  generatedTokens: number;
  pages: number;
  pagesUsed: number;
  pagesCached: number;
}

export interface TokenizeParams extends CallOptions { input: string; addSpecial?: boolean; parseSpecial?: boolean }
export interface DetokenizeParams extends CallOptions { tokens: Int32Array | number[]; special?: boolean }
export interface EmbedParams extends CallOptions {
  texts?: string | string[];
  input?: string | string[];
  pooling?: 'none' | 'mean' | 'cls' | 'last';
  normalize?: boolean;
}
export interface RerankParams extends CallOptions { query: string; documents: string | string[]; topN?: number }
export interface LogitsParams extends CallOptions {
  input?: string;
  tokens?: Int32Array | number[];
  addSpecial?: boolean;
  parseSpecial?: boolean;
  /** Those after every token: one row of vocabularySize numbers each. */
  all?: boolean;
}
export interface SaveParams extends CallOptions {
  path: string;
  /** Which text; the newest answer with its prompt if none is given. */
  input?: string;
  tokens?: Int32Array | number[];
  messages?: Message[];
  tools?: Tool[];
  templateVariables?: Record<string, unknown>;
  addSpecial?: boolean;
  parseSpecial?: boolean;
}
export interface LoadParams extends CallOptions { path: string }
export interface AdapterParams extends CallOptions { adapterScales: number[] }

export function initialize(config: Config): Promise<ContextHandle>;
/** What loading would take, from the file's head alone; info(handle).plan is what it took. */
export function plan(config: SetupParams & CallOptions): Promise<Plan>;
export function generate(handle: ContextHandle, params: GenerateParams): Promise<Result>;
export function generateStream(handle: ContextHandle, params: GenerateParams): AnswerStream<Result>;
export function chat(handle: ContextHandle, params: ChatParams): Promise<ChatResult>;
export function chatStream(handle: ContextHandle, params: ChatParams): AnswerStream<ChatResult>;
export function tokenize(handle: ContextHandle, input: string | TokenizeParams): Promise<Int32Array>;
export function detokenize(handle: ContextHandle, tokens: Int32Array | number[] | DetokenizeParams): Promise<string>;
export function embed(handle: ContextHandle, input: string | string[] | EmbedParams): Promise<{ embeddings: Float32Array[]; usage: { promptTokens: number; totalTokens: number } }>;
export function rerank(handle: ContextHandle, params: RerankParams): Promise<{ results: Array<{ index: number; score: number; document: string }>; usage: { promptTokens: number; totalTokens: number } }>;
export function logits(handle: ContextHandle, input: string | LogitsParams): Promise<Float32Array>;
export function saveState(handle: ContextHandle, params: string | SaveParams): Promise<{ tokens: number; bytes: number }>;
export function loadState(handle: ContextHandle, params: string | LoadParams): Promise<{ tokens: number; bytes: number }>;
/** How strongly the adapters are applied in requests that say nothing of it. */
export function setAdapters(handle: ContextHandle, scales: number[] | AdapterParams): Promise<void>;
/** A LoRA adapter more. Its scale (1) holds for calls that say nothing of it. */
export function loadAdapter(handle: ContextHandle, params: string | ({ path: string; scale?: number } & CallOptions)): Promise<Adapter>;
/** One less, also of those of `initialize`; what runs with it goes on. */
export function removeAdapter(handle: ContextHandle, adapter: number | Adapter): Promise<void>;
/** Gives memory back because other programs need it: what is cached, with `weights` the weights as well. Answers are the same. */
export function trim(handle: ContextHandle, params?: { weights?: boolean } & CallOptions): Promise<{ cacheBytes: number; weightBytes: number }>;
/** Cancels what runs and frees everything. At any moment, also more than once. */
export function release(handle: ContextHandle): Promise<void>;
export function info(handle: ContextHandle): Info;
export function stats(handle: ContextHandle): Stats;

export interface Parameter {
  name: string;
  type: string;
  default?: number | boolean;
  min?: number;
  max?: number;
  functions: string[];
  help: string;
  aliasOf?: string;
}
/** Every parameter of every function, with its default and bounds. */
export const parameters: Parameter[];
export const version: string;
