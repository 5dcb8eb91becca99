// The fake machine, its models, and what is in the chats when a scenario begins.
const GIB = 2 ** 30;

export const machine = {
  cpu: { name: 'AMD Ryzen 7 7840U', cores: 8, threads: 16, isa: ['avx2', 'avx512'] },
  memory: { total: 32 * GIB, available: 21.4 * GIB, budget: 19 * GIB, reserved: 0 },
  gpus: [],
  backends: [
    { name: 'builtin', version: '0.1.0', type: 'cpu', usable: true, for_gpu: false, reason: null },
    { name: 'llama-server', version: 'b6912', type: 'vulkan', usable: false, for_gpu: true, reason: 'no graphics card was found' },
  ],
};

const settings = { n_ctx: 0, n_parallel: 0, n_batch: 0, n_threads: 0, n_gpu_layers: -1, cache_type_k: null, cache_type_v: null, engine: 'auto', backend: null, pinned: false, idle_ms: -1, extra: [] };

function model(name, title, more) {
  return {
    name, title, origin: 'hearth', path: `/home/me/.local/share/hearth/models/${name}/${name}.gguf`, mmproj_path: null, files: [], size_bytes: 0, problem: null,
    capabilities: ['chat', 'completion'], architecture: 'llama', quantization: 'Q4_K', n_params: 0, context_length: 32768, n_layer: 32, n_embd: 4096, n_vocab: 128256,
    sha256: null, source: null, creator: null, license: null, created_ms: 0, modified_ms: 0, last_used_ms: 0, usage_count: 0, removable: true,
    settings: { ...settings }, state: 'unloaded', engine: null, ...more,
  };
}

export const models = (lively) => [
  model('ember', 'Ember', { origin: 'builtin', path: null, size_bytes: 4330496, quantization: 'Q8_0', n_params: 4070000, context_length: 2048, n_layer: 6, removable: false }),
  ...(lively
    ? [
        model('qwen3-8b', 'Qwen3 8B', { size_bytes: 5.03e9, n_params: 8.19e9, architecture: 'qwen3', n_layer: 36, context_length: 40960, capabilities: ['chat', 'completion', 'tools', 'thinking'], source: 'hf.co/Qwen/Qwen3-8B-GGUF', license: 'Apache 2.0', last_used_ms: 1764150000000, usage_count: 41 }),
        model('gemma-3-4b-it', 'Gemma 3 4B', { origin: 'lmstudio', removable: false, size_bytes: 3.34e9, n_params: 4.3e9, architecture: 'gemma3', context_length: 131072, capabilities: ['chat', 'completion', 'vision'], mmproj_path: '/home/me/.lmstudio/models/gemma-3-4b-it/mmproj.gguf' }),
        model('nomic-embed-text', 'Nomic Embed Text', { origin: 'ollama', removable: false, size_bytes: 2.7e8, n_params: 1.37e8, architecture: 'nomic-bert', quantization: 'F16', context_length: 2048, capabilities: ['embedding'] }),
        model('old/broken-13b', 'broken-13b', { origin: 'folder', removable: false, size_bytes: 4.1e9, n_params: 1.3e10, problem: 'part 2 of 3 is missing' }),
      ]
    : []),
];

export const catalog = [
  { name: 'qwen3-8b', reference: 'qwen3-8b', title: 'Qwen3 8B', description: 'An all-rounder that thinks before it answers, and calls tools.', size_bytes: 5.03e9, capabilities: ['chat', 'completion', 'tools', 'thinking'], license: 'Apache 2.0' },
  { name: 'llama-3.2-3b', reference: 'llama-3.2-3b', title: 'Llama 3.2 3B', description: 'Small and quick; good for summaries and short answers.', size_bytes: 2.02e9, capabilities: ['chat', 'completion', 'tools'], license: 'Llama 3.2' },
  { name: 'gemma-3-4b-it', reference: 'gemma-3-4b-it', title: 'Gemma 3 4B', description: 'Sees pictures, and speaks many languages.', size_bytes: 3.34e9, capabilities: ['chat', 'completion', 'vision'], license: 'Gemma' },
  { name: 'qwen3-30b-a3b', reference: 'qwen3-30b-a3b', title: 'Qwen3 30B A3B', description: 'Large, but only a part of it works at a time.', size_bytes: 18.6e9, capabilities: ['chat', 'completion', 'tools', 'thinking'], license: 'Apache 2.0' },
  { name: 'llama-3.3-70b', reference: 'llama-3.3-70b', title: 'Llama 3.3 70B', description: 'For workstations.', size_bytes: 42.5e9, capabilities: ['chat', 'completion', 'tools'], license: 'Llama 3.3' },
];

