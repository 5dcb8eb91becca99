// SPDX-License-Identifier: MIT
// The models of this machine: a list, import, download, removal, and the one that is active. The work is
// in models.node, which is apart from hearth.node because it needs libcurl, libyaml and libcrypto.
'use strict';

const hearth = require('./index.js');
const native = require('./models.node');
const { runner } = require('./run.js');
const run = runner(native);

// What model.yml says of loading.
function settings({ contextSize, batchSize, threads }) {
  return Object.fromEntries(Object.entries({ contextSize, batchSize, threads }).filter(([, value]) => value));
}

// What it says of answering, as the model's own recommendation, unless the caller overrides that.
function overrides({ temperature, topK, topP, mirostat }, given = []) {
  const list = Array.isArray(given) ? [...given] : [given];
  const own = { 'temp=float': temperature, 'top_k=int': topK, 'top_p=float': topP, 'mirostat=int': mirostat };
  for (const [key, value] of Object.entries(own)) {
    const name = `general.sampling.${key.split('=')[0]}=`;
    if (value !== undefined && !list.some((text) => String(text).startsWith(name))) list.push(`general.sampling.${key}:${value}`);
  }
  return list.length > 0 ? list : undefined;
}

class ModelManager {
  #library;
  #active = null; // {name, handle}
  #initialized = new Map(); // when a model was loaded here, by its name
  #turn = Promise.resolve(); // one change of the active model at a time

  static async open(options) {
    const manager = new ModelManager();
    manager.#library = await run('openModels', undefined, options);
    return manager;
  }

  #describe(model) {
    const active = this.#active?.name === model.name;
    const lastInitialized = this.#initialized.get(model.name);
    return { ...model, active, modelLoaded: active, ...(lastInitialized && { lastInitialized }) };
  }

  get catalogue() {
    return native.catalogue;
  }

  // {name, handle} of the model that activate loaded, or null.
  get active() {
    return this.#active && { name: this.#active.name, handle: this.#active.handle };
  }

  async list(options) {
    return (await run('list', this.#library, options)).map((model) => this.#describe(model));
  }

  async find(name) {
    return this.#describe(await run('find', this.#library, { name }));
  }

  async import(params) {
    return this.#describe(await run('import', this.#library, typeof params === 'string' ? { path: params } : params));
  }

  async download(reference, options) {
    return this.#describe(await run('download', this.#library, { ...options, reference }));
  }

  async remove(name) {
    const model = await this.find(name);
    if (model.active) await this.deactivate();
    return run('remove', this.#library, { name: model.name });
  }

  async rename(name, newName) {
    const model = await this.find(name);
    await run('rename', this.#library, { name: model.name, newName });
    if (model.active) this.#active.name = newName;
    this.#initialized.set(newName, this.#initialized.get(model.name));
    this.#initialized.delete(model.name);
  }

  verify(name, options) {
    return run('verify', this.#library, { ...options, name });
  }

  // A value of model.yml: temperature, maxTokens, contextSize, ...; undefined takes it out.
  set(name, key, value) {
    return run('set', this.#library, { name, key, value: value === undefined ? undefined : String(value) });
  }

  #inTurn(work) {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  // Loads a model in place of the one that is active, and gives its handle. What model.yml says of
  // loading holds unless config says otherwise.
  activate(name, config) {
    return this.#inTurn(async () => {
      const model = await this.find(name);
      if (model.active && config === undefined) return this.#active.handle;
      if (model.problem) throw Object.assign(new Error(`${model.name}: ${model.problem}`), { code: 'HEARTH_EFORMAT', status: 'EFORMAT' });
      if (!model.modelPath) throw Object.assign(new Error(`${model.name} is built into the hearth program; import a file`), { code: 'HEARTH_EUNSUPPORTED', status: 'EUNSUPPORTED' });
      await this.#drop();
      const handle = await hearth.initialize({ ...settings(model), ...config, overrides: overrides(model, config?.overrides), model: model.modelPath });
      this.#active = { name: model.name, handle };
      this.#initialized.set(model.name, Date.now());
      await run('markUsed', this.#library, { name: model.name });
      return handle;
    });
  }

  deactivate() {
    return this.#inTurn(() => this.#drop());
  }

  async #drop() {
    const active = this.#active;
    this.#active = null;
    if (active) await hearth.release(active.handle);
  }

  // Releases the active model and lets go of the library. More than once is fine.
  async close() {
    await this.deactivate();
    await native.release(this.#library);
  }
}

module.exports = { ModelManager };
