// SPDX-License-Identifier: MIT
// Types of models.js.
import type { CallOptions, Config, ContextHandle } from './index';

export type Capability = 'chat' | 'completion' | 'tools' | 'thinking' | 'embedding' | 'rerank' | 'vision' | 'audio';

/** What is known of a model. Fields that neither its file nor model.yml tells are absent. */
export interface ModelMetadata {
  name: string;
  modelType: 'local';
  /** Where it was found. */
  origin: 'builtin' | 'hearth' | 'folder' | 'huggingface' | 'lmstudio' | 'ollama';
  active: boolean;
  modelLoaded: boolean;
  lastInitialized?: number;
  filename?: string;
  modelPath?: string;
  title?: string;
  architecture?: string;
  quantization?: string;
  checksum?: string;
  source?: string;
  creator?: string;
  provider?: string;
  license?: string;
  /** Why it cannot be used. */
  problem?: string;
  /** Bytes of all files. */
  size: number;
  parameters?: number;
  contextLength?: number;
  contextSize?: number;
  batchSize?: number;
  threads?: number;
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  mirostat?: number;
  /** Milliseconds, as Date.now(). */
  created?: number;
  modified?: number;
  createdAt?: string;
  lastUsed?: string;
  usageCount: number;
  capabilities: Capability[];
}

export interface KnownModel {
  name: string;
  title: string;
  repository?: string;
  filename?: string;
  size: number;
  parameters?: string;
  contextLength: number;
  quantization?: string;
  license?: string;
  capabilities: Capability[];
}

export interface OpenParams extends CallOptions {
  folder?: string;
  folders?: string | string[];
  huggingface?: boolean;
  lmstudio?: boolean;
  ollama?: boolean;
}
export interface ImportParams extends CallOptions { path: string; name?: string; copy?: boolean; source?: string; sha256?: string }
export interface DownloadOptions extends CallOptions { name?: string; sha256?: string; connections?: number }

export class ModelManager {
  private constructor();
  static open(options?: OpenParams): Promise<ModelManager>;
  /** Models that are known by name, for `download`; nothing is fetched for it. */
  readonly catalogue: KnownModel[];
  readonly active: { name: string; handle: ContextHandle } | null;
  list(options?: CallOptions): Promise<ModelMetadata[]>;
  /** By its name, or the only one that begins with it. */
  find(name: string): Promise<ModelMetadata>;
  /** A file is used where it is, unless `copy` is set. */
  import(params: string | ImportParams): Promise<ModelMetadata>;
  /** A name of the catalogue, hf.co/ORG/REPO[:QUANT or FILE], or an address. Goes on where an earlier one stopped. */
  download(reference: string, options?: DownloadOptions): Promise<ModelMetadata>;
  /** Files outside the manager's folder are never deleted. */
  remove(name: string): Promise<{ freedBytes: number }>;
  rename(name: string, newName: string): Promise<void>;
  /** Compares SHA-256 with what is known; gives the sum. */
  verify(name: string, options?: CallOptions): Promise<string>;
  set(name: string, key: string, value?: string | number | boolean): Promise<void>;
  /**
   * Loads it in place of the active one, with what model.yml says (contextSize, batchSize, threads; temperature, topK,
   * topP and mirostat as its defaults for answers) unless config says otherwise.
   */
  activate(name: string, config?: Omit<Config, 'model'>): Promise<ContextHandle>;
  deactivate(): Promise<void>;
  close(): Promise<void>;
}
