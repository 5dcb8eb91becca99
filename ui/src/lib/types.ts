// What the API of `hearth serve` says and takes (docs/API-HEARTH.md). Only what the page uses is named.

/** Above 0; 0 is "none". */
export type Id = number;

export interface ApiError {
  code: string;
  message: string;
  where?: string | null;
  log?: string | null;
}

export type Capability = 'chat' | 'completion' | 'tools' | 'thinking' | 'embedding' | 'rerank' | 'vision' | 'audio';
export type ModelState = 'unloaded' | 'loading' | 'loaded' | 'unloading' | 'failed';

export interface ModelSettings {
  n_ctx: number;
  n_parallel: number;
  n_batch: number;
  n_threads: number;
  n_gpu_layers: number;
  cache_type_k: string | null;
  cache_type_v: string | null;
  engine: string;
  backend: string | null;
  pinned: boolean;
  idle_ms: number;
  extra: string[];
}

export interface Plan {
  kind: string;
  backend: string;
  mode: string;
  fit: 'green' | 'yellow' | 'red';
  n_ctx: number;
  n_parallel: number;
  n_batch: number;
  n_threads: number;
  n_layers: number;
  n_gpu_layers: number;
  cache_type_k: string;
  cache_type_v: string;
  memory: {
    weights: number;
    cache: number;
    compute: number;
    projector: number;
    overhead: number;
    ram: number;
    vram: number[];
    ram_limit: number;
    vram_limit: number[];
  };
  reasons: { about: string; text: string }[];
  /** Why it does not fit. */
  problem?: string | null;
}

export interface Engine {
  model: string;
  state: 'planning' | 'starting' | 'ready' | 'draining' | 'stopping' | 'failed';
  kind: string;
  generation: number;
  expires_in_ms: number | null;
  pinned: boolean;
  n_in_flight: number;
  n_waiting: number;
  progress: number | null;
  plan: Partial<Plan> | null;
  reserved_bytes: number;
  reserved_vram_bytes: number[];
  crashes: number;
  error: ApiError | null;
}

export interface Model {
  name: string;
  title: string;
  origin: string;
  path: string | null;
  mmproj_path: string | null;
  size_bytes: number;
  problem: string | null;
  capabilities: Capability[];
  architecture: string;
  quantization: string;
  n_params?: number;
  context_length: number;
  source: string | null;
  creator: string | null;
  license: string | null;
  last_used_ms: number;
  usage_count: number;
  removable: boolean;
  /** null: it runs elsewhere. */
  settings: ModelSettings | null;
  state: ModelState;
  engine: Engine | null;
}

export interface CatalogModel {
  name: string;
  reference: string;
  title: string;
  description: string;
  size_bytes: number;
  capabilities: Capability[];
  license: string | null;
  installed: boolean;
}

export interface Machine {
  cpu: { name: string; cores: number; threads: number; isa: string[] };
  memory: { total: number; available: number; budget: number; reserved: number };
  gpus: { index: number; name: string; total: number; used: number; free: number; load: number }[];
  backends: { name: string; version: string; type: string; usable: boolean; for_gpu: boolean; reason: string | null }[];
}

export interface Sample {
  at_ms: number;
  cpu: number;
  memory: { total: number; available: number };
  gpus: { index: number; load: number; used: number; total: number; temperature: number | null }[];
  engines: { model: string; cpu: number; rss: number; tokens_per_second: number; prompt_tokens_per_second: number; running: number; waiting: number }[];
}

export interface Download {
  id: string;
  model: string;
  reference: string;
  state: 'running' | 'paused' | 'done' | 'failed' | 'stopped';
  transferred: number;
  total: number;
  bytes_per_second: number;
  validating: boolean;
  error: ApiError | null;
}

/** Sampling fields of /v1/chat/completions. */
export interface Parameters {
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  repeat_penalty?: number;
  max_tokens?: number;
  seed?: number;
  reasoning_effort?: string;
}

