// Writes a LoRA adapter for Ember: node make_adapter.mjs FILE [FACTOR]. Rank 2 on one matrix, values that change answers;
// another FACTOR gives other ones.
import { writeFileSync } from 'node:fs';

const n_embd = 256;
const rank = 2;
const factor = Number(process.argv[3] ?? 1.7);
const parts = [];
const u32 = n => parts.push(Buffer.from(Uint32Array.of(n).buffer));
const u64 = n => parts.push(Buffer.from(BigUint64Array.of(BigInt(n)).buffer));
const text = s => { u64(Buffer.byteLength(s)); parts.push(Buffer.from(s)); };
const string = (key, value) => { text(key); u32(8); text(value); };

parts.push(Buffer.from('GGUF'));
u32(3);
u64(2);
u64(4);
string('general.architecture', 'llama');
string('general.type', 'adapter');
string('adapter.type', 'lora');
text('adapter.lora.alpha');
u32(6);
parts.push(Buffer.from(Float32Array.of(4).buffer));
const tensor = (name, rows, columns, offset) => {
    text(name);
    u32(2);
    u64(columns);
    u64(rows);
    u32(0);
    u64(offset);
};
tensor('blk.3.attn_output.weight.lora_a', rank, n_embd, 0);
tensor('blk.3.attn_output.weight.lora_b', n_embd, rank, rank * n_embd * 4);
const head = Buffer.concat(parts);
const values = n => Buffer.from(Float32Array.from({ length: n }, (_, i) => Math.sin(i * factor) * 0.5).buffer);
writeFileSync(process.argv[2], Buffer.concat([head, Buffer.alloc((32 - head.length % 32) % 32), values(rank * n_embd), values(rank * n_embd)]));