export function plan(m) {
  const n_ctx = m.settings.n_ctx || Math.min(m.context_length, 8192);
  const cache = n_ctx * m.n_layer * 2048 * (m.settings.cache_type_k === 'q8_0' ? 1 : 2);
  const memory = { weights: m.size_bytes, cache, compute: 3e8, projector: m.mmproj_path ? 8.5e8 : 0, overhead: 6e7, ram: 0, vram: [], ram_limit: machine.memory.budget, vram_limit: [] };
  if (m.name === 'ember') Object.assign(memory, { cache: 6684672, compute: 11331456, overhead: 6877216 });
  memory.ram = memory.weights + memory.cache + memory.compute + memory.projector + memory.overhead;
  const share = memory.ram / memory.ram_limit;
  return {
    kind: 'builtin', backend: '', mode: 'cpu', fit: share > 1 ? 'red' : share > 0.8 ? 'yellow' : 'green', n_ctx, n_parallel: m.settings.n_parallel || 1, n_batch: 512, n_threads: m.settings.n_threads || 8,
    n_layers: m.n_layer, n_gpu_layers: 0, cache_type_k: m.settings.cache_type_k ?? 'f16', cache_type_v: m.settings.cache_type_v ?? 'f16', memory,
    reasons: [
      { about: 'mode', text: 'There is no graphics card, so every layer runs on the processor.' },
      { about: 'n_ctx', text: `A context of ${n_ctx} tokens was chosen: more is possible, up to ${m.context_length}, and costs memory.` },
    ],
  };
}

export const serverSettings = [
  { name: 'port', value: 8080, default: 8080, source: 'flag', type: 'number', min: 0, max: 65535, choices: null, help: 'Port to listen on.' },
  { name: 'idle-timeout', value: 300, default: 300, source: 'default', type: 'number', min: 0, max: 604800, choices: null, help: 'Seconds after which a model that nobody uses is unloaded. 0: never.' },
  { name: 'models', value: ['/data/models'], default: [], source: 'file', type: 'list', min: null, max: null, choices: null, help: 'Folders that are searched for models.' },
  { name: 'offline', value: false, default: false, source: 'default', type: 'flag', min: null, max: null, choices: null, help: 'Never connect to anything but this machine.' },
  { name: 'log-level', value: 'info', default: 'info', source: 'default', type: 'choice', min: null, max: null, choices: ['error', 'warning', 'info', 'debug'], help: 'How much is logged.' },
];

const titles = ['Sourdough for beginners', 'Rust lifetimes explained', 'Weekend in Ghent', 'Letter to the landlord', 'Quantization formats', 'Names for a cat', 'SQL window functions', 'Birthday speech'];

/** [{title, folder, pinned, age_days, turns: [[question, answer]...]}] */
export function chats(scenario) {
  if (scenario === 'empty') return [];
  if (scenario === 'long')
    return [{
      title: 'Five thousand messages', folder: '', pinned: false, age_days: 0,
      turns: Array.from({ length: 2500 }, (_, i) => [`Question ${i + 1}: what is ${i} plus ${i}?`, `It is **${2 * i}**.${i % 7 === 0 ? `\n\n\`\`\`c\nint sum = ${i} + ${i};\n\`\`\`\n` : ''}${i % 11 === 0 ? `\n\n- one\n- two\n- three ${'and more words '.repeat(i % 40)}` : ''}`]),
    }];
  return titles.map((title, i) => ({
    title, folder: i === 0 ? 'Kitchen' : i === 3 || i === 7 ? 'Letters' : '', pinned: i === 4, age_days: [0, 0, 1, 3, 5, 9, 20, 60][i],
    turns: [[`Tell me about ${title.toLowerCase()}.`, i === 0 ? 'Mix **500 g of flour** with 350 g of water and let it rest. The starter should double in six hours.' : `Here is what I know about ${title.toLowerCase()}.`], ...(i === 0 ? [['Why does it need to rest?', 'Rest lets the flour drink the water. The gluten begins to form by itself, which bakers call *autolyse*.']] : [])],
  }));
}

export const mcp = () => [
  { id: 'files', name: 'files', enabled: true, transport: 'stdio', command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '/home/me/notes'], env: {}, url: null, headers: {}, tool_allowlist: null, state: 'connected', error: null, n_tools: 2,
    tools: [
      { name: 'read_file', description: 'Reads a file of the notes folder.', input_schema: {}, approval: 'ask' },
      { name: 'write_file', description: 'Writes a file of the notes folder.', input_schema: {}, approval: 'ask' },
    ] },
];