export interface Chat {
  id: Id;
  title: string;
  model: string;
  system: string;
  parameters: Parameters;
  /** Whether passages of other chats are put in front of questions. */
  memory: boolean;
  /** Servers of tools, and SERVER__TOOL, that it does not use. */
  tools_off: string[];
  /** A path, "Home/Kitchen"; "": none. */
  folder: string;
  tags: string[];
  pinned: boolean;
  leaf_id: Id;
  n_messages: number;
  created_ms: number;
  updated_ms: number;
  answering: boolean;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
  prompt_ms: number;
  generate_ms: number;
  tokens_per_second: number;
}

export interface Attachment {
  id: Id;
  name: string;
  type: string;
  size_bytes: number;
}

/** As a message keeps it. */
export interface StoredCall {
  id: string;
  function: { name: string; arguments: string };
}

/** As it is shown. */
export interface ToolCall {
  id: string;
  server: string;
  name: string;
  arguments: string;
  state: 'asking' | 'running' | 'done' | 'failed' | 'denied' | 'lost';
  result: string | null;
  ms: number | null;
}

export interface Source {
  chat_id: Id;
  message_id: Id;
  title: string;
  role: string;
  text: string;
  created_ms: number;
}

export interface Notice {
  code: string;
  message: string;
}

export interface Message {
  id: Id;
  chat_id: Id;
  parent_id: Id;
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  thinking: string;
  thinking_ms?: number | null;
  model: string;
  state: 'complete' | 'streaming' | 'stopped' | 'failed';
  error: string;
  /** The engine's last lines; told in the stream only. */
  log?: string | null;
  created_ms: number;
  finish_reason: string | null;
  usage: Usage | null;
  attachments: Attachment[];
  sibling_index: number;
  n_siblings: number;
  previous_sibling_id: Id;
  next_sibling_id: Id;
  feedback: 'up' | 'down' | null;
  tool_calls: StoredCall[] | null;
  tool_call_id: string;
  tool_name: string;
  /** What the model was given: room for so many tokens, and how many older messages did not fit. */
  context?: { n_ctx: number; used?: number; left_out: number; near_end?: boolean } | null;
  /** Passages of other chats that stood before the question. */
  sources?: Source[] | null;
  /** What is not as one may think. */
  notices?: Notice[] | null;
}

/** Of folders and tags. */
export interface Name {
  name: string;
  n_chats: number;
}

export interface Hit {
  chat_id: Id;
  message_id: Id;
  title: string;
  role: string;
  snippet: string;
  /** Start and length of the words that were found. */
  marks: [number, number][];
  created_ms: number;
  score: number;
  by_words: boolean;
  by_meaning: boolean;
}

export interface Setting {
  name: string;
  value: unknown;
  default: unknown;
  source: 'default' | 'file' | 'environment' | 'flag';
  type: 'flag' | 'number' | 'text' | 'choice' | 'list';
  min: number | null;
  max: number | null;
  choices: string[] | null;
  help: string;
}

export interface McpServer {
  id: string;
  name: string;
  enabled: boolean;
  transport: 'stdio' | 'http';
  command: string | null;
  args: string[];
  env: Record<string, string>;
  url: string | null;
  headers: Record<string, string>;
  state: 'connecting' | 'connected' | 'failed' | 'disconnected';
  error: string | null;
  n_tools: number;
}

export interface McpTool {
  name: string;
  description: string;
  input_schema: unknown;
  approval: 'ask' | 'always' | 'never';
}

/** Events of an answer's stream, by their name. */
export interface AnswerEvents {
  start: { chat: Chat; user: Message | null; message: Message };
  progress: { stage: 'waiting' | 'loading' | 'reading'; progress?: number | null; done?: number; total?: number };
  thinking: { text: string };
  chunk: { text: string };
  notice: Notice;
  /** Older messages have no room. */
  context: { n_ctx: number; left_out: number };
  tool_call: ToolCall;
  tool_result: { id: string; state: ToolCall['state']; result: string | null; ms: number | null };
  /** Another message of the same turn: a tool's result, or the answer that follows it. */
  message: { message: Message };
  done: { message: Message };
  error: { code: string; message: string; log?: string | null; failed?: Message };
  title: { title: string };
}
