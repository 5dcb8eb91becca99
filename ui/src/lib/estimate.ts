// What to expect of a model before it is here: whether it fits, and how fast it may be. Writing one token reads
// every weight once, so speed is memory bandwidth by size; the bandwidths are those of ordinary machines, hence
// a range. The plan of a model that is here is exact, and takes the place of this.
import type { Machine } from './types';

const GIB = 2 ** 30;
const CPU_BYTES_PER_SECOND = [14e9, 45e9] as const;
const GPU_BYTES_PER_SECOND = [180e9, 800e9] as const;
const MOST = 400;

export type Fit = 'good' | 'tight' | 'no';
export interface Estimate {
  fit: Fit;
  onGpu: boolean;
  needed: number;
  /** Tokens per second, from and to. */
  speed: [number, number];
}

export function estimate(sizeBytes: number, machine: Machine): Estimate {
  const needed = sizeBytes * 1.1 + Math.min(0.6 * GIB, sizeBytes);
  const gpu = Math.max(0, ...machine.gpus.map((g) => g.free));
  const ram = machine.memory.budget || machine.memory.available;
  const onGpu = gpu >= needed;
  const [low, high] = onGpu ? GPU_BYTES_PER_SECOND : CPU_BYTES_PER_SECOND;
  const room = Math.max(ram, onGpu ? gpu : 0);
  return {
    fit: needed <= room * 0.8 ? 'good' : needed <= room ? 'tight' : 'no',
    onGpu,
    needed,
    speed: [Math.min(MOST, low / sizeBytes), Math.min(MOST, high / sizeBytes)],
  };
}

/** The one to begin with: the largest that fits well and is not slow. */
export function best<T extends { size_bytes: number }>(models: T[], machine: Machine): T | null {
  const good = models
    .map((model) => ({ model, guess: estimate(model.size_bytes, machine) }))
    .filter(({ guess }) => guess.fit === 'good' && guess.speed[1] >= 8)
    .sort((a, b) => b.model.size_bytes - a.model.size_bytes);
  return good[0]?.model ?? null;
}
